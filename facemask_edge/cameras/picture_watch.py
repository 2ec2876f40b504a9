"""Notices a camera that goes on sending pictures which show nothing: the same one over and over, or black ones.

The noise of a sensor changes each picture, but a video encoder may leave it out: of a still scene the decoded pictures
are equal until the next key frame. Only a camera that was opened again, and begins with the same picture, is frozen.
"""

import numpy as np

from facemask_edge.values import Image

PATIENCE = 3.0
"""Seconds for which it must last."""
LONGEST_PATIENCE = 300.0
"""Seconds, of a camera whose still scenes were suspected wrongly."""
DARK_PATIENCE = 60.0
"""Seconds between two openings of a camera that is black, as every one is in a dark room."""
STEP = 8
"""One pixel of so many is looked at in each direction."""
BLACK = 25
"""Green value, 0..255, that a part of a picture reaches in which somebody could be seen."""
LIT = 0.005
"""That part: a lamp in the night, and a face under it, are enough."""
SUSPECT, FROZEN, DARK = "suspect", "frozen", "black"


class PictureWatch:
    """Looks at the pictures of one camera, one after the other, also when it was opened again meanwhile."""

    def __init__(self) -> None:
        self._last: Image | None = None
        self._changed = self._bright = 0.0
        self._patience = PATIENCE
        self._is_suspected = False
        """Whether the next picture tells if the camera is frozen."""
        self.is_repeat = False
        """Whether the newest picture is the same as the one before."""
        self.doubt: str | None = None
        """``frozen`` or ``black``, what the camera was: until a picture shows that it is over, none is believed."""

    def opened(self, now: float) -> None:
        """The camera was opened, and has all the time again."""
        self._changed = self._bright = now

    def fault(self, image: Image, now: float) -> str | None:
        """What has been wrong with the pictures for a while.

        Args:
            image: The newest one.
            now: When it came, in seconds of a monotonic clock.

        Returns:
            ``frozen``, ``black``, or ``suspect``: open the camera again, to see whether it is frozen; None while there
            is nothing to say.
        """
        sample, last = image[::STEP, ::STEP].copy(), self._last
        self._last = sample
        has_changed = last is None or not np.array_equal(sample, last)
        is_bright = float(np.mean(sample[..., 1] >= BLACK)) >= LIT
        self.is_repeat = not has_changed
        if has_changed:
            self._changed = now
        if is_bright:
            self._bright = now
        if (self.doubt == FROZEN and has_changed) or (self.doubt == DARK and is_bright):
            self.doubt = None
        return self._dark(now) or self._still(now, has_changed=has_changed)

    def _dark(self, now: float) -> str | None:
        patience = DARK_PATIENCE if self.doubt == DARK else PATIENCE
        if now - self._bright < patience:
            return None
        # A sensor that is covered is black and may be still, too: black says more.
        self._is_suspected = False
        self.doubt = DARK
        return DARK

    def _still(self, now: float, *, has_changed: bool) -> str | None:
        if self._is_suspected:
            self._is_suspected = False
            if has_changed:
                self._patience = min(2 * self._patience, LONGEST_PATIENCE)
                return None
            self.doubt = FROZEN
            return FROZEN
        if self.doubt == DARK or now - self._changed < self._patience:
            return None
        if self.doubt == FROZEN:
            return FROZEN
        self._is_suspected = True
        return SUSPECT
