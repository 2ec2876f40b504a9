"""Says of each value of the configuration where it comes from."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from facemask_edge.areas import AREAS, Areas
from facemask_edge.config import Config
from facemask_edge.config_file import validated
from facemask_edge.config_layers import Layer, place, read_layers
from facemask_edge.overrides import Override, read_overrides, the_last_of
from facemask_edge.switches import KEYS, OVERRIDES, available, sent_before


def shown_with_origins(
    path: Path | None, overrides: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> str:
    """All of the configuration with what was changed from afar, one key a line, each with its origin.

    Args:
        path: As ``load_config`` takes it.
        overrides: Likewise.
        environment: Likewise.

    Returns:
        Lines like ``section.key: value  # origin``, where the value is JSON and the origin ``default``, a file and a
        line, a variable of the environment, ``--set`` or the file that keeps what was changed from afar: a number that
        stands for a key, zones that were drawn for a camera (``cameras[door].zones``), a switch (``enabled``).

    Raises:
        ConfigError: As ``load_config``.
    """
    layers = read_layers(path) if path else []
    given = read_overrides(overrides, environment)
    config = validated(layers, given)
    kept = config.outbox.beside(OVERRIDES)
    # As the daemon does: where nobody may send anything, nothing that was sent before holds.
    before = sent_before(kept) if config.mqtt.orders or config.http.enabled else {}
    sent = {KEYS.get(name, name): value for name, value in before.items() if name in available(config)}
    lines = []
    for keys, value in _leaves(yaml.safe_load(config.shown())):
        dotted = ".".join(keys)
        is_sent = dotted in sent
        lines.append(_line(dotted, sent.pop(dotted, value), kept if is_sent else _origin(layers, given, keys)))
        if dotted == "cameras":
            lines += _drawn(config)
    return "".join([*lines, *(_line(name, value, kept) for name, value in sent.items())])


def _origin(layers: Sequence[Layer], overrides: Sequence[Override], keys: Sequence[str]) -> str:
    if override := the_last_of(overrides, ".".join(keys)):
        return override.origin
    match place(layers, keys):
        case layer, line, depth if depth == len(keys):
            return f"{layer.path}:{line}"
        case _:
            return "default"


def _drawn(config: Config) -> Iterator[str]:
    """Zones and privacy masks, with those of the configuration that stay, of the cameras for which some were drawn."""
    file = config.outbox.beside(AREAS)
    areas = Areas(config.cameras, file)
    for camera in config.cameras:
        if areas.is_drawn(camera.name):
            now = areas.of(camera.name)
            for key in ("zones", "ignore_zones", "privacy_masks"):
                yield _line(f"cameras[{camera.name}].{key}", getattr(now, key), file)


def _line(dotted: str, value: Any, origin: object) -> str:  # noqa: ANN401 - whatever a key may have
    return f"{dotted}: {json.dumps(value, ensure_ascii=False)}  # {origin}\n"


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
