"""Which faces count by where they are: inside a zone, and in no ignored one."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from facemask_edge.config import Polygon
from facemask_edge.values import Box, Face, Track

EDGE = 0.5
"""How far beyond the edge of its zone who counted before still does, in heights of the face: nobody stands quite still,
and one who stands at the edge is one violation. An ignored zone has a sharp edge: what hangs there must never count,
also when somebody stood before it."""


class Zones:
    """The zones of one camera.

    Args:
        zones: Only faces in one of these count; empty means everywhere.
        ignored: Faces in one of these do not count.
        memory: Seconds out of view for which it is known who counted.
    """

    def __init__(self, zones: Sequence[Polygon], ignored: Sequence[Polygon], *, memory: float = 0.0) -> None:
        self._zones = [np.array(polygon, np.float32) for polygon in zones]
        self._ignored = [np.array(polygon, np.float32) for polygon in ignored]
        self._memory = memory
        self._counted: dict[str, float] = {}
        """When each track that counts was last in view, by its id."""

    def counting(self, faces: Sequence[Face], width: int, height: int) -> list[Face]:
        """The faces whose middle counts in a frame of ``width`` x ``height`` pixels."""
        return [face for face in faces if self._counts(face.box, width, height)]

    def near(self, faces: Sequence[Face], width: int, height: int) -> list[Face]:
        """Also those that only count where they did before."""
        if not self._zones and not self._ignored:
            return list(faces)
        return [face for face in faces if self._counts(face.box, width, height, EDGE * face.box.height)]

    def staying(self, tracks: Sequence[Track], timestamp: float, width: int, height: int) -> list[Track]:
        """The tracks that count, of faces that are ``near``: those in a zone now, and those that were.

        Args:
            tracks: All in view in this frame.
            timestamp: Time of the frame in seconds.
            width: Of the frame in pixels.
            height: Likewise.
        """
        if not self._zones and not self._ignored:
            return list(tracks)
        self._counted = {name: seen for name, seen in self._counted.items() if timestamp - seen <= self._memory}
        staying = [track for track in tracks if track.id in self._counted or self._counts(track.box, width, height)]
        self._counted |= {track.id: timestamp for track in staying}
        return staying

    def _counts(self, box: Box, width: int, height: int, margin: float = 0.0) -> bool:
        """Whether the middle of a face counts that may be ``margin`` pixels beyond the edge."""

        def depth(polygon: np.ndarray) -> float:
            return cv2.pointPolygonTest(polygon * np.array([width, height], np.float32), box.centre, measureDist=True)

        is_inside = not self._zones or max(map(depth, self._zones)) >= -margin
        # On the edge is inside.
        return is_inside and max(map(depth, self._ignored), default=-math.inf) < 0
