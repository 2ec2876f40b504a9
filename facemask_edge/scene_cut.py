"""Notices when the camera shows another scene from one frame to the next: nobody in view is the one who was there."""

import math
from collections import deque

import cv2
import numpy as np

from facemask_edge.values import Thumbnail

SAME_SCENE = 0.5
"""Correlation of two thumbnails below which they show different scenes.

Frames of one scene that follow each other have 0.89 or more on the clips and recordings of the tests, a third of a
second apart 0.58 or more; of 5,510 pairs of different street scenes 99 % have less.
"""
LEAST_CONTRAST = 4.0
"""Standard deviation of a thumbnail in gray values below which it shows nothing: a dark room, a covered lens."""
BLACK = 8
"""Gray value up to which a place shows nothing: a privacy mask, the bars beside a recording."""
LEAST_BLACK = 0.02
"""The part of a thumbnail from which on black places are left out of both. Fewer, such as dark hair, count as the
mean."""
LEAST_SHOWN = 0.1
"""The part of two thumbnails that has to show something in both."""
QUICK = 0.9
"""Seconds within which frames follow each other quickly: those of a slow device with two cameras do, pictures that are
judged one a second do not."""
LASTS = 0.5
"""Seconds for which another scene has to stand there."""
LASTS_UNSTEADY = 2.0
"""Seconds it must be seen longer than the scene when it never stands: a camera that is carried away."""
EARLIER_SECONDS = 2.0
"""How far apart are the earlier views of the scene that are kept."""
EARLIER_VIEWS = 2


class SceneCuts:
    """Compares each frame of one camera with the scene before it.

    A frame may be broken, or somebody may pass close to the camera: where frames follow each other quickly, another
    scene must last, and must stand. Who passes covers one part of the picture, then another. Frame by frame that may be
    the scene with a little more of it hidden; what stood there some seconds before is the same scene, too.
    """

    def __init__(self) -> None:
        self._scene: _View | None = None
        self._other: _View | None = None
        """What stands there now, if it is not the scene, as it was first seen."""
        self._earlier: deque[_View] = deque(maxlen=EARLIER_VIEWS)
        self._since = -math.inf
        """When the other was first seen."""
        self._doubt = 0.0
        """Seconds for which anything but the scene was seen, less those for which the scene was seen since."""
        self._kept = self._last = -math.inf
        """When the newest of the earlier views was kept, and when the last frame was."""
        self._elapsed = math.inf
        """Seconds from the frame before the last one to that."""

    def is_cut(self, thumbnail: Thumbnail, timestamp: float) -> bool:
        """Whether a camera shows another scene now.

        Args:
            thumbnail: Of the frame.
            timestamp: Time of the frame in seconds.
        """
        elapsed, before, self._last = timestamp - self._last, self._elapsed, timestamp
        self._elapsed = elapsed
        # What was to be seen while no frame came, nobody knows.
        known = max(min(elapsed, QUICK), 0.0)
        self._doubt = max(self._doubt + (known if self.is_doubtful else -known), 0.0)
        view = _View(thumbnail)
        if view.shows_nothing:
            # Behind it may be the same scene or another one: the next frame that shows something tells.
            if self._doubt >= LASTS_UNSTEADY:
                self._other, self._doubt = None, 0.0
            return False
        if self._is_the_scene(view):
            self._scene, self._other = view, None
            if timestamp - self._kept >= EARLIER_SECONDS:
                self._earlier.append(view)
                self._kept = timestamp
            return False
        if self._other is None or not _is_like(view, self._other):
            self._other, self._since = view, timestamp
        # One long interval is a stall, and the first picture after it is often broken.
        is_quick = min(elapsed, before) <= QUICK
        if is_quick and timestamp - self._since < LASTS and self._doubt < LASTS_UNSTEADY:
            return False
        self.forget()
        self._scene = view
        return True

    @property
    def is_doubtful(self) -> bool:
        """Whether the newest frame may show another scene: who is in it may be somebody else."""
        return self._other is not None

    def forget(self) -> None:
        """Take the next frame for the scene, whatever it shows."""
        self._scene = self._other = None
        self._earlier.clear()
        self._kept, self._doubt = -math.inf, 0.0

    def _is_the_scene(self, view: "_View") -> bool:
        if self._scene is None or _is_like(view, self._scene):
            return True
        return any(_is_like(view, earlier) for earlier in self._earlier)


class _View:
    """A thumbnail, and what is asked of it in each comparison."""

    __slots__ = ("contrast", "deviations", "gray", "is_whole", "shows_nothing")

    def __init__(self, thumbnail: Thumbnail) -> None:
        self.gray = thumbnail
        shows = None if cv2.minMaxLoc(thumbnail)[0] > BLACK else thumbnail > BLACK
        shown = thumbnail if shows is None else thumbnail[shows]
        self.deviations, self.contrast = _deviations(shown)
        self.is_whole = shown.size > (1 - LEAST_BLACK) * thumbnail.size
        """Whether hardly anything of it is black."""
        if shows is not None and self.is_whole:
            everywhere = np.zeros_like(thumbnail)
            everywhere[shows] = self.deviations
            self.deviations = everywhere
        is_black = shown.size < LEAST_SHOWN * thumbnail.size
        self.shows_nothing = is_black or self.contrast < LEAST_CONTRAST
        """Whether it is black but for a little, or has hardly any contrast elsewhere."""


def _is_like(one: _View, other: _View) -> bool:
    """Whether two views may be of the same scene, by what shows something in both."""
    if one.is_whole and other.is_whole:
        first, second = one.deviations, other.deviations
        contrasts = one.contrast, other.contrast
    else:
        shown = (one.gray > BLACK) & (other.gray > BLACK)
        if shown.mean() < LEAST_SHOWN:
            return True
        pairs = [_deviations(view.gray[shown]) for view in (one, other)]
        (first, second), contrasts = zip(*pairs, strict=True)
    if min(contrasts) < LEAST_CONTRAST:
        return True
    return float(np.vdot(first, second)) / first.size >= SAME_SCENE * contrasts[0] * contrasts[1]


def _deviations(gray: Thumbnail) -> tuple[Thumbnail, float]:
    """Gray values less their mean, and their standard deviation: a lamp that is switched on is no other scene."""
    # OpenCV's mean takes a fifth of the time of NumPy's.
    deviations = gray - np.float32(cv2.mean(gray)[0])
    return deviations, math.sqrt(np.vdot(deviations, deviations) / max(gray.size, 1))
