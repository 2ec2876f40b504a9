"""Which frames of a recording a device would judge if they came from a camera."""

import math


class LiveTime:
    """The time of a live camera, which drops the frames that come while one is judged.

    A device that is slower than its camera judges fewer frames of each second, and has more to look at in each of them:
    what is due again after a while is due in more of them.
    """

    def __init__(self) -> None:
        self._free = self._last = -math.inf

    def is_dropped(self, timestamp: float) -> bool:
        """Whether a newer frame is there before the device is done with the one before this.

        Args:
            timestamp: Of the frame in seconds; each frame of the recording is asked about in turn.
        """
        # The one after it is as far away as the one before.
        following, self._last = 2 * timestamp - self._last, timestamp
        return following <= self._free

    def judged(self, timestamp: float, seconds: float) -> None:
        """Told how long the frame took that was not dropped."""
        self._free = max(self._free, timestamp) + seconds
