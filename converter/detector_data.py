"""Where the face detector's pictures come from: scenes with boxed faces, and pictures of single faces without boxes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from converter.duplicates import (
    HASHES_SHAPE,
    ONE_CAMERA,
    Hashes,
    apart_where_one_camera,
    copies_of,
    frames_of_one_camera,
    near_duplicate_groups,
    perceptual_hashes,
)
from converter.picture_files import ensure_size, escaped, files_in, left_out, read_picture
from converter.scene_file import BOXES, SceneSplit, read_scene_file
from facemask_edge.errors import InputError
from facemask_edge.values import Box, Face, Image

Boxes = NDArray[np.float32]
"""Faces: float32, n x 4: x, y, width, height in pixels of their picture."""

UNLABELLED, NO_FACE = "unlabelled", "no_face"
"""The labels of a face that the boxes' makers left out, and of what only looks like one: see ``unlabelled_faces``."""
SINGLE_FACES = {"with_mask": "mask", "without_mask": "no_mask"}
"""The sub-folders of a folder of single faces, each with its label."""

SURE_SCORE = 0.8
"""The initial detector's box is taken for a label from this score."""
UNSURE_SCORE = 0.4
"""A second box of this score could be a second face: such a picture is left out."""
TIGHT_AREA = 0.15
"""And when it covers this part of its picture: these pictures show one face closely."""
WIDEST_SEARCH = 160
"""Single faces are searched at this size: YuNet finds faces of about half its input best."""


@dataclass(frozen=True, slots=True)
class BoxedPicture:
    """A picture file and the faces in it."""

    path: Path
    boxes: Boxes
    labels: tuple[str, ...]
    """For each box ``mask``, ``no_mask`` or ``incorrect``: all three are faces; or ``unlabelled``, or ``no_face``."""

    is_scene: bool = True
    """Whether others than the labelled faces may be in it, and frames of one camera look alike."""
    size: tuple[int, int] | None = None
    """Width and height that the boxes belong to by the list of scenes; None where it has no line there."""

    def described(self) -> str:
        """Name, boxes and labels in one line: another line, another training."""
        return f"{self.path.name} {self.boxes.tolist()} {self.labels}"


def read_scenes(folders: Sequence[Path], split: SceneSplit) -> list[BoxedPicture]:
    """Read the boxed pictures of one split.

    Args:
        folders: Hold ``boxes.jsonl``, or sub-folders of which some do; others are of no use here.
        split: The part to read.

    Raises:
        InputError: There is no such folder, no such file in any, or a line that is no scene.
    """
    return [picture for folder in scene_folders(folders) for picture in read_list(folder, split)]


def scene_folders(folders: Sequence[Path]) -> list[Path]:
    """The folders with boxed pictures among some and the folders in them.

    Raises:
        InputError: There is no such folder, or none has any.
    """
    found = [path for folder in folders for path in sorted(_folder_and_children(folder)) if (path / BOXES).is_file()]
    if not found:
        names = ", ".join(map(str, folders))
        raise InputError(f"{names} has no {BOXES}, nor has a folder in it; name a folder of boxed scenes")
    return found


def read_list(folder: Path, split: SceneSplit) -> list[BoxedPicture]:
    """Read the boxed pictures of one split of one folder.

    Raises:
        InputError: Its list cannot be read, or has a line that is no scene.
    """
    return [
        BoxedPicture(
            scene.picture,
            np.array([(box.x, box.y, box.width, box.height) for box, _ in scene.faces], np.float32).reshape(-1, 4),
            tuple(label for _, label in scene.faces),
            size=(scene.width, scene.height),
        )
        for scene in read_scene_file(folder)
        if scene.split == split
    ]


def single_face_files(folder: Path) -> list[tuple[Path, str]]:
    """Pictures of single faces and their labels, in the order of their names; none when the folder has no such.

    Args:
        folder: Holds ``with_mask`` and ``without_mask``, or sub-folders of which some do.

    Raises:
        InputError: There is no such folder.
    """
    return [
        (path, label)
        for parent in sorted(_folder_and_children(folder))
        for kind, label in SINGLE_FACES.items()
        if (parent / kind).is_dir()
        for path in files_in(parent / kind)
    ]


def box_single_faces(
    files: Iterable[tuple[Path, str]], find: Callable[[Image], list[Face]], console: Console
) -> list[BoxedPicture]:
    """Give pictures of single faces the box that a detector is sure of; the others are left out.

    Args:
        files: Pictures and labels, as from ``single_face_files``.
        find: Finds the faces of a picture.
        console: Told which files cannot be read; they are left out, too.
    """
    boxed = []
    for path, label in files:
        image = read_picture(path)
        if image is None:
            console.print(left_out(path), highlight=False, soft_wrap=True)
            continue
        scale = min(WIDEST_SEARCH / max(image.shape[:2]), 1.0)
        small: Any = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        faces = [face for face in find(small) if face.score >= UNSURE_SCORE]
        if len(faces) != 1 or faces[0].score < SURE_SCORE:
            continue
        box = faces[0].box.clipped(small.shape[1], small.shape[0])
        if box.width * box.height >= TIGHT_AREA * small.shape[0] * small.shape[1]:
            sides = np.array([[box.x, box.y, box.width, box.height]], np.float32) / np.float32(scale)
            boxed.append(BoxedPicture(path, sides, (label,), is_scene=False))
    return boxed


def without_copies(
    pictures: Sequence[BoxedPicture], others: Sequence[BoxedPicture], console: Console
) -> list[BoxedPicture]:
    """The pictures that are no near-duplicates of others, which are not trained with; the console is told how many.

    Args:
        pictures: Of one folder.
        others: Not to be trained with.
        console: Told.
    """
    copies = copies_of(_hashes(pictures), _hashes(others))
    if all(picture.is_scene for picture in pictures) and frames_of_one_camera(copies):
        console.print(ONE_CAMERA.format(count=copies.sum(), all=len(copies)), highlight=False, soft_wrap=True)
        return list(pictures)
    if copies.any():
        console.print(f"{copies.sum()} pictures are copies of some that are not trained with; left out")
    return [picture for picture, copy in zip(pictures, copies, strict=True) if not copy]


def _hashes(pictures: Sequence[BoxedPicture]) -> Hashes:
    hashes = []
    for picture in pictures:
        image = read_image(picture.path)
        ensure_size(picture.path, image, picture.size)
        hashes.append(perceptual_hashes(image))
    return np.array(hashes, np.uint8).reshape(-1, *HASHES_SHAPE)


def overlaps(box: Box, boxes: Boxes) -> NDArray[np.float32]:
    """Intersection over union of one box with each of n others."""
    left_top = np.maximum(boxes[:, :2], (box.x, box.y))
    right_bottom = np.minimum(boxes[:, :2] + boxes[:, 2:], (box.x + box.width, box.y + box.height))
    intersection = (right_bottom - left_top).clip(0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + box.width * box.height - intersection
    return (intersection / np.maximum(union, 1e-9)).astype(np.float32)  # type: ignore[no-any-return]


def cut_held_out(
    pictures: Sequence[BoxedPicture], part: float, seed: int
) -> tuple[list[BoxedPicture], list[BoxedPicture]]:
    """Cut a part off at random, the same for the same seed: the pictures to train on, then the held-out ones.

    Near-duplicates stand on one side, but for frames of one fixed camera.

    Args:
        pictures: Of one folder.
        part: That is to be held out.
        seed: Decides which.
    """
    groups = near_duplicate_groups(_hashes(pictures))
    groups = apart_where_one_camera(groups, [True] * len(pictures))
    wanted = round(part * len(pictures))
    held_out: set[int] = set()
    for index in np.random.default_rng(seed).permutation(len(pictures)):
        alike = {other for other, group in enumerate(groups) if group == groups[index]}
        # A group of more than twice what is missing is trained with: it may hold half of all.
        if len(held_out) < wanted and len(alike) <= 2 * (wanted - len(held_out)):
            held_out |= alike
    sides: tuple[list[BoxedPicture], list[BoxedPicture]] = [], []
    for index, picture in enumerate(pictures):
        sides[index in held_out].append(picture)
    return sides


def read_image(path: Path) -> Image:
    """Read a picture as BGR.

    Raises:
        InputError: The file is missing or not a picture.
    """
    image = read_picture(path)
    if image is None:
        raise InputError(f"the picture {escaped(path)} cannot be read; copy the data again")
    return image


def on_canvas(image: Image, size: int) -> tuple[Image, float]:
    """Place a frame as the device does: scaled down, never up, into the upper left corner of a black square.

    Returns:
        The square (uint8, size x size x 3) and the scale.
    """
    height, width = image.shape[:2]
    scale = min(size / width, size / height, 1.0)
    used = max(round(width * scale), 1), max(round(height * scale), 1)
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[: used[1], : used[0]] = cv2.resize(image, used, interpolation=cv2.INTER_AREA) if scale < 1 else image
    return canvas, scale


def _folder_and_children(folder: Path) -> list[Path]:
    try:
        return [folder, *(path for path in folder.iterdir() if path.is_dir())]
    except OSError as error:
        raise InputError(f"the data folder {folder} cannot be read: {error.strerror}") from error
