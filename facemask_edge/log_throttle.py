"""Says the same thing seldom: what lasts must not fill the log."""

import time

INTERVAL = 60.0
"""Seconds between two lines that say the same."""


class LogThrottle:
    """Of one kind of line; for one thread."""

    def __init__(self) -> None:
        self._said, self._next = "", 0.0

    def is_due(self, says: str) -> bool:
        """Whether to say this now: it is another thing, or was said long ago. It counts as said then."""
        now = time.monotonic()
        if says == self._said and now < self._next:
            return False
        self._said, self._next = says, now + INTERVAL
        return True

    def forget(self) -> None:
        """It is over: the same may be said at once."""
        self._said = ""
