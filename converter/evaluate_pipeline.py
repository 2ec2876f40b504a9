"""Detector and classifier together on boxed scenes, with the device's own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.classifier_data import LABELS
from converter.detector_data import BoxedPicture
from converter.evaluate_detector import MIN_SCORE, Judged, match_faces
from converter.figures import share
from converter.metrics import Probabilities, bootstrapped_f1, judged_labels
from facemask_edge.annotate import closer_label, single_look
from facemask_edge.classifier import MaskClassifier
from facemask_edge.faces import FaceDetector
from facemask_edge.values import Box, Face, Image, Label

SIZES = (16, 32, 64, 128)
"""Smallest face heights, in pixels of the original picture, that figures are given for."""


@dataclass(frozen=True, slots=True)
class JudgedPicture(Judged):
    """A scene's labels, and what detector and classifier made of it."""

    detections: Sequence[Face]
    probabilities: Probabilities
    """Of no_mask, one for each detection."""
    decided: NDArray[np.bool_]
    """Whether the device decides so at one look, at the default threshold; else it is undetermined."""

    @property
    def judged(self) -> NDArray[np.int64]:
        """The more probable label of each detection, as its place in ``LABELS``."""
        return judged_labels(self.probabilities)


@dataclass(frozen=True, slots=True)
class Stray:
    """A find where no face is labelled: no face, or one that nobody labelled."""

    path: Path
    box: Box
    score: float
    """The detector's, 0..1."""
    probability: float
    """Of no_mask."""


@dataclass(frozen=True, slots=True)
class Missed:
    """A labelled face that was not found."""

    path: Path
    box: Box
    label: str


def judge_picture(
    picture: BoxedPicture, image: Image, detector: FaceDetector, classifier: MaskClassifier
) -> JudgedPicture:
    """Find and judge the faces of one scene, read already, those of the device's score limit and more."""
    faces = [face for face in detector.detect(image) if face.score >= MIN_SCORE]
    probabilities = np.array([classifier.probability(image, face.box) for face in faces], np.float64)
    labels = [
        closer_label(single_look(probability, 0.5), detector, image, face.box)
        for face, probability in zip(faces, probabilities, strict=True)
    ]
    decided = [label is not Label.UNDETERMINED for label in labels]
    return JudgedPicture(picture, match_faces(picture.boxes, faces), faces, probabilities, np.array(decided, np.bool_))


def pipeline_figures(pictures: Sequence[JudgedPicture]) -> dict[str, Any]:
    """For each size: the detector's recall and precision, and both labels' F1 for detector and classifier together.

    With ``one_look`` detections that stay undetermined at one look are judged neither: their faces are missed.
    """
    return {f"height_{size}": _figures(pictures, size) for size in SIZES}


def strays(pictures: Sequence[JudgedPicture]) -> list[Stray]:
    """What was found of the smallest counted height and more where no face is labelled, the surest finds first."""
    found = [
        Stray(one.picture.path, face.box, face.score, float(probability))
        for one in pictures
        for face, probability, labelled, counted in zip(
            one.detections, one.probabilities, one.match.faces, one.counted_detections(SIZES[0]), strict=True
        )
        if counted and labelled < 0
    ]
    return sorted(found, key=lambda stray: -stray.score)


def missed_faces(pictures: Sequence[JudgedPicture]) -> list[Missed]:
    """The labelled faces of the smallest counted height and more that were not found, the largest first."""
    missed = [
        Missed(one.picture.path, Box(*map(float, box)), label)
        for one in pictures
        for box, label, score, counted in zip(
            one.picture.boxes, one.picture.labels, one.match.found, one.counted_faces(SIZES[0]), strict=True
        )
        if counted and score == 0
    ]
    return sorted(missed, key=lambda face: -face.box.height)


def _figures(pictures: Sequence[JudgedPicture], size: float) -> dict[str, Any]:
    figures: dict[str, Any] = {"detector": {}}
    found = sum(int((one.match.faces[one.counted_detections(size)] >= 0).sum()) for one in pictures)
    every = sum(int(one.counted_detections(size).sum()) for one in pictures)
    figures["detector"]["precision"] = share(found, every)
    for name in LABELS:
        faces = [one.counted_faces(size) & (np.array(one.picture.labels) == name) for one in pictures]
        seen = sum(int((one.match.found[part] > 0).sum()) for one, part in zip(pictures, faces, strict=True))
        figures["detector"][f"recall_{name}"] = share(seen, sum(int(part.sum()) for part in faces))
    for place, name in enumerate(LABELS):
        figures[name] = _of_label([_counts(one, one.judged == place, place, size) for one in pictures])
        figures[name]["one_look"] = _of_label(
            [_counts(one, (one.judged == place) & one.decided, place, size) for one in pictures]
        )
    return figures


def _of_label(counts: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
    by_picture = np.array(counts, np.int64).reshape(-1, 3)
    right, wrong, missed = (int(column) for column in by_picture.sum(axis=0))
    return {
        "precision": share(right, right + wrong),
        "recall": share(right, right + missed),
        "f1": bootstrapped_f1(by_picture),
    }


def _counts(one: JudgedPicture, judged: NDArray[np.bool_], place: int, size: float) -> tuple[int, int, int]:
    """Detections judged this label that are right and wrong, and faces of the label that no such detection found."""
    judged_so = one.counted_detections(size) & judged
    labels = np.array([*one.picture.labels, ""])
    right = int((labels[one.match.faces[judged_so]] == LABELS[place]).sum())
    faces = int((one.counted_faces(size) & (labels[:-1] == LABELS[place])).sum())
    return right, int(judged_so.sum()) - right, faces - right
