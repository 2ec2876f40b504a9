"""How long somebody may be out of view without having left: longer where frames are rare."""

from collections import deque

GAP = 2.5
"""Intervals between frames: a face that is missed in one frame, the next one late, was there. After more frames it may
be somebody else's."""
NEWEST = 5
"""Intervals that tell how far apart frames are now."""
FEWEST = 3
"""Of fewer, one that is long may be a stall."""


class LeaveAfter:
    """Follows how far apart one camera's frames are.

    Args:
        least: Seconds, which hold where frames follow each other quickly.
    """

    def __init__(self, least: float) -> None:
        self._least = self.seconds = least
        """Out of view after which a person has left."""
        self._last: float | None = None
        self._intervals: deque[float] = deque(maxlen=NEWEST)

    def take(self, timestamp: float) -> float:
        """Take in when a frame was taken, in seconds; the seconds that hold with it."""
        if self._last is not None:
            self._intervals.append(timestamp - self._last)
        self._last = timestamp
        if len(self._intervals) >= FEWEST:
            # The median, of two the smaller one: a stall is longer, and nobody knows who was there.
            usual = sorted(self._intervals)[(len(self._intervals) - 1) // 2]
            self.seconds = max(self._least, GAP * usual)
        return self.seconds
