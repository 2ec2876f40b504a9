"""Thumbnails of frames, by which one scene is told from another."""

import cv2
import numpy as np

from facemask_edge.values import Image, Thumbnail

SAMPLED, THUMBNAIL = (128, 96), (32, 24)
"""Width and height in pixels: sampled first, because averaging a whole picture takes much longer."""


class Thumbnails:
    """Makes them, for one thread: its buffers are used again for each."""

    def __init__(self) -> None:
        self._sampled = np.empty((*SAMPLED[::-1], 3), np.uint8)
        self._gray = np.empty(SAMPLED[::-1], np.uint8)

    def of(self, image: Image) -> Thumbnail:
        """A new thumbnail.

        Args:
            image: uint8, height x width x 3, BGR; the picture for the face detector will do.
        """
        cv2.resize(image, SAMPLED, dst=self._sampled, interpolation=cv2.INTER_NEAREST)
        cv2.cvtColor(self._sampled, cv2.COLOR_BGR2GRAY, dst=self._gray)
        return cv2.resize(self._gray, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
