"""Reads the configuration, with errors that name file, line and key."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facemask_edge.config import CameraConfig, Config
from facemask_edge.config_layers import Layer, merged, place, read_layers
from facemask_edge.errors import ConfigError
from facemask_edge.overrides import Override, read_overrides, the_last_of
from facemask_edge.redaction import without_password


def load_config(
    path: Path | None, overrides: Sequence[str] = (), environment: Mapping[str, str] = os.environ
) -> Config:
    """Read the configuration.

    Args:
        path: The YAML file, with those of ``config.d`` beside it; None takes the defaults.
        overrides: ``section.key=value`` each, the value parsed as YAML; they win over all else.
        environment: Its variables ``FACEMASK_EDGE__SECTION__KEY`` win over the files.

    Raises:
        ConfigError: A file cannot be read, or a key or value is wrong.
    """
    return validated(read_layers(path) if path else [], read_overrides(overrides, environment))


def validated(layers: Sequence[Layer], overrides: Sequence[Override] = ()) -> Config:
    """The configuration of some files and single values, one over the other.

    Raises:
        ConfigError: A key or value is wrong.
    """
    values = merged(layers)
    for override in overrides:
        override.apply(values)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        # Without its cause: that repeats every value.
        raise ConfigError(_explained(error, layers, overrides)) from None


def _explained(error: ValidationError, layers: Sequence[Layer], overrides: Sequence[Override]) -> str:
    """One sentence about the first error: where it is, what is wrong, what would be right."""
    first = error.errors()[0]
    keys = first["loc"]
    dotted = ".".join(str(key) for key in keys)
    is_unknown = first["type"] == "extra_forbidden"
    if override := the_last_of(overrides, dotted, or_below=is_unknown):
        where = override.shown
    elif at := place(layers, [key for key in keys if isinstance(key, str | int)]):
        where = f"{at[0].path}:{at[1]}"
    else:
        where = "configuration"
    if is_unknown:
        return f"{where}: unknown key {without_password(dotted)}{_suggestion(keys)}"
    message = first["msg"].removeprefix("Value error, ")
    # Before it is cut off, a password must be gone.
    value = without_password(repr(first["input"]))
    return f"{where}: {dotted}: {message[0].lower()}{message[1:]}, not {value:.60}"


def _suggestion(keys: Sequence[str | int]) -> str:
    """What the user may have meant by an unknown key."""
    section: Any = Config
    for key in keys[:-1]:
        field = None if isinstance(key, int) else section.model_fields.get(key)
        if field is not None:
            annotation = field.annotation
            section = CameraConfig if key == "cameras" else annotation
    known = list(section.model_fields)
    close = difflib.get_close_matches(str(keys[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"
