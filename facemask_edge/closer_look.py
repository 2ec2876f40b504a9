"""A closer look at what the face detector found, before somebody is said to wear no mask.

Hands, hoods, backs of heads and shop windows look like faces from afar, and what has no mask on is bare. Seen larger
and by itself a face is found again; what only looks like one is not, in part. It costs one invocation of the detector
for each person who is decided to be bare, and one every few seconds for what was found to be none.

Of 291 labelled faces of 16 px and more that are judged bare in the scenes' split train the 320 px detector confirms
288, and of 31 finds without a label, unlabelled faces among them, 20. On split dev, which nothing of it was chosen by,
128 of 129 and 14 of 23 (``python -m tests.measure_closer_look DATA/scenes``).
"""

import math

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
    scale = side / max(box.width, box.height, 1.0)
    (x, y), middle = box.centre, (size[0] / 2, size[1] / 2)
    width, height = scale * box.width, scale * box.height
    seen = Box(middle[0] - width / 2, middle[1] - height / 2, width, height)
    # Only what the view shows, and a pixel around it: a whole frame takes many times as long to shrink.
    left, top = (max(math.floor(at - half / scale) - 1, 0) for at, half in zip((x, y), middle, strict=True))
    right, bottom = (math.ceil(at + half / scale) + 1 for at, half in zip((x, y), middle, strict=True))
    part = image[top : max(bottom, 0), left : max(right, 0)]
    # Shrinking is left to INTER_AREA, as on the way to the detector; warpAffine knows no such smoothing.
    factor = max(scale, 1.0)
    if scale < 1 and part.size:
        used = max(round(part.shape[1] * scale), 1), max(round(part.shape[0] * scale), 1)
        part = cv2.resize(part, used, interpolation=cv2.INTER_AREA)  # type: ignore[assignment] # always uint8
    if not part.size:
        return np.zeros((size[1], size[0], 3), np.uint8), seen
    move = np.array(
        [[factor, 0, middle[0] - scale * (x - left)], [0, factor, middle[1] - scale * (y - top)]], np.float32
    )
    view: Image = cv2.warpAffine(part, move, size, flags=cv2.INTER_LINEAR)  # type: ignore[assignment] # always uint8
    return view, seen


def is_face(detector: FaceDetector, image: Image, box: Box) -> bool:
    """Whether a detector finds a face there, seen closer.

    Args:
        detector: Yields faces of ``CONFIRMED_SCORE`` and more, at least.
        image: uint8, height x width x 3, BGR: the whole frame.
        box: What it found.
    """
    size = detector.model.size
    view, seen = closer_view(image, box, side=min(FACE_SIDE, min(size) / 4), size=size)
    faces = detector.detect(view)
    return any(face.score >= CONFIRMED_SCORE and face.box.overlap(seen) >= LEAST_OVERLAP for face in faces)
