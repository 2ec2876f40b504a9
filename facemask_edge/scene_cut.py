"""Notices when the camera shows another scene from one frame to the next: nobody in view is the one who was there."""

import math
from collections import deque
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facemask_edge.thumbnail import deviations_of
from facemask_edge.values import Thumbnail

SAME_SCENE = 0.5
"""Correlation of two thumbnails below which they show different scenes.

Frames of one scene that follow each other have 0.89 or more on the clips and recordings of the tests, a third of a
second apart 0.58 or more; of 5,510 pairs of different street scenes 99 % have less.
"""
LEAST_CONTRAST = 4.0
"""Standard deviation of a thumbnail in gray values below which it shows nothing: a dark room, a covered lens."""
LEAST_BLACK = 0.02
"""The part of a thumbnail from which on black places are left out of both. Fewer, such as dark hair, count as the
mean."""
LEAST_SHOWN = 0.1
"""The part of two thumbnails that has to show something in both."""
TILE = 4
"""Width and height, in a thumbnail's pixels, of the tiles that are compared one by one where two thumbnails differ as a
whole: a door that opens to the daylight, somebody who steps close or a lamp outweighs all the rest."""
SAME_TILE = 0.85
"""Correlation of two tiles from which on they show the same."""
SAME_TILES, FEWEST_TILES = 0.3, 8
"""The part of the tiles that show something, and their number, from which on it is the same scene: of 20,000 pairs of
different street scenes 0.01 % have as many."""
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

Pixel = TypeVar("Pixel", bound=np.generic)


class SceneCuts:
    """Compares each frame of one camera with the scene before it.

    A frame may be broken, or somebody may pass close to the camera: where frames follow each other quickly, another
    scene must last, and must stand. Who passes covers one part of the picture, then another. Frame by frame that may be
    the scene with a little more of it hidden; what stood there some seconds before is the same scene, too.
    """

    def __init__(self) -> None:
        self._scene: Thumbnail | None = None
        self._other: Thumbnail | None = None
        """What stands there now, if it is not the scene, as it was first seen."""
        self._earlier: deque[Thumbnail] = deque(maxlen=EARLIER_VIEWS)
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
        # Black but for a little, or with hardly any contrast elsewhere.
        if thumbnail.part < LEAST_SHOWN or thumbnail.contrast < LEAST_CONTRAST:
            # Behind it may be the same scene or another one: the next frame that shows something tells.
            if self._doubt >= LASTS_UNSTEADY:
                self._other, self._doubt = None, 0.0
            return False
        if self._is_the_scene(thumbnail):
            self._scene, self._other = thumbnail, None
            if timestamp - self._kept >= EARLIER_SECONDS:
                self._earlier.append(thumbnail)
                self._kept = timestamp
            return False
        if self._other is None or not _is_like(thumbnail, self._other):
            self._other, self._since = thumbnail, timestamp
        # One long interval is a stall, and the first picture after it is often broken.
        is_quick = min(elapsed, before) <= QUICK
        if is_quick and timestamp - self._since < LASTS and self._doubt < LASTS_UNSTEADY:
            return False
        self.forget()
        self._scene = thumbnail
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

    def _is_the_scene(self, thumbnail: Thumbnail) -> bool:
        if self._scene is None or _is_like(thumbnail, self._scene):
            return True
        return any(_is_like(thumbnail, earlier) for earlier in self._earlier)


def _is_like(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether two may be of the same scene, by what shows something in both."""
    if min(one.part, other.part) > 1 - LEAST_BLACK:
        count = one.gray.size
        pairs = [(each.deviations, each.contrast) for each in (one, other)]
    else:
        shown = one.shown & other.shown
        count = int(np.count_nonzero(shown))
        if count < LEAST_SHOWN * shown.size:
            return True
        pairs = [deviations_of(each.gray, shown) for each in (one, other)]
    (first, contrast), (second, other_contrast) = pairs
    if min(contrast, other_contrast) < LEAST_CONTRAST:
        return True
    if float(np.vdot(first, second)) / count >= SAME_SCENE * contrast * other_contrast:
        return True
    return _is_like_in_parts(one, other)


def _is_like_in_parts(one: Thumbnail, other: Thumbnail) -> bool:
    """Whether enough of the places show the same, whatever the others show."""
    first, second = (_deviations_of_tiles(each.gray) for each in (one, other))
    contrast, other_contrast = first.std(axis=1), second.std(axis=1)
    tells = _tiles(one.shown & other.shown).all(axis=1) & (np.minimum(contrast, other_contrast) >= LEAST_CONTRAST)
    same = tells & ((first * second).mean(axis=1) >= SAME_TILE * contrast * other_contrast)
    return bool(np.count_nonzero(same) >= max(SAME_TILES * np.count_nonzero(tells), FEWEST_TILES))


def _deviations_of_tiles(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    tiles = _tiles(gray)
    means: NDArray[np.float32] = tiles.mean(axis=1, keepdims=True)
    return tiles - means


def _tiles(pixels: NDArray[Pixel]) -> NDArray[Pixel]:
    """Of height x width: tiles x pixels."""
    height, width = pixels.shape
    parts = pixels.reshape(height // TILE, TILE, width // TILE, TILE)
    return parts.swapaxes(1, 2).reshape(-1, TILE * TILE)
