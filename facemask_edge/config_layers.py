"""The files of a configuration, one over the other: what a fleet has in common, what a site has, what the device has.

Beside ``config.yaml`` there may be a folder ``config.d`` (beside ``door.yaml``, ``door.d``). Its files come first, in
the order of their names, those of a folder in it where its name comes; each later one wins over those before, key by
key, and ``config.yaml`` over all. A list, such as ``cameras``, is replaced whole. A key with nothing behind it says
nothing: to take a value back, write null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from facemask_edge.errors import ConfigError

MAX_CONFIG_BYTES = 1_000_000
NULL = "tag:yaml.org,2002:null"
FOLDER = ".d"
"""Suffix of the folder, instead of that of the file."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One file."""

    path: Path
    root: yaml.Node | None
    """With the lines of its keys; None of an empty file."""
    values: dict[str, Any]


def read_layers(path: Path, instead: Mapping[Path, Path | None] | None = None) -> list[Layer]:
    """The file, and before it those of the folder beside it.

    Args:
        path: The file.
        instead: Folders that are read in the place of others, or none: what it would be with that.

    Raises:
        ConfigError: One cannot be read, or is no YAML with sections.
    """
    return [*(_read(file) for file in _files(folder_of(path), instead or {})), _read(path)]


def folder_of(path: Path) -> Path:
    """The folder whose files come before a file."""
    return path.parent / f"{path.stem}{FOLDER}"


def read_folder(folder: Path) -> list[Layer]:
    """The files of a folder, which need not be there, and of those in it.

    Raises:
        ConfigError: As ``read_layers``.
    """
    return [_read(file) for file in _files(folder, {})]


def _files(folder: Path, instead: Mapping[Path, Path | None]) -> Iterator[Path]:
    entries: list[Path] = []
    try:
        # Not glob: that passes over a folder that may not be read, and with it over what a fleet was told.
        entries = [each for each in folder.iterdir() if not each.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; who runs this has to be able to read it") from error
    # Also what is not there, or not any more.
    for entry in sorted({*entries, *(place for place in instead if place.parent == folder)}):
        if entry.suffix == ".yml":
            raise ConfigError(f"{entry}: would be passed over; name it {entry.stem}.yaml")
        meant = instead.get(entry, entry)
        if entry.suffix == ".yaml":
            yield entry
        elif meant is not None and _is_folder(meant):
            yield from _files(meant, instead)


def _is_folder(entry: Path) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise ConfigError(f"{entry}: {error.strerror}; who runs this has to be able to read it") from error


def merged(layers: Iterable[Layer]) -> dict[str, Any]:
    """The values of all, later ones over earlier ones."""
    values: dict[str, Any] = {}
    for layer in layers:
        _merge(values, layer.values)
    return values


def place(layers: Sequence[Layer], keys: Sequence[str | int]) -> tuple[Layer, int, int] | None:
    """Where a key comes from.

    Args:
        layers: As ``read_layers`` gives them.
        keys: Of the section, of the key in it, and so on.

    Returns:
        The file, the line of the key or of the deepest one above it, counted from 1, and how many of the keys are
        there; None when there are no layers with something in them.
    """
    found = [(layer, *_line(layer.root, keys)) for layer in layers if layer.root is not None]
    # Of those that know as much of it, the last one wins.
    return max(reversed(found), key=lambda each: each[2], default=None)


def _merge(values: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        before = values.get(key)
        if isinstance(value, dict):
            values[key] = inner = before if isinstance(before, dict) else {}
            _merge(inner, value)
        else:
            values[key] = value


def _read(path: Path) -> Layer:
    root = _compose(path)
    return Layer(path, root, _constructed(root, path) if root is not None else {})


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
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # No UTF-8, or the number of a character that there is not.
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if root is not None:
        try:
            _refuse_duplicates(root, path)
            root = root if _says_something(root) else None
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
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        # A date that is none, a tag that does not fit, a template that was not filled in, a value that holds itself.
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


def _says_something(node: yaml.Node) -> bool:
    """Whether there is a value; takes out keys below which there are only comments, or nothing.

    As null they would take back what other files say.
    """
    if isinstance(node, yaml.ScalarNode):
        return bool(node.value) or node.tag != NULL
    inside = node.value
    if isinstance(node, yaml.MappingNode):
        node.value = [pair for pair in inside if _says_something(pair[1])]
    else:
        node.value = [each for each in inside if _says_something(each)]
    return bool(node.value) or not inside


def _line(node: yaml.Node, keys: Iterable[str | int]) -> tuple[int, int]:
    """The line, counted from 1, of the deepest node on the way to a key, and how many keys down that is."""
    line, depth = node.start_mark.line, 0
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
        depth += 1
    return line + 1, depth
