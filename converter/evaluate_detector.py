"""How many of the labelled faces a detector finds, and how often it finds one where there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.detector_augmentation import close_up
from converter.detector_data import BoxedPicture, Boxes, overlaps, read_image
from converter.figures import share
from facemask_edge.config import DetectorConfig
from facemask_edge.values import Face, Image

MIN_OVERLAP = 0.4
"""A face is found when a detection's intersection over union with it is at least this."""
MIN_SCORE = DetectorConfig().min_score
"""The device's score limit, at which the figures are counted."""
HEIGHTS = (16, 32)
"""The figures count faces of so many pixels and more, in the original picture."""
LABELS = ("mask", "no_mask")
CLOSE_UPS = (0.4, 0.65, 0.9)
CLOSE_UP_HEIGHT = 48
"""Faces of this height and more are also judged when they fill these parts of the input."""

Finder = Callable[[Image], list[Face]]
"""Finds the faces in a picture, best first."""


@dataclass(frozen=True, slots=True)
class Match:
    """What was found in one picture."""

    found: NDArray[np.float32]
    """One for each labelled face: the score of the detection that found it, 0 where there is none."""
    scores: NDArray[np.float32]
    """One for each detection."""
    faces: NDArray[np.intp]
    """One for each detection: the index of the face it found, -1 where there is none."""
    heights: NDArray[np.float32]
    """One for each detection, in pixels of the picture."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A picture's labels and what was found in it."""

    picture: BoxedPicture
    match: Match

    def counted_faces(self, height: float, labels: Sequence[str] = LABELS) -> NDArray[np.bool_]:
        """Which faces count: of this height and more, and with one of these labels, of which ``incorrect`` is none."""
        return (self.picture.boxes[:, 3] >= height) & np.isin(self.picture.labels, labels)

    def counted_detections(self, height: float) -> NDArray[np.bool_]:
        """Which detections count: not those of faces that do not, nor those below the height that are of no face."""
        counted = np.append(self.counted_faces(height), False)
        return np.where(self.match.faces >= 0, counted[self.match.faces], self.match.heights >= height)


def match_faces(boxes: Boxes, detections: Sequence[Face]) -> Match:
    """Match detections, best first, each with the labelled face it overlaps most of those still free."""
    found = np.zeros(len(boxes), np.float32)
    faces = np.full(len(detections), -1, np.intp)
    for number, detection in enumerate(detections):
        free = np.where(found > 0, 0, overlaps(detection.box, boxes))
        if free.size and free.max() >= MIN_OVERLAP:
            faces[number] = free.argmax()
            found[faces[number]] = detection.score
    scores, heights = (
        np.array(values, np.float32)
        for values in ([face.score for face in detections], [face.box.height for face in detections])
    )
    return Match(found, scores, faces, heights)


def judge(pictures: Sequence[BoxedPicture], find: Finder) -> list[Judged]:
    """Let a detector look at every picture."""
    return [Judged(picture, match_faces(picture.boxes, find(read_image(picture.path)))) for picture in pictures]


def figures_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """Recall by label and size, precision and false positives, each with its count and 95 % interval."""
    figures: dict[str, Any] = {"score": MIN_SCORE, "overlap": MIN_OVERLAP}
    for height in HEIGHTS:
        for label in LABELS:
            scores = np.concatenate(
                [np.zeros(0), *[one.match.found[one.counted_faces(height, [label])] for one in judged]]
            )
            figures[f"recall_{label}_{height}px"] = share(int((scores >= MIN_SCORE).sum()), len(scores))
    for height in HEIGHTS:
        right, wrong = _right_and_wrong(judged, height)
        figures[f"precision_{height}px"] = share(right, right + wrong)
        figures[f"false_positives_per_picture_{height}px"] = _rate(wrong, len(judged))
    return figures


def balanced_score(judged: Sequence[Judged]) -> float:
    """One number for a detector at the device's score limit, for faces of the smallest counted height and more.

    Returns:
        The harmonic mean of precision and of the labels' mean recall, 0..1; 0 where nothing was found.
    """
    figures = figures_of(judged)
    recalls = [figures[f"recall_{label}_{HEIGHTS[0]}px"]["value"] for label in LABELS]
    recall = float(np.mean([value for value in recalls if value is not None] or [0.0]))
    precision = figures[f"precision_{HEIGHTS[0]}px"]["value"] or 0.0
    return 2 * precision * recall / max(precision + recall, 1e-9)


def close_up_recall(pictures: Sequence[BoxedPicture], find: Finder, size: int) -> dict[str, Any]:
    """The share found of faces that fill much of the input, by label: cut-outs of the pictures, enlarged."""
    found: dict[str, list[bool]] = {label: [] for label in LABELS}
    for picture in pictures:
        for index, label in enumerate(picture.labels):
            if label not in LABELS or picture.boxes[index, 3] < CLOSE_UP_HEIGHT:
                continue
            for part in CLOSE_UPS:
                view = close_up(read_image(picture.path), picture.boxes[index : index + 1], 0, part, size)
                match = match_faces(view.faces, find(view.canvas))
                found[label].append(bool((match.found >= MIN_SCORE).any()))
    return {f"recall_{label}_close_up": share(sum(each), len(each)) for label, each in found.items()}


def _right_and_wrong(judged: Sequence[Judged], height: float) -> tuple[int, int]:
    """How many counted detections found a face, and how many none."""
    faces = [one.match.faces[one.counted_detections(height) & (one.match.scores >= MIN_SCORE)] for one in judged]
    right = sum(int((each >= 0).sum()) for each in faces)
    return right, sum(len(each) for each in faces) - right


def _rate(events: int, count: int) -> dict[str, Any]:
    """Events per picture with Byar's 95 % interval of a Poisson count (Breslow and Day, 1987)."""
    if not count:
        return share(0, 0)

    def bound(of: int, sign: int) -> float:
        return of * (1 - 1 / (9 * of) + sign * 1.96 / (3 * np.sqrt(of))) ** 3 if of else 0.0

    interval = [round(float(bound(events, -1)) / count, 4), round(float(bound(events + 1, 1)) / count, 4)]
    return {"value": round(events / count, 4), "count": count, "interval_95": interval}
