"""``boxes.jsonl``: the boxed pictures of a folder of scenes, one a line."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from converter.picture_files import is_text
from facemask_edge.errors import InputError
from facemask_edge.values import Box

BOXES = "boxes.jsonl"
LABELS = ("mask", "no_mask", "incorrect")
"""Of a face; ``incorrect`` is a mask that does not cover mouth and nose."""
SceneSplit = Literal["train", "dev"]
SMALLEST_PART = 0.1
"""Of a box inside its picture; with less it is a slip, or of a picture of another size."""
LARGEST_FILE = 200_000_000
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and the faces in it."""

    picture: Path
    width: int
    height: int
    split: str
    faces: tuple[tuple[Box, str], ...]
    """Boxes in pixels of the picture, with their labels."""


def read_scene_file(folder: Path) -> list[Scene]:
    """Read the list of a folder.

    Raises:
        InputError: It cannot be read, or a line is no scene.
    """
    file = folder / BOXES
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise InputError(f"{file} has more than {LARGEST_FILE // 1_000_000} MB, this is no list of scenes")
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no UTF-8 text, byte {error.start + 1} is none") from error
    # Some editors begin a file with a byte order mark, and end it with empty lines.
    lines = text.removeprefix("\ufeff").rstrip().splitlines()
    return [_scene(folder, line, f"{file}, line {number}") for number, line in enumerate(lines, 1)]


def _scene(folder: Path, line: str, where: str) -> Scene:
    try:
        record = json.loads(line)
        name = Path(str(record["image"]))
        faces = tuple((_box(face["box"]), str(face["label"])) for face in record["faces"])
        scene = Scene(folder / name, int(record["width"]), int(record["height"]), str(record["split"]), faces)
    # What is nested deeply or is infinite is none either.
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise InputError(f"{where} is not a scene with image, width, height, split and faces: {error!r}") from error
    # A slip of the pen must not make a face that counts as none, or a picture that is never looked at.
    _ensure_known(scene.split, get_args(SceneSplit), where)
    for box, label in scene.faces:
        _ensure_known(label, LABELS, where)
        if box.visible_part(scene.width, scene.height) < SMALLEST_PART:
            sides = ", ".join(f"{side:g}" for side in (box.x, box.y, box.width, box.height))
            raise InputError(f"{where}: the box {sides} lies outside of the {scene.width} x {scene.height} pixels")
    if name.is_absolute() or ".." in name.parts or "\0" in str(name):
        raise InputError(f"{where}: {name} does not lie in the folder")
    if not is_text(name):
        raise InputError(f"{where}: {record['image']!r} is no UTF-8; rename the picture")
    return scene


def _ensure_known(value: str, known: Sequence[str], where: str) -> None:
    if value not in known:
        raise InputError(f"{where}: {value!r} is none of {', '.join(known)}")


def _box(numbers: object) -> Box:
    if not isinstance(numbers, list):
        raise TypeError("a box is x, y, width, height")
    box = Box(*map(float, numbers))
    if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
        raise ValueError("a box without bounds")
    return box
