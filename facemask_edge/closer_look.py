"""A closer look at what the face detector found, before somebody is said to wear no mask.

Hands, hoods, backs of heads and shop windows look like faces from afar, and what has no mask on is bare. Seen larger
and by itself a face is found again; what only looks like one is not, in part. It costs one invocation of the detector
for each person who is decided to be bare, and none for anybody else.

Of 291 labelled faces of 16 px and more that are judged bare in the scenes' split train the 320 px detector confirms
288, and of 31 finds without a label, unlabelled faces among them, 20. On split dev, which nothing of it was chosen by,
128 of 129 and 14 of 23 (``python -m tests.measure_closer_look DATA/scenes``).
"""

from typing import Any

import cv2
import numpy as np

from facemask_edge.faces import FaceDetector
from facemask_edge.values import Box, Image

FACE_SIDE = 80
"""The longer side of the face in the view, in pixels. Of 48, 80 and 128, mirrored or not, on split train."""
CONFIRMED_SCORE = 0.5
"""The detector's score from which on it is a face; as that of a second look in training (``unlabelled_faces``)."""
LEAST_OVERLAP = 0.4
"""Intersection over union of the face in the view and of what the detector finds there."""


def closer_view(image: Image, box: Box, *, side: float, size: tuple[int, int]) -> tuple[Image, Box]:
    """A face in the middle of a picture of its own; what lies outside the frame is black.

    Args:
        image: uint8, height x width x 3, BGR: the whole frame.
        box: The face in it.
        side: The longer side of the face in the view, in pixels.
        size: Width and height of the view.

    Returns:
        The view, like ``image``, and the face in it.
    """
    scale = side / max(box.width, box.height)
    # Shrinking is left to INTER_AREA, as on the way to the detector; warpAffine knows no such smoothing.
    shrunk: Any = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    factor = max(scale, 1.0)
    middle = size[0] / 2, size[1] / 2
    move = np.array(
        [[factor, 0, middle[0] - scale * box.centre[0]], [0, factor, middle[1] - scale * box.centre[1]]], np.float32
    )
    view: Any = cv2.warpAffine(shrunk, move, size, flags=cv2.INTER_LINEAR)
    width, height = scale * box.width, scale * box.height
    return view, Box(middle[0] - width / 2, middle[1] - height / 2, width, height)


def is_face(detector: FaceDetector, image: Image, box: Box) -> bool:
    """Whether a detector finds a face there, seen closer.

    Args:
        detector: Yields faces of ``CONFIRMED_SCORE`` and more, at least.
        image: uint8, height x width x 3, BGR: the whole frame.
        box: What it found.
    """
    view, seen = closer_view(image, box, side=FACE_SIDE, size=detector.model.size)
    faces = detector.detect(view)
    return any(face.score >= CONFIRMED_SCORE and face.box.overlap(seen) >= LEAST_OVERLAP for face in faces)
