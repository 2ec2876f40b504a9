"""Takes snapshots beside the frame loop: in a thread of their own, which gives way to it."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from facemask_edge.config import Config
from facemask_edge.log_throttle import LogThrottle
from facemask_edge.niceness import give_way
from facemask_edge.snapshot import Shot, snapshot
from facemask_edge.snapshot_folder import SnapshotFolder
from facemask_edge.values import Box, Image

SEND = "send snapshots"
"""What a broker need not let this device do."""
MOST_WAITING = 4
"""Shots that wait for the thread: each holds a picture. Of a live camera, one more is left out."""
LONGEST_WAIT = 10.0
"""Seconds that a recording waits for the thread; after that something hangs."""
CLEAN_INTERVAL = 60.0
"""Seconds between two looks at what is too old."""
logger = logging.getLogger(__name__)


class Snapshots:
    """Makes snapshots, has them sent, keeps them and deletes them in time, also when no more are wanted.

    Args:
        config: The whole configuration.
        send: Called in the thread with each shot and its JPEG.
        find: All that may be faces in a picture, for who must not miss one; None where faces are left as they are.
    """

    def __init__(
        self, config: Config, send: Callable[[Shot, bytes], None], find: Callable[[Image], Iterable[Box]] | None
    ) -> None:
        self._config = config
        self._send = send
        self._folder = SnapshotFolder(config)
        self._find = find
        self._waiting: queue.Queue[Shot | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._next_clean = 0.0
        self._throttle = LogThrottle()

    def start(self) -> None:
        """Begin, and delete what became too old while nobody did."""
        self._thread.start()

    def take(self, shot: Shot, *, wait: bool) -> None:
        """Have a snapshot made.

        Args:
            shot: What of.
            wait: Whether to wait where too many are to be made; else it is left out.
        """
        try:
            self._waiting.put(shot, block=wait, timeout=LONGEST_WAIT)
        except queue.Full:
            self._warn("snapshots: more violations at once than this computer can make pictures of; some are left out")

    def stop(self, timeout: float) -> None:
        """Make those that wait, and end; what takes longer than ``timeout`` seconds is left out."""
        if not self._thread.is_alive():
            return
        give_up = time.monotonic() + timeout
        with suppress(queue.Full):
            self._waiting.put(None, timeout=timeout)
        self._thread.join(max(give_up - time.monotonic(), 0.0))
        if left := self._waiting.qsize():
            logger.warning("snapshots: %d were not made in time, and are left out", left)

    def _run(self) -> None:
        give_way()
        while self._turn():
            pass

    def _turn(self) -> bool:
        """Delete what is too old, then make one; whether to go on. Nothing of a picture outlives its turn."""
        try:
            self._clean()
            shot = self._waiting.get(timeout=max(self._next_clean - time.monotonic(), 0.0))
            if shot is None:
                return False
            self._make(shot)
        except queue.Empty:
            pass
        except Exception:
            # A picture that failed must not be the silent end of all others.
            logger.exception("a snapshot failed")
        return True

    def _make(self, shot: Shot) -> None:
        jpeg = snapshot(shot, self._config.snapshots, self._config.privacy, self._find)
        self._send(shot, jpeg)
        if shot.violation is None:
            return
        try:
            if not self._folder.keep(shot.camera, shot.violation.id, jpeg):
                self._warn("snapshots: the disk is too full to keep any; events come first")
        except OSError as error:
            self._warn(f"snapshots: {error.filename or self._folder.path}: {error.strerror}")

    def _clean(self) -> None:
        if time.monotonic() < self._next_clean:
            return
        self._next_clean = time.monotonic() + CLEAN_INTERVAL
        try:
            self._folder.clean()
        except OSError as error:
            self._warn(f"snapshots: {error.filename}: {error.strerror}; it stays longer than it should")

    def _warn(self, says: str) -> None:
        if self._throttle.is_due(says):
            logger.warning("%s", says)
