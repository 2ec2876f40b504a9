"""Notices when the camera shows another scene from one frame to the next: nobody in view is the one who was there."""

import math

import numpy as np

from facemask_edge.values import Thumbnail

SAME_SCENE = 0.5
"""Correlation of two thumbnails below which they show different scenes.

Frames of one scene that follow each other have 0.89 or more on the clips and recordings of the tests, a third of a
second apart 0.58 or more; of 5,510 pairs of different street scenes 99 % have less.
"""
LEAST_CONTRAST = 4.0
"""Standard deviation of a thumbnail in gray values below which it shows nothing: a dark room, a covered lens."""
QUICK = 0.5
"""Seconds within which frames follow each other quickly."""


class SceneCuts:
    """Compares each frame of one camera with the scene before it.

    A frame may be broken, or somebody may pass close to the camera: another scene must last for two frames, where they
    follow each other quickly.
    """

    def __init__(self) -> None:
        self._scene: Thumbnail | None = None
        self._other: Thumbnail | None = None
        """What the last frame showed, if it was not the scene."""
        self._last = -np.inf

    def is_cut(self, thumbnail: Thumbnail, timestamp: float) -> bool:
        """Whether a camera shows another scene now.

        Args:
            thumbnail: Of the frame.
            timestamp: Time of the frame in seconds.
        """
        is_slow, self._last = timestamp - self._last > QUICK, timestamp
        scene, other, self._other = self._scene, self._other, None
        if scene is None or is_like(thumbnail, scene):
            self._scene = thumbnail
            return False
        if is_slow or (other is not None and is_like(thumbnail, other)):
            self._scene = thumbnail
            return True
        self._other = thumbnail
        return False


def is_like(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether two thumbnails may show the same scene; what has hardly any contrast shows nothing."""
    # Their means are 0: products are all that standard deviations and covariance are made of.
    contrasts = math.sqrt(np.vdot(one, one) / one.size), math.sqrt(np.vdot(other, other) / other.size)
    if min(contrasts) < LEAST_CONTRAST:
        return True
    return float(np.vdot(one, other)) / one.size >= SAME_SCENE * contrasts[0] * contrasts[1]
