"""Which faces count by where they are: inside a zone, and in no ignored one."""

from collections.abc import Sequence

import cv2
import numpy as np

from facemask_edge.config import Polygon
from facemask_edge.values import Face


class Zones:
    """The zones of one camera.

    Args:
        zones: Only faces in one of these count; empty means everywhere.
        ignored: Faces in one of these do not count.
    """

    def __init__(self, zones: Sequence[Polygon], ignored: Sequence[Polygon]) -> None:
        self._zones = [np.array(polygon, np.float32) for polygon in zones]
        self._ignored = [np.array(polygon, np.float32) for polygon in ignored]

    def counting(self, faces: Sequence[Face], width: int, height: int) -> list[Face]:
        """The faces whose middle counts in a frame of ``width`` x ``height`` pixels."""
        if not self._zones and not self._ignored:
            return list(faces)
        return [face for face in faces if self._counts(face.box.centre[0] / width, face.box.centre[1] / height)]

    def _counts(self, x: float, y: float) -> bool:
        def inside(polygon: np.ndarray) -> bool:
            return cv2.pointPolygonTest(polygon, (x, y), measureDist=False) >= 0

        return (not self._zones or any(map(inside, self._zones))) and not any(map(inside, self._ignored))
