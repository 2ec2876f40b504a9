"""How right the mask classifier is on boxed scenes it never saw, by the height of the face."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.classifier_data import LABELS
from converter.figures import in_words, share
from facemask_edge.values import Label

HEIGHTS = (16, 32, 64)
"""Smallest face heights, in pixels of the original picture, that figures are given for."""

_NO_MASK = LABELS.index(Label.NO_MASK)


class Boxed(Protocol):
    """A labelled face with its box."""

    @property
    def box(self) -> Any:  # noqa: ANN401 - a Box; None in classes that also stand for pictures of one face
        """In its picture."""

    @property
    def label(self) -> int:
        """Its place in ``LABELS``."""


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
