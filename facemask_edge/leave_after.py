"""How long somebody may be out of view without having left: longer where frames are rare, or were missing."""

import math
from collections import deque

UNSEEN = 1.0
"""Intervals between two frames with a face in which it was in view, too: on average half of one at either end."""
GAP = 2.5
"""Intervals between frames: a face that is missed in one frame, the next one late, was there. After more frames it may
be somebody else's."""
NEWEST = 5
"""Intervals that tell how far apart frames are now."""
FEWEST = 3
"""Of fewer, one that is long may be a pause."""
PAUSE = 3.0
"""How many times as long as somebody may be out of view all frames may be missing: a network hesitates, and who stands
there then still stands there. After more a camera was away, and nobody knows who was there."""


class LeaveAfter:
    """Follows how far apart one camera's frames are.

    Args:
        least: Seconds; what is between two frames comes on top.
    """

    def __init__(self, least: float) -> None:
        self._least = self.seconds = least
        """Out of view after which a person has left."""
        self._usual = 0.0
        """Seconds between two frames; 0 until it is known."""
        self._last: float | None = None
        self._missing, self._until = 0.0, -math.inf
        """Seconds without a frame, and up to when they count."""
        self._intervals: deque[float] = deque(maxlen=NEWEST)

    def take(self, timestamp: float) -> float:
        """Take in when a frame was taken, in seconds; the seconds that hold with it."""
        last, self._last = self._last, timestamp
        if last is None:
            return self.seconds
        interval = timestamp - last
        self._intervals.append(interval)
        if len(self._intervals) >= FEWEST:
            # The median, of two the smaller one: a pause is longer.
            self._usual = sorted(self._intervals)[(len(self._intervals) - 1) // 2]
        # One that counts is not cut short by a shorter one: where a network hesitated, frames come unevenly at first.
        is_longest = interval >= self._missing or timestamp > self._until
        if is_longest and (GAP * self._usual or self._least) < interval <= self.without_frames:
            self._missing, self._until = interval, timestamp + self._unbroken
        self.seconds = self._unbroken + (self._missing if timestamp <= self._until else 0.0)
        return self.seconds

    @property
    def without_frames(self) -> float:
        """Seconds without any frame after which everybody has left."""
        return PAUSE * self._unbroken

    @property
    def _unbroken(self) -> float:
        """Seconds that hold where no frames are missing."""
        return max(self._least + UNSEEN * self._usual, GAP * self._usual)
