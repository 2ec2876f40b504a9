"""Finds all that may be a face, for who must not miss one: slower, and more often wrong, than the frame loop can be."""

import math
import threading

import numpy as np

from facemask_edge.faces.yunet import YuNet
from facemask_edge.values import Box, Image

MODEL = "face_detector_512_int8.tflite"
MIN_SCORE = 0.2
"""Far below what starts a track: something else that is taken for a face does no harm here."""
FAR_BELOW = 3
"""Times a lower score than what starts a track, where that is set low."""
OVERLAP = 128
"""Pixels that two neighbouring parts share: a face of up to this size is whole in one of them."""


class ThoroughDetector:
    """Looks at the whole picture, and then at its parts without scaling them down; any thread may ask it.

    Args:
        min_score: Of what starts a track.
        threads: Inference threads.

    Raises:
        ModelError: The model cannot be used.
    """

    def __init__(self, *, min_score: float = 1.0, threads: int = 1) -> None:
        self._detector = YuNet(MODEL, min_score=min(MIN_SCORE, min_score / FAR_BELOW), threads=threads)
        self._is_asked = threading.Lock()

    def boxes(self, image: Image) -> list[Box]:
        """All that may be faces in a uint8 height x width x 3 BGR picture, one perhaps more than once."""
        with self._is_asked:
            return self._boxes(image)

    def _boxes(self, image: Image) -> list[Box]:
        height, width = image.shape[:2]
        side = self._detector.model.size[0]
        found = [face.box for face in self._detector.detect(image)]
        if max(width, height) <= side:
            return found
        for top in parts(height, side):
            for left in parts(width, side):
                part = image[top : top + side, left : left + side]
                found += [
                    Box(face.box.x + left, face.box.y + top, face.box.width, face.box.height)
                    for face in self._detector.detect(part)
                ]
        return found


def parts(length: int, side: int) -> list[int]:
    """Where parts of ``side`` pixels begin, evenly spread, so that together they cover ``length``."""
    rest = max(length - side, 0)
    count = math.ceil(rest / (side - OVERLAP)) + 1
    return [round(place) for place in np.linspace(0, rest, count)]
