"""The faces of training pictures as the device's own detector finds them, beside the labelled boxes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from converter.classifier_data import BoxedFace, Picture
from converter.detector_data import overlaps
from converter.picture_files import read_picture
from facemask_edge.errors import ModelError
from facemask_edge.faces.yunet import YuNet
from facemask_edge.values import Box, Face, Image

DETECTOR = "face_detector_320_int8.tflite"
MIN_SCORE = 0.5
SAME_FACE = 0.4
"""Intersection over union from which a detection is the labelled face."""
SMALLEST_PART = 0.08
"""Of a single face's picture, which the found box must cover: smaller ones are somebody in the background."""


def with_found_boxes(pictures: Iterable[Picture]) -> list[Picture]:
    """The pictures, each face with the box that the packaged detector gives it, if it finds it.

    Raises:
        ModelError: The packaged detector cannot be used.
    """
    with_found = found_boxes()
    return [
        picture if (image := read_picture(picture.path)) is None else with_found(picture, image) for picture in pictures
    ]


def found_boxes() -> Callable[[Picture, Image], Picture]:
    """A function that gives a picture, with its image, the boxes that the packaged detector finds for its faces.

    Raises:
        ModelError: The packaged detector cannot be used.
    """
    detector = training_detector(MIN_SCORE)
    return lambda picture, image: replace(picture, faces=_found(picture, image, detector))


def training_detector(min_score: float) -> YuNet:
    """The packaged detector.

    Raises:
        ModelError: It cannot be used.
    """
    try:
        return YuNet(DETECTOR, min_score=min_score)
    except ModelError as error:
        raise ModelError(f"the training cuts faces with the device's own detector: {error}") from error


def _found(picture: Picture, image: Image, detector: YuNet) -> tuple[BoxedFace, ...]:
    detections = detector.detect(image)
    return tuple(replace(face, found=_matching(face, detections, image)) for face in picture.faces)


def _matching(face: BoxedFace, detections: Sequence[Face], image: Image) -> Box | None:
    if face.box is None:
        # Detections come best first; a single face is the best one that is large.
        area = image.shape[0] * image.shape[1]
        large = (one.box for one in detections if one.box.width * one.box.height >= SMALLEST_PART * area)
        return next(large, None)
    for one in detections:
        if _overlap(one.box, face.box) >= SAME_FACE:
            return one.box
    return None


def _overlap(first: Box, second: Box) -> float:
    return float(overlaps(first, np.array([[second.x, second.y, second.width, second.height]], np.float32))[0])
