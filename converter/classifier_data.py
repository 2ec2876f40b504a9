"""Where the mask classifier's pictures come from: folders of single faces and folders of boxed scenes.

A folder's kind is recognised by its content, and its pictures are cut into a training and a held-out part so that no
two near-duplicates ever stand on different sides.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.errors import InputError
from facemask_edge.values import Box, Image, Label

LABELS = [str(Label.MASK), str(Label.NO_MASK)]
"""The order of the network's outputs; manifests carry it to the device."""

SINGLE_FACES = {"with_mask": 0, "without_mask": 1}
"""The sub-folders of a folder of single faces, each with its label's place in ``LABELS``."""

BOXES = "boxes.jsonl"
SMALLEST_FACE = 10
"""Height in pixels below which a boxed face teaches nothing."""

SOURCES = {
    "masks4095": "github.com/chandrikadeb7/Face-Mask-Detection (repository MIT; pictures from RMFD, Kaggle and Bing)",
    "scenes": "Kaggle Face Mask Detection by andrewmvd (CC0; re-encoded copy from github.com/marellanoc/MaskON)",
}

HASH_DISTANCE = 4
"""Pictures whose 64-bit difference hashes differ in at most so many bits are near-duplicates; at 6 faces that only look
alike begin to run together."""

_DERIVED = "augmented_image_"


@dataclass(frozen=True, slots=True)
class BoxedFace:
    """A labelled face of a picture."""

    box: Box | None
    """None when the whole picture is one tight face."""
    label: int
    """Its place in ``LABELS``."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file and the usable faces in it."""

    path: Path
    faces: tuple[BoxedFace, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """The pictures to learn from and those that choose the epoch."""

    training: list[Picture]
    held_out: list[Picture]


def read_picture(path: Path) -> Image | None:
    """Read a picture as BGR whatever its file holds (grey, transparent, 16 bit); None when it cannot be read."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR)  # type: ignore[return-value]


def is_boxed(folder: Path) -> bool:
    """Whether a folder holds boxed scenes."""
    return (folder / BOXES).is_file()


def find_pictures(folder: Path, *, split: Literal["train", "dev"] = "train", limit: int | None = None) -> list[Picture]:
    """List the labelled pictures of a data folder, in a fixed order.

    Args:
        folder: Holds either ``with_mask/`` and ``without_mask/`` or ``boxes.jsonl``.
        split: The part of boxed scenes to list; single faces are all of split ``train``.
        limit: At most so many pictures, for a quick try; single faces come half from each class.

    Raises:
        InputError: The folder is missing, of neither kind or without a usable face.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; --data names a folder of pictures")
    if is_boxed(folder):
        pictures = _boxed_scenes(folder, split)[:limit]
    elif all((folder / name).is_dir() for name in SINGLE_FACES):
        pictures = _single_faces(folder, limit) if split == "train" else []
    else:
        raise InputError(f"{folder} holds neither with_mask/ and without_mask/ nor {BOXES}; see --help")
    if not pictures and split == "train":
        raise InputError(f"{folder} holds no picture with a usable face")
    return pictures


def describe_source(folder: Path, pictures: Sequence[Picture]) -> str:
    """One line for the manifest: what was taken from a folder, where that comes from and under which licence."""
    name = folder.resolve().name
    faces = sum(len(picture.faces) for picture in pictures)
    part = ", split train" if is_boxed(folder) else ""
    return (
        f"{name}: {faces} faces of {len(pictures)} pictures{part}; {SOURCES.get(name, 'source and licence not stated')}"
    )


def _single_faces(folder: Path, limit: int | None) -> list[Picture]:
    half = None if limit is None else max(limit // 2, 1)
    pictures = []
    for name, label in SINGLE_FACES.items():
        files = sorted(path for path in (folder / name).iterdir() if path.is_file() and not path.name.startswith("."))
        pictures += [Picture(path, (BoxedFace(None, label),)) for path in files[:half]]
    return pictures


def _boxed_scenes(folder: Path, split: str) -> list[Picture]:
    pictures = []
    try:
        lines = (folder / BOXES).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / BOXES} cannot be read") from error
    for number, line in enumerate(lines, start=1):
        try:
            scene = json.loads(line)
            if scene["split"] != split:
                continue
            labelled = [(Box(*map(float, face["box"])), str(face["label"])) for face in scene["faces"]]
            width, height, path = int(scene["width"]), int(scene["height"]), folder / str(scene["image"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{folder / BOXES}, line {number}: is not a scene with image, split and faces") from error
        faces = tuple(
            BoxedFace(box, LABELS.index(label))
            for box, label in labelled
            if label in LABELS and box.height >= SMALLEST_FACE and box.clipped(width, height).width >= 1
        )
        if faces:
            pictures.append(Picture(path, faces))
    return pictures


def difference_hash(image: Image) -> NDArray[np.bool_]:
    """64 bits, one for each cell of an 8x8 grid: whether its right neighbour is brighter (N. Krawetz, 2013)."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    cells = np.asarray(cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA))
    return (cells[:, 1:] > cells[:, :-1]).ravel()


def near_duplicate_groups(names: Sequence[str], hashes: NDArray[np.bool_]) -> list[int]:
    """Number the group of near-duplicates that each picture belongs to.

    All pictures named ``augmented_image_*`` form one group: they are transformed copies, of which pictures is unknown.

    Args:
        names: File names.
        hashes: bool, pictures x 64.
    """
    parents = list(range(len(names)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    derived = [index for index, name in enumerate(names) if name.startswith(_DERIVED)]
    for index in derived[1:]:
        parents[root(index)] = root(derived[0])
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    for index in range(1, len(names)):
        # The product of signs counts equal bits minus different ones.
        distances = (signs.shape[1] - signs[:index] @ signs[index]) / 2
        for other in np.flatnonzero(distances <= HASH_DISTANCE):
            parents[root(int(other))] = root(index)
    return [root(index) for index in range(len(names))]


def readable(pictures: Iterable[Picture]) -> tuple[list[Picture], NDArray[np.bool_], list[Path]]:
    """Read every picture once.

    Returns:
        The readable ones, their hashes (bool, pictures x 64) and the paths of the unreadable ones.
    """
    good, hashes, bad = [], [], []
    for picture in pictures:
        image = read_picture(picture.path)
        if image is None:
            bad.append(picture.path)
        else:
            good.append(picture)
            hashes.append(difference_hash(image))
    return good, np.array(hashes, dtype=np.bool_).reshape(-1, 64), bad


def split_by_group(pictures: Sequence[Picture], groups: Sequence[int], *, held_out: float, seed: int) -> Split:
    """Hold out about a share of the faces, whole groups at a time.

    The group of ``augmented_image_*`` always stays in the training part: copies of it may stand anywhere.

    Raises:
        InputError: A part would lack one of the classes.
    """
    always_training = {
        group for picture, group in zip(pictures, groups, strict=True) if picture.path.name.startswith(_DERIVED)
    }
    order = np.random.default_rng(seed).permutation(sorted(set(groups) - always_training))
    members: dict[int, list[Picture]] = {}
    for picture, group in zip(pictures, groups, strict=True):
        members.setdefault(group, []).append(picture)
    wanted = held_out * sum(len(picture.faces) for picture in pictures)
    chosen: set[int] = set()
    for group in order:
        held = [picture for member in chosen for picture in members[member]]
        if sum(len(picture.faces) for picture in held) >= wanted and len(classes_of(held)) == len(LABELS):
            break
        chosen.add(int(group))
    split = Split(
        training=[picture for picture, group in zip(pictures, groups, strict=True) if group not in chosen],
        held_out=[picture for picture, group in zip(pictures, groups, strict=True) if group in chosen],
    )
    if any(len(classes_of(part)) < len(LABELS) for part in (split.training, split.held_out)):
        raise InputError("the pictures are too few: both classes must stand in the training and the held-out part")
    return split


def classes_of(pictures: Iterable[Picture]) -> set[int]:
    """The labels that occur, as places in ``LABELS``."""
    return {face.label for picture in pictures for face in picture.faces}
