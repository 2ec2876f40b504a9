"""Respects who is seen: parts of the picture that nobody may look at are black, and faces are made unrecognizable.

What is done here cannot be undone: nothing of what was there is left in the picture.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.config import Polygon
from facemask_edge.values import Box, Image

BLOCKS = 4
"""Blocks of one colour across the shorter side of a face's surroundings."""
BESIDE, ABOVE, BELOW = 0.3, 0.4, 0.25
"""How much more than a face is covered, as parts of its width and height: ears, hair, a beard."""
MOST_SIZES = 4
"""Sizes of pictures whose masks are remembered."""
EDGE = 3
"""Pixels across an outline: one on each side of it."""
SMALLEST = 8
"""Pixels of the shorter side that is covered at the least: a box may be too small by some."""


class PrivacyMasks:
    """The parts of a camera's picture that nobody may look at.

    Args:
        polygons: Corners as fractions of the frame's width and height.
    """

    def __init__(self, polygons: Sequence[Polygon]) -> None:
        self._polygons = [np.array(polygon, np.float64) for polygon in polygons]
        self._outlines: dict[tuple[int, int], list[NDArray[np.int32]]] = {}
        """By width and height: a camera may give each picture in two sizes."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._polygons)

    def blacken(self, image: Image, *, is_scaled: bool = False) -> None:
        """Paint them black.

        Args:
            image: uint8, height x width x 3, BGR; is painted into.
            is_scaled: Whether it was scaled down from one that was not black there: then a pixel at the edge holds
                something of what is inside, and is painted, too.
        """
        height, width = image.shape[:2]
        if (width, height) not in self._outlines:
            if len(self._outlines) >= MOST_SIZES:
                self._outlines.clear()
            found = [outline for polygon in self._polygons for outline in _outlines(polygon, width, height)]
            self._outlines[width, height] = found
        for outline in self._outlines[width, height]:
            # One by one: drawn at once, what two have in common stays as it is.
            cv2.drawContours(image, [outline], 0, (0, 0, 0), cv2.FILLED)
            if is_scaled:
                cv2.drawContours(image, [outline], 0, (0, 0, 0), EDGE)


def _outlines(polygon: NDArray[np.float64], width: int, height: int) -> Sequence[NDArray[np.int32]]:
    """What encloses a polygon in a frame of that size, also where it crosses itself: no part of it stays open."""
    area = np.zeros((height, width), np.uint8)
    cv2.fillPoly(area, [np.round(polygon * (width, height)).astype(np.int32)], 255)
    found, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return found  # type: ignore[return-value] # always int32


def pixelate(image: Image, faces: Iterable[Box]) -> None:
    """Make faces unrecognizable: of each, and of what is around it, a few blocks of one colour are left.

    Args:
        image: uint8, height x width x 3, BGR; is painted into.
        faces: As a face detector finds them; one may lie outside in part.
    """
    height, width = image.shape[:2]
    for face in faces:
        whole = _surroundings(face)
        part = whole.clipped(width, height)
        left, top = int(part.x), int(part.y)
        right, bottom = int(np.ceil(part.x + part.width)), int(np.ceil(part.y + part.height))
        covered = image[top:bottom, left:right]
        if covered.size == 0:
            continue
        size = right - left, bottom - top
        # Of the whole face: the edge of a picture makes no finer ones.
        block = min(whole.width, whole.height) / BLOCKS
        # Means of all pixels of a block: nothing finer than a block has a part in them.
        few = cv2.resize(covered, [max(round(side / block), 1) for side in size], interpolation=cv2.INTER_AREA)
        cv2.resize(few, size, dst=covered, interpolation=cv2.INTER_NEAREST)


def _surroundings(face: Box) -> Box:
    width, height = (1 + 2 * BESIDE) * face.width, (1 + ABOVE + BELOW) * face.height
    left, top = face.x - BESIDE * face.width, face.y - ABOVE * face.height
    wider, higher = max(SMALLEST - width, 0.0), max(SMALLEST - height, 0.0)
    return Box(left - wider / 2, top - higher / 2, width + wider, height + higher)
