"""Notices a camera that goes on sending pictures which show nothing: the same one over and over, or black ones."""

import numpy as np

from facemask_edge.values import Image

PATIENCE = 3.0
"""Seconds for which it must last."""
STEP = 8
"""One pixel of so many is looked at in each direction: the noise of a real sensor changes some of them each time."""
BLACK = 8
"""Mean value, 0..255, of a picture in which nobody could be seen."""


class PictureWatch:
    """Looks at the pictures of one camera, one after the other, also when it was opened again meanwhile."""

    def __init__(self) -> None:
        self._last: Image | None = None
        self._changed = self._bright = 0.0
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
            ``frozen`` or ``black``; None while there is nothing to say.
        """
        sample, last = image[::STEP, ::STEP].copy(), self._last
        self._last = sample
        if last is None or not np.array_equal(sample, last):
            self._changed = now
        if sample.mean() >= BLACK:
            self._bright = now
        is_over = {"frozen": self._changed == now, "black": self._bright == now}
        if self.doubt is not None and is_over[self.doubt]:
            self.doubt = None
        # A sensor that is covered is black and may be still, too: black says more.
        if now - self._bright >= PATIENCE:
            self.doubt = "black"
        elif now - self._changed >= PATIENCE:
            self.doubt = "frozen"
        else:
            return None
        return self.doubt
