"""Says of each value of the configuration where it comes from."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from facemask_edge.config_file import load_config
from facemask_edge.config_layers import Layer, covers, place, read_layers
from facemask_edge.switches import KEYS, OVERRIDES, sent_before


def shown_with_origins(path: Path | None, overrides: Sequence[str] = ()) -> str:
    """All of the configuration with the numbers that were sent from afar, one key a line, each with its origin.

    What was switched on or off, and zones that were drawn on the page, are not in it.

    Args:
        path: As ``load_config`` takes it.
        overrides: Likewise.

    Returns:
        Lines like ``section.key: value  # origin``, where the value is JSON and the origin ``default``, a file and a
        line, ``--set`` or the file that keeps what was sent.

    Raises:
        ConfigError: As ``load_config``.
    """
    config = load_config(path, overrides)
    values = yaml.safe_load(config.shown())
    layers = read_layers(path) if path else []
    kept = config.outbox.beside(OVERRIDES)
    # As the daemon does: where nobody may send anything, nothing that was sent before holds.
    before = sent_before(kept) if config.mqtt.orders or config.http.enabled else {}
    sent = {KEYS[name]: value for name, value in before.items() if name in KEYS}
    lines = []
    for keys, value in _leaves(values):
        dotted = ".".join(keys)
        origin = f"{kept}" if dotted in sent else _origin(layers, overrides, keys)
        lines.append(f"{dotted}: {json.dumps(sent.get(dotted, value), ensure_ascii=False)}  # {origin}\n")
    return "".join(lines)


def _origin(layers: Sequence[Layer], overrides: Sequence[str], keys: Sequence[str]) -> str:
    if any(covers(override.partition("=")[0], ".".join(keys)) for override in overrides):
        return "--set"
    match place(layers, keys):
        case layer, line, depth if depth == len(keys):
            return f"{layer.path}:{line}"
        case _:
            return "default"


def _leaves(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value
