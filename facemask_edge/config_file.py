"""Reads the configuration, with errors that name file, line and key."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from facemask_edge.config import CameraConfig, Config
from facemask_edge.errors import ConfigError
from facemask_edge.redaction import without_password

MAX_CONFIG_BYTES = 1_000_000


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read the configuration.

    Args:
        path: The YAML file; None takes the defaults.
        overrides: ``section.key=value`` each, the value parsed as YAML; they win over the file.

    Raises:
        ConfigError: The file cannot be read, or a key or value is wrong.
    """
    root = _compose(path) if path else None
    values = _constructed(root, path) if path and root else {}
    for override in overrides:
        _override(values, override)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        # Without its cause: that repeats every value.
        raise ConfigError(_explained(error, path, root, overrides)) from None


def _compose(path: Path) -> yaml.Node | None:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name a configuration file with --config") from error
    if len(content) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes, this is no configuration")
    try:
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if root is not None:
        try:
            _refuse_duplicates(root, path)
        except (TypeError, RecursionError) as error:
            raise ConfigError(f"{path}: keys are plain words, and no value holds itself") from error
    return root


def _constructed(root: yaml.Node, path: Path) -> dict[str, Any]:
    """Plain values of composed nodes; SafeLoader makes nothing else."""
    try:
        values = yaml.SafeLoader("").construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: {getattr(error, 'problem', error)}") from error
    except (ValueError, TypeError, RecursionError) as error:
        # A date that is none, a template that was not filled in, a value that holds itself.
        # Without the error's text, which may hold any value.
        raise ConfigError(f"{path}: not a value that YAML knows; put texts into quotation marks") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}:1: a configuration is made of sections like 'mqtt:', see config.yaml")
    return values


def _refuse_duplicates(node: yaml.Node, path: Path) -> None:
    """YAML keeps the last of two equal keys silently, so a user's change may do nothing: refuse that."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigError(f"{path}:{key.start_mark.line + 1}: {key.value} is given twice; keep one")
            seen.add(key.value)
            _refuse_duplicates(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_duplicates(value, path)


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


def _explained(error: ValidationError, path: Path | None, root: yaml.Node | None, overrides: Sequence[str]) -> str:
    """One sentence about the first error: where it is, what is wrong, what would be right."""
    first = error.errors()[0]
    keys = first["loc"]
    dotted = ".".join(str(key) for key in keys)
    override = next((text for text in overrides if _covers(text.partition("=")[0], dotted)), None)
    if override:
        where = f"--set {without_password(override)}"
    elif path and root:
        where = f"{path}:{_line(root, keys)}"
    else:
        where = "configuration"
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key {without_password(dotted)}{_suggestion(keys)}"
    message = first["msg"].removeprefix("Value error, ")
    # Before it is cut off, a password must be gone.
    value = without_password(repr(first["input"]))
    return f"{where}: {dotted}: {message[0].lower()}{message[1:]}, not {value:.60}"


def _covers(override: str, dotted: str) -> bool:
    return dotted == override or dotted.startswith(override + ".")


def _line(node: yaml.Node, keys: Iterable[str | int]) -> int:
    """The line, counted from 1, of the deepest node on the way to a key."""
    line = node.start_mark.line
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(key)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
        else:
            break
    return line + 1


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
