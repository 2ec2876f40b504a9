"""Remembers that this process died while it used the Edge TPU: its library cannot be stopped from ending the process.

A file says so while the Edge TPU is in use. It is found again after a death, by the process that comes next.
"""

import time
from pathlib import Path

from facemask_edge.count_file import CountFile

MOST = 3
"""Deaths in a row after which the next start is on the CPU."""
WELL = 600.0
"""Seconds of work after which it is well, and deaths before that are forgotten."""


def deaths_file(outbox: Path) -> Path:
    """Where the daemon of an outbox counts them."""
    return outbox.with_name("edge-tpu-deaths")


class EdgeTpuDeaths:
    """How often in a row this program died with the Edge TPU.

    Args:
        file: Holds the number while the Edge TPU is in use; no file is none.
    """

    def __init__(self, file: Path) -> None:
        self._file = CountFile(file, unless_kept="should the Edge TPU end this program, nobody counts it")
        self.count = self._file.read()
        """Deaths in a row before this start."""
        self._well_at = float("inf")

    @property
    def are_too_many(self) -> bool:
        """Whether this start had better be on the CPU."""
        return self.count >= MOST

    def begin(self) -> None:
        """The Edge TPU is about to be used."""
        self._file.write(self.count + 1)
        self._well_at = time.monotonic() + WELL

    def go_on(self) -> None:
        """A turn of the loop is over."""
        if time.monotonic() >= self._well_at:
            self._well_at = float("inf")
            self._file.write(1)

    def end(self) -> None:
        """The program ends in order; also where it ran on the CPU: the next start tries the Edge TPU again."""
        self._file.remove()
