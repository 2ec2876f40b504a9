"""Where the mask classifier's pictures come from: folders of single faces and folders of boxed scenes.

A folder's kind is recognised by its content, and its pictures are cut into a training and a held-out part so that no
two near-duplicates ever stand on different sides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from converter.duplicates import HASHES_SHAPE, Hashes, perceptual_hashes
from converter.picture_files import ensure_size, files_in, read_picture
from converter.scene_file import BOXES, SceneSplit, read_scene_file
from facemask_edge.errors import InputError
from facemask_edge.values import Box, Label

LABELS = [str(Label.MASK), str(Label.NO_MASK)]
"""The order of the network's outputs; manifests carry it to the device."""

NO_FACE = len(LABELS)
"""In training, what only looks like a face: neither label is taught more than the other, see ``no_faces``."""

SINGLE_FACES = {"with_mask": 0, "without_mask": 1}
"""The sub-folders of a folder of single faces, each with its label's place in ``LABELS``."""

SMALLEST_FACE = 10
"""Height in pixels below which a boxed face teaches nothing."""

SOURCES = {
    "masks4095": "github.com/chandrikadeb7/Face-Mask-Detection (repository MIT; pictures from RMFD, Kaggle and Bing)",
    "scenes": "Kaggle Face Mask Detection by andrewmvd (CC0; re-encoded copy from github.com/marellanoc/MaskON)",
}

UNKNOWN_SOURCE = "source and licence not stated"

_DERIVED = "augmented_image_"


@dataclass(frozen=True, slots=True)
class BoxedFace:
    """A labelled face of a picture."""

    box: Box | None
    """None when the whole picture is one tight face."""
    label: int
    """Its place in ``LABELS``; in training also ``NO_FACE``."""
    found: Box | None = None
    """Where the device's detector finds it; None when it does not, or was not asked."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file and the usable faces in it."""

    path: Path
    faces: tuple[BoxedFace, ...]
    others: tuple[Box, ...] = ()
    """Faces that teach nothing: too small, or neither masked nor bare."""
    size: tuple[int, int] | None = None
    """Width and height that the boxes belong to; None where there are none."""

    @property
    def is_single(self) -> bool:
        """Whether the whole picture is one face."""
        return all(face.box is None for face in self.faces)

    @property
    def is_derived(self) -> bool:
        """Whether it was made of another picture, as the paper's data set has some."""
        return self.path.name.startswith(_DERIVED)

    def described(self) -> str:
        """Name and faces in one line: another line, another training."""
        return f"{self.path.name} {[asdict(face) for face in self.faces]}"


@dataclass(frozen=True, slots=True)
class Split:
    """The pictures to learn from, those that choose the epoch, and those that are only tested with."""

    training: list[Picture]
    held_out: list[Picture]
    test: list[Picture]

    @property
    def learnt(self) -> list[Picture]:
        """Those that decide what the network becomes."""
        return self.training + self.held_out


def is_boxed(folder: Path) -> bool:
    """Whether a folder holds boxed scenes."""
    return (folder / BOXES).is_file()


def find_pictures(folder: Path, *, split: SceneSplit = "train", limit: int | None = None) -> list[Picture]:
    """List the labelled pictures of a data folder, in a fixed order.

    Args:
        folder: Holds either ``with_mask/`` and ``without_mask/``, with or without folders in them, or ``boxes.jsonl``.
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


def describe_source(folder: Path, learnt: Iterable[Picture]) -> str:
    """One line for the manifest: what was learnt from a folder, where that comes from and under which licence."""
    name = folder.resolve().name
    pictures = [picture for picture in learnt if picture.path.is_relative_to(folder)]
    faces = sum(len(picture.faces) for picture in pictures)
    part = ", split train" if is_boxed(folder) else ""
    return f"{name}: {faces} faces of {len(pictures)} pictures{part}; {SOURCES.get(name, UNKNOWN_SOURCE)}"


def _single_faces(folder: Path, limit: int | None) -> list[Picture]:
    half = None if limit is None else max(limit // 2, 1)
    pictures = []
    for name, label in SINGLE_FACES.items():
        pictures += [Picture(path, (BoxedFace(None, label),)) for path in files_in(folder / name)[:half]]
    return pictures


def _boxed_scenes(folder: Path, split: str) -> list[Picture]:
    pictures = []
    for scene in read_scene_file(folder):
        if scene.split != split:
            continue
        faces, others = [], []
        for box, label in scene.faces:
            seen = box.clipped(scene.width, scene.height)
            is_large = box.height >= SMALLEST_FACE and min(seen.width, seen.height) >= 1
            if label in LABELS and is_large:
                faces.append(BoxedFace(box, LABELS.index(label)))
            else:
                others.append(box)
        if faces:
            pictures.append(Picture(scene.picture, tuple(faces), tuple(others), (scene.width, scene.height)))
    return pictures


def readable(pictures: Iterable[Picture]) -> tuple[list[Picture], Hashes, list[Path]]:
    """Read every picture once.

    Returns:
        The readable ones, their hashes and the paths of the unreadable ones.

    Raises:
        InputError: One has another size than its boxes belong to.
    """
    good, hashes, bad = [], [], []
    for picture in pictures:
        image = read_picture(picture.path)
        if image is None:
            bad.append(picture.path)
        else:
            ensure_size(picture.path, image, picture.size)
            good.append(picture)
            hashes.append(perceptual_hashes(image))
    return good, np.array(hashes, dtype=np.uint8).reshape(-1, *HASHES_SHAPE), bad


def reported_hashes(folders: Iterable[Path]) -> Hashes:
    """The hashes of all pictures of split dev, which are reported on: no copy of them may be learnt from."""
    return np.concatenate([readable(find_pictures(folder, split="dev"))[1] for folder in folders])


def split_pictures(  # noqa: PLR0913 - each is one decision
    pictures: Sequence[Picture],
    groups: Sequence[int],
    *,
    kind: Literal["groups", "random"],
    test_part: float,
    held_out_part: float,
    seed: int,
) -> Split:
    """Cut pictures into three parts, with about the same share of each label in each.

    Boxed scenes are never tested with: they have their own split dev. Split by groups, derived pictures without a known
    origin (``augmented_image_*``) stand in no part: their origin may stand in any.

    Args:
        pictures: All readable.
        groups: Each picture's group of near-duplicates.
        kind: ``groups`` keeps every group on one side; ``random`` is the paper's split, picture by picture.
        test_part: Of the faces of single-face pictures.
        held_out_part: Of the faces that are left.
        seed: Decides which.

    Raises:
        InputError: A part that is wanted would lack one of the classes.
    """
    if kind == "random":
        groups = range(len(pictures))
    members: dict[int, list[Picture]] = {}
    for picture, group in zip(pictures, groups, strict=True):
        members.setdefault(group, []).append(picture)
    parts: dict[str, list[Picture]] = {"training": [], "held out": [], "test": []}
    order = np.random.default_rng(seed).permutation(len(members))
    units = [list(members.values())[place] for place in order]
    if kind == "groups":
        units = [unit for unit in units if not all(picture.is_derived for picture in unit)]
    singles = [unit for unit in units if all(picture.is_single for picture in unit)]
    others = [unit for unit in units if not all(picture.is_single for picture in unit)]
    parts["test"], singles = _taken(singles, test_part)
    held_out, singles = _taken(singles, held_out_part)
    held_out_scenes, others = _taken(others, held_out_part)
    parts["held out"] = held_out + held_out_scenes
    parts["training"] = [picture for unit in singles + others for picture in unit]
    wanted = {"training": True, "held out": held_out_part > 0, "test": test_part > 0 and bool(parts["test"])}
    for name, part in parts.items():
        if wanted[name] and len(classes_of(part)) < len(LABELS):
            raise InputError(
                f"the pictures are too few, or too much alike: both classes must stand in the {name} part, and "
                f"near-duplicates stand in one; that differ there are {_count(units, 0)} of {LABELS[0]} and "
                f"{_count(units, 1)} of {LABELS[1]}"
            )
    return Split(training=parts["training"], held_out=parts["held out"], test=parts["test"])


def _taken(units: Sequence[list[Picture]], part: float) -> tuple[list[Picture], list[list[Picture]]]:
    """Take whole units until each label has its part; the pictures taken, and the units left."""
    counts = [_label_counts(unit) for unit in units]
    wanted = part * np.sum(counts, axis=0) if counts else np.zeros(len(LABELS))
    have = np.zeros(len(LABELS))
    taken: list[Picture] = []
    left = []
    for unit, count in zip(units, counts, strict=True):
        # By what it has most of: the rarer label then fills up by itself, or from units of its own. A unit that would
        # bring more than twice what is missing is left: it may hold half of all.
        most = count.argmax()
        if have[most] < wanted[most] and count[most] <= max(2 * (wanted[most] - have[most]), 1):
            have += count
            taken += unit
        else:
            left.append(unit)
    # Of few groups each may be too large: better more than is wanted than nothing.
    for label in np.flatnonzero((have == 0) & (wanted > 0)):
        having = [unit for unit in left if _label_counts(unit)[label]]
        if len(having) > 1:
            smallest = min(having, key=len)
            taken += smallest
            left.remove(smallest)
    return taken, left


def _count(units: Iterable[list[Picture]], label: int) -> int:
    return sum(any(face.label == label for picture in unit for face in picture.faces) for unit in units)


def _label_counts(unit: Iterable[Picture]) -> NDArray[np.int64]:
    return np.bincount([face.label for picture in unit for face in picture.faces], minlength=len(LABELS))


def classes_of(pictures: Iterable[Picture]) -> set[int]:
    """The labels that occur, as places in ``LABELS``."""
    return {face.label for picture in pictures for face in picture.faces}
