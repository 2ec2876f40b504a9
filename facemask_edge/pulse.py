"""Whether the frame loop turns, for others than the service manager."""

import time

LATE = 10.0
"""Seconds after which a turn of the loop is over in any case, unless something hangs."""


class Pulse:
    """Written by the frame loop, read by any thread."""

    def __init__(self) -> None:
        self._turn = time.monotonic(), "it starts"

    def turned(self, fault: str = "") -> None:
        """A turn is over.

        Args:
            fault: What only a new start mends; empty where all is well.
        """
        self._turn = time.monotonic(), fault

    def fault(self) -> str:
        """Why this process does not work now; empty where it does."""
        at, fault = self._turn
        seconds = time.monotonic() - at
        return f"the frame loop has not turned for {seconds:.0f} s" if seconds >= LATE else fault
