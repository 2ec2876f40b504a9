"""How right the mask classifier is on boxed scenes it never saw, by the height of the face."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.augmentation import SIZE
from converter.classifier_data import LABELS, find_pictures, is_boxed, read_picture
from converter.classifier_network import network_input, predicted
from converter.figures import in_words, share
from converter.tensorflow_quietly import keras
from facemask_edge.classifier import cut_face
from facemask_edge.values import Box, Image, Label

HEIGHTS = (16, 32, 64)
"""Smallest face heights, in pixels of the original picture, that figures are given for."""

_NO_MASK = LABELS.index(Label.NO_MASK)
_BATCH = 32


class Boxed(Protocol):
    """A labelled face with its box."""

    @property
    def box(self) -> Any:  # noqa: ANN401 - a Box; None in classes that also stand for pictures of one face
        """In its picture."""

    @property
    def label(self) -> int:
        """Its place in ``LABELS``."""


@dataclass(frozen=True, slots=True)
class DevelopmentFace:
    """A labelled face in its scene."""

    image: Image
    box: Box
    label: int
    """Its place in ``LABELS``."""


def development_faces(folders: Iterable[Path]) -> list[DevelopmentFace]:
    """The mask and no_mask faces of split dev, of at least the smallest of ``HEIGHTS``, in all boxed folders."""
    faces: list[DevelopmentFace] = []
    for folder in folders:
        if not is_boxed(folder):
            continue
        for picture in find_pictures(folder, split="dev"):
            image = read_picture(picture.path)
            if image is None:
                continue
            faces += [
                DevelopmentFace(image, face.box, face.label)
                for face in picture.faces
                if face.box is not None and face.box.height >= HEIGHTS[0]
            ]
    return faces


def judged_by_network(
    network: keras.Model, faces: Sequence[DevelopmentFace], labels: Sequence[str] = LABELS
) -> NDArray[np.float64]:
    """The probability of no_mask that the float network gives each face, float64, n; ``labels`` order its outputs."""
    probabilities = [
        predicted(network, network_input([cut_face(face.image, face.box, SIZE) for face in faces[at : at + _BATCH]]))
        for at in range(0, len(faces), _BATCH)
    ]
    return np.concatenate([np.empty((0, len(labels))), *probabilities])[:, labels.index(Label.NO_MASK)]


def figures_by_height(faces: Sequence[Boxed], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    """The shares judged rightly at a threshold of 0.5: for each smallest height over all faces and for each class."""
    heights = np.array([face.box.height for face in faces], dtype=np.float64)
    labels = np.array([face.label for face in faces], dtype=np.int64)
    right = (probabilities >= 0.5) == (labels == _NO_MASK)  # noqa: PLR2004 - the more probable of two classes
    figures = {}
    for height in HEIGHTS:
        counted = heights >= height
        parts = {"all": counted} | {name: counted & (labels == place) for place, name in enumerate(LABELS)}
        figures[f"height_{height}"] = {
            name: share(int(right[part].sum()), int(part.sum())) for name, part in parts.items()
        }
    return figures


def agreement(first: NDArray[np.float64], second: NDArray[np.float64]) -> dict[str, Any]:
    """How often two models give the same label, and how far apart their probabilities are."""
    same = int(((first >= 0.5) == (second >= 0.5)).sum())  # noqa: PLR2004 - as above
    differences = np.abs(first - second)
    return {
        "same_label": share(same, len(first)),
        "mean_difference": round(float(differences.mean()), 4),
        "share_within_0.02": round(float((differences <= 0.02).mean()), 4),  # noqa: PLR2004 - the tests' tolerance
    }


def lines_of(figures: dict[str, Any]) -> list[str]:
    """Figures by height as lines for a terminal."""
    return [
        f"faces of {name.removeprefix('height_')} px and more: "
        + ", ".join(f"{part} {in_words(figure)}" for part, figure in parts.items())
        for name, parts in figures.items()
    ]
