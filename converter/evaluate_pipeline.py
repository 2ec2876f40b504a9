"""Detector and classifier together on boxed scenes, with the device's own code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.classifier_data import LABELS
from converter.detector_data import BoxedPicture, read_image
from converter.evaluate_detector import Judged, match_faces
from converter.figures import share
from converter.metrics import bootstrapped_f1
from facemask_edge.classifier import MaskClassifier
from facemask_edge.faces.yunet import YuNet

SIZES = (16, 32, 64, 128)
"""Smallest face heights, in pixels of the original picture, that figures are given for."""


@dataclass(frozen=True, slots=True)
class JudgedPicture(Judged):
    """A scene's labels, and what detector and classifier made of it."""

    judged: NDArray[np.int64]
    """The label of each detection, as its place in ``LABELS``."""


def judge_picture(picture: BoxedPicture, detector: YuNet, classifier: MaskClassifier) -> JudgedPicture:
    """Find and judge the faces of one scene."""
    image = read_image(picture.path)
    faces = detector.detect(image)
    probabilities = np.array([classifier.probability(image, face.box) for face in faces], np.float64)
    no_mask, mask = LABELS.index("no_mask"), LABELS.index("mask")
    return JudgedPicture(
        picture,
        match_faces(picture.boxes, faces),
        np.where(probabilities >= 0.5, no_mask, mask).astype(np.int64),  # noqa: PLR2004 - the more probable of two
    )


def pipeline_figures(pictures: Sequence[JudgedPicture]) -> dict[str, Any]:
    """For each size: the detector's recall and precision, and both labels' F1 for detector and classifier together."""
    return {f"height_{size}": _figures(pictures, size) for size in SIZES}


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
        counts = np.array([_counts(one, place, size) for one in pictures], np.int64).reshape(-1, 3)
        right, wrong, missed = (int(column) for column in counts.sum(axis=0))
        figures[name] = {
            "precision": share(right, right + wrong),
            "recall": share(right, right + missed),
            "f1": bootstrapped_f1(counts),
        }
    return figures


def _counts(one: JudgedPicture, place: int, size: float) -> tuple[int, int, int]:
    """Detections judged this label that are right and wrong, and faces of the label that no such detection found."""
    judged_so = one.counted_detections(size) & (one.judged == place)
    labels = np.array([*one.picture.labels, ""])
    right = int((labels[one.match.faces[judged_so]] == LABELS[place]).sum())
    faces = int((one.counted_faces(size) & (labels[:-1] == LABELS[place])).sum())
    return right, int(judged_so.sum()) - right, faces - right
