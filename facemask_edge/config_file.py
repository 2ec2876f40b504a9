"""Reads the configuration, with errors that name file, line and key."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from facemask_edge.config import CameraConfig, Config
from facemask_edge.config_layers import Layer, covers, merged, place, read_layers
from facemask_edge.errors import ConfigError
from facemask_edge.redaction import without_password


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read the configuration.

    Args:
        path: The YAML file, with those of ``config.d`` beside it; None takes the defaults.
        overrides: ``section.key=value`` each, the value parsed as YAML; they win over the file.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    return validated(read_layers(path) if path else [], overrides)


def validated(layers: Sequence[Layer], overrides: Sequence[str] = ()) -> Config:
    """The configuration of some files, one over the other.

    Raises:
        ConfigError: A key or value is wrong.
    """
    values = merged(layers)
    for override in overrides:
        _override(values, override)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        # Without its cause: that repeats every value.
        raise ConfigError(_explained(error, layers, overrides)) from None


def _override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {without_password(override)}: write it as section.key=value")
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"--set {without_password(override)}: the value is not valid YAML") from error
    *sections, last = key.split(".")
    for section in sections:
        inner = values.setdefault(section, {})
        if not isinstance(inner, dict):
            shown = without_password(override)
            raise ConfigError(f"--set {shown}: {section} has no keys; write the whole of it as {section}=VALUE")
        values = inner
    values[last] = value


def _explained(error: ValidationError, layers: Sequence[Layer], overrides: Sequence[str]) -> str:
    """One sentence about the first error: where it is, what is wrong, what would be right."""
    first = error.errors()[0]
    keys = first["loc"]
    dotted = ".".join(str(key) for key in keys)
    override = next((text for text in overrides if covers(text.partition("=")[0], dotted)), None)
    if override:
        where = f"--set {without_password(override)}"
    elif at := place(layers, [key for key in keys if isinstance(key, str | int)]):
        where = f"{at[0].path}:{at[1]}"
    else:
        where = "configuration"
    if first["type"] == "extra_forbidden":
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
