"""Remembers that this process died while it used the Edge TPU: its library cannot be stopped from ending the process.

A file says so while the Edge TPU is in use. It is found again after a death, by the process that comes next.
"""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

MOST = 3
"""Deaths in a row after which the next start is on the CPU."""
WELL = 600.0
"""Seconds of work after which it is well, and deaths before that are forgotten."""
LARGEST_FILE = 10
"""Bytes."""
logger = logging.getLogger(__name__)


class EdgeTpuDeaths:
    """How often in a row this program died with the Edge TPU.

    Args:
        file: Holds the number while the Edge TPU is in use; no file is none.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.count = self._read()
        """Deaths in a row before this start."""
        self._well_at = float("inf")

    @property
    def are_too_many(self) -> bool:
        """Whether this start had better be on the CPU."""
        return self.count >= MOST

    def begin(self) -> None:
        """The Edge TPU is about to be used."""
        self._write(self.count + 1)
        self._well_at = time.monotonic() + WELL

    def go_on(self) -> None:
        """A turn of the loop is over."""
        if time.monotonic() >= self._well_at:
            self._well_at = float("inf")
            self._write(1)

    def end(self) -> None:
        """The program ends in order; also where it ran on the CPU: the next start tries the Edge TPU again."""
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def _read(self) -> int:
        try:
            with self._file.open("rb") as file:
                return max(int(file.read(LARGEST_FILE)), 0)
        except (OSError, ValueError):
            return 0

    def _write(self, count: int) -> None:
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(str(count))
        except OSError as error:
            # On a full disk it judges all the same.
            logger.warning("%s: %s; should the Edge TPU end this program, nobody counts it", self._file, error.strerror)
