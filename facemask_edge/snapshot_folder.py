"""Keeps snapshots on disk: for so long, in so many bytes, and never in the room that events need."""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from facemask_edge.config import Config
from facemask_edge.kept_file import UNFINISHED, replace_for_good

SUFFIX = ".jpg"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DAY = 86_400.0
"""Seconds."""
AHEAD = 60.0
"""Seconds that a file's time may be in the future before the clock is known to have been wrong."""


class Kept(NamedTuple):
    """A picture on disk."""

    time: float
    """When it was kept, in seconds since 1970."""
    path: Path
    bytes: int


class SnapshotFolder:
    """One JPEG a violation, ``camera/id.jpg``.

    Only files that may be its own are ever deleted. How old one is, its time of modification says: it is there after
    a reboot, too.

    Args:
        config: The whole configuration.
    """

    def __init__(self, config: Config) -> None:
        self.path = config.snapshots_path
        self._seconds = config.snapshots.retention_days * DAY
        self._max_bytes = config.snapshots.max_bytes
        self._config = config

    def keep(self, camera: str, violation: str, jpeg: bytes) -> bool:
        """Write one; whether there was room for it.

        Raises:
            OSError: It cannot be written.
        """
        if self._seconds == 0:
            return True
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        folder = self.path / camera
        folder.mkdir(mode=0o700, exist_ok=True)
        # What cannot be deleted is told by the next look at what is too old.
        with suppress(OSError):
            self.clean(room_for=len(jpeg))
        if self._lacking(len(jpeg)) > 0:
            return False
        replace_for_good(folder / f"{violation}{SUFFIX}", jpeg)
        return True

    def find(self, camera: str, violation: str) -> Path | None:
        """The picture of a violation; None where none is kept."""
        # Whoever asks may be anybody: what names no violation names no file.
        if not UUID.fullmatch(violation):
            return None
        path = self.path / camera / f"{violation}{SUFFIX}"
        return path if path.is_file() else None

    def clean(self, *, room_for: int = 0) -> int:
        """Delete what is too old, and the oldest of what is too much or is in the way of events; how many it were.

        Args:
            room_for: Bytes that are to be written.

        Raises:
            OSError: One cannot be deleted.
        """
        now = time.time()
        kept = sorted(self._kept(now))
        if not kept:
            return 0
        fault: OSError | None = None
        too_much = sum(one.bytes for one in kept) + room_for - self._max_bytes
        too_much = max(too_much, self._lacking(room_for))
        count = 0
        for one in kept:
            is_old = now - one.time >= self._seconds
            if not is_old and too_much <= 0:
                break
            try:
                one.path.unlink(missing_ok=True)
            except OSError as error:
                # The others are to go all the same.
                fault = error
                continue
            too_much -= one.bytes
            count += 1
        if fault is not None:
            raise fault
        return count

    def _lacking(self, room_for: int) -> int:
        """Bytes that are missing on the disk until there is room for so many."""
        return room_for - room(self._config, self.path)

    def _kept(self, now: float) -> Iterator[Kept]:
        for path in self.path.glob("*/*"):
            # Its own, and nothing that a link leads to.
            if path.suffix not in {SUFFIX, UNFINISHED} or not UUID.fullmatch(path.stem) or path.parent.is_symlink():
                continue
            with suppress(OSError):
                status = path.lstat()
                if not stat.S_ISREG(status.st_mode):
                    continue
                written = status.st_mtime
                if written > now + AHEAD:
                    # The clock was wrong then: its time begins now, or it would be kept for too long.
                    os.utime(path, (now, now))
                    written = now
                # What a power cut left half written.
                yield Kept(0.0 if path.suffix == UNFINISHED else written, path, status.st_size)


def room(config: Config, folder: Path) -> int:
    """Bytes that pictures may take there; below 0 where there are too few for the events alone.

    Raises:
        OSError: The disk does not say.
    """
    disk = os.statvfs(folder)
    # Events come first: the room that they may need is left to them.
    return disk.f_bavail * disk.f_frsize - config.outbox.min_free_bytes - config.outbox.max_bytes
