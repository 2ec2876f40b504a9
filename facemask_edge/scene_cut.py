"""Notices when the camera shows another scene from one frame to the next: nobody in view is the one who was there."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.values import Image

SAME_SCENE = 0.5
"""Correlation of two thumbnails below which they show different scenes.

Frames of one scene that follow each other have 0.89 or more on the clips and recordings of the tests, a third of a
second apart 0.58 or more; of 5,510 pairs of different street scenes 99 % have less.
"""
SAMPLED, THUMBNAIL = (128, 96), (32, 24)
"""Width and height in pixels: sampled first, because averaging a whole frame takes ten times as long."""

Thumbnail = NDArray[np.float32]
"""Gray values, less their mean."""


class SceneCuts:
    """Compares each frame of one camera with the one before."""

    def __init__(self) -> None:
        self._sampled: Image = np.empty((*SAMPLED[::-1], 3), np.uint8)
        self._gray = np.empty(SAMPLED[::-1], np.uint8)
        self._before: Thumbnail | None = None

    def is_cut(self, image: Image) -> bool:
        """Whether a frame (uint8, height x width x 3, BGR) shows another scene than the last one."""
        cv2.resize(image, SAMPLED, dst=self._sampled, interpolation=cv2.INTER_NEAREST)
        cv2.cvtColor(self._sampled, cv2.COLOR_BGR2GRAY, dst=self._gray)
        thumbnail = cv2.resize(self._gray, THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
        # Without its mean and its contrast, a lamp that is switched on is no other scene.
        thumbnail -= thumbnail.mean()
        before, self._before = self._before, thumbnail
        if before is None:
            return False
        contrast = float(np.linalg.norm(thumbnail) * np.linalg.norm(before))
        return float((thumbnail * before).sum()) < SAME_SCENE * contrast
