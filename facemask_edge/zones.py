"""Which faces count by where they are: inside a zone, and in no ignored one."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.config import Polygon
from facemask_edge.values import Box, Face, Track

EDGE = 0.5
"""How far beyond the edge of its zone who counted before still does, in heights of the face: nobody stands quite still,
and one who stands at the edge is one violation. An ignored zone has a sharp edge: what hangs there must never count,
also when somebody stood before it. Who is as far inside of one has not left at once, but is not judged."""


class Zones:
    """The zones of one camera.

    Args:
        zones: Only faces in one of these count; empty means everywhere.
        ignored: Faces in one of these do not count.
        memory: Seconds out of view for which it is known who counted.
    """

    def __init__(self, zones: Sequence[Polygon], ignored: Sequence[Polygon], *, memory: float = 0.0) -> None:
        self.memory = memory
        """May be changed."""
        self._counted: dict[str, float] = {}
        """When each track that counts was last in view, by its id."""
        self.redraw(zones, ignored)

    def redraw(self, zones: Sequence[Polygon], ignored: Sequence[Polygon]) -> None:
        """Have other ones from now on; who counted and is near one still does."""
        self._zones = [np.array(polygon, np.float32) for polygon in zones]
        self._ignored = [np.array(polygon, np.float32) for polygon in ignored]

    def parted(self, faces: Sequence[Face], width: int, height: int) -> tuple[list[Face], list[Face]]:
        """The faces that are not ignored, and those whose middle is in an ignored zone; on the edge is inside.

        Args:
            faces: All in view in this frame.
            width: Of the frame in pixels.
            height: Likewise.
        """
        kept: list[Face] = []
        ignored: list[Face] = []
        for face in faces:
            is_ignored = _depth(self._ignored, face.box, width, height) >= 0
            (ignored if is_ignored else kept).append(face)
        return kept, ignored

    def at_the_edge(self, ignored: Face, width: int, height: int) -> bool:
        """Whether a face in an ignored zone is so near its edge that who was before it may have swayed there.

        Args:
            ignored: As ``parted`` gives it.
            width: Of the frame in pixels.
            height: Likewise.
        """
        return _depth(self._ignored, ignored.box, width, height) <= EDGE * ignored.box.height

    def counting(self, faces: Sequence[Face], width: int, height: int) -> list[Face]:
        """Of the faces that are not ignored, those whose middle is in a zone.

        Args:
            faces: In view in this frame and not ignored.
            width: Of the frame in pixels.
            height: Likewise.
        """
        return [face for face in faces if self._is_inside(face.box, width, height)]

    def staying(
        self, tracks: Sequence[Track], timestamp: float, width: int, height: int, aside: Sequence[str] = ()
    ) -> list[Track]:
        """The tracks that count: those in a zone and those that were and are near it.

        Faces that do not count are followed, too, or who comes in would be taken for who just went out.

        Args:
            tracks: Of all faces in view in this frame that are not ignored.
            timestamp: Time of the frame in seconds.
            width: Of the frame in pixels.
            height: Likewise.
            aside: Ids of faces at the edge of an ignored zone: they do not count, and are not forgotten there.
        """
        if not self._zones:
            return list(tracks)
        self._counted |= {name: timestamp for name in aside if name in self._counted}
        self._counted = {name: seen for name, seen in self._counted.items() if timestamp - seen <= self.memory}
        margins = [EDGE * track.box.height if track.id in self._counted else 0.0 for track in tracks]
        pairs = zip(tracks, margins, strict=True)
        staying = [track for track, margin in pairs if self._is_inside(track.box, width, height, margin)]
        self._counted |= {track.id: timestamp for track in staying}
        return staying

    def _is_inside(self, box: Box, width: int, height: int, margin: float = 0.0) -> bool:
        """Whether the middle of a face is in a zone, or up to ``margin`` pixels beyond its edge."""
        return not self._zones or _depth(self._zones, box, width, height) >= -margin


def _depth(zones: Sequence[NDArray[np.float32]], box: Box, width: int, height: int) -> float:
    """How many pixels the middle of a face is inside of the zone that it is deepest in; less than 0 outside of all."""
    scale, middle = np.array([width, height], np.float32), box.centre
    return max((cv2.pointPolygonTest(zone * scale, middle, measureDist=True) for zone in zones), default=-math.inf)
