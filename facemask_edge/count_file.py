"""A number in a small file that outlives the process."""

import logging
import os
from contextlib import suppress
from pathlib import Path

LARGEST_FILE = 10
"""Bytes."""
logger = logging.getLogger(__name__)


class CountFile:
    """A count on disk; a disk that refuses is logged, and no reason to stop.

    Args:
        path: Of the file; its folder is made when missing.
        unless_kept: What a count that cannot be written means, for the log.
    """

    def __init__(self, path: Path, *, unless_kept: str) -> None:
        self._path = path
        self._unless_kept = unless_kept

    def read(self) -> int:
        """What was written last; 0 where there is no such file, or none that holds a number."""
        try:
            with self._path.open("rb") as file:
                return max(int(file.read(LARGEST_FILE)), 0)
        except (OSError, ValueError):
            return 0

    def write(self, count: int) -> None:
        """Keep it."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(str(count))
        except OSError as error:
            # On a full disk it judges all the same.
            logger.warning("%s: %s; %s", self._path, error.strerror, self._unless_kept)

    def remove(self) -> None:
        """Back to 0."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
