"""Of which frames snapshots are taken: of those with which a violation starts, and of what somebody orders to see."""

import time
from collections.abc import Iterable, Sequence

from facemask_edge.clock import utc_now
from facemask_edge.snapshot import Shot
from facemask_edge.snapshots import Snapshots
from facemask_edge.switches import RefusedError
from facemask_edge.values import Frame, Violation
from facemask_edge.watch import Watch

SEES = 2.0
"""Seconds since its newest frame in which a camera is taken to give pictures."""
ORDER_INTERVAL = 5.0
"""Seconds between two snapshots that somebody may order: they are no way to watch people from afar."""


class SnapshotOccasions:
    """In the frame loop.

    Args:
        snapshots: Makes them, beside it.
    """

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._next_order = 0.0

    def order(self, watches: Iterable[Watch]) -> None:
        """Somebody wants to see what the cameras see now: the next frame of each is taken.

        Raises:
            RefusedError: No camera gives pictures now, or one was ordered moments ago.
        """
        now = time.monotonic()
        seeing = [watch for watch in watches if watch.size and now - watch.last_judged < SEES]
        if now < self._next_order:
            raise RefusedError(f"one was taken moments ago; wait {ORDER_INTERVAL:.0f} s")
        if not seeing:
            raise RefusedError("no camera gives pictures now")
        self._next_order = now + ORDER_INTERVAL
        for watch in seeing:
            watch.wanted_until = now + SEES

    def judged(self, watch: Watch, frame: Frame, violations: Sequence[Violation]) -> None:
        """Told of each frame that was judged, and of the violations that start or end with it."""
        # Whoever was seen last in an earlier frame is not in this picture.
        starts: list[Violation | None] = [
            each for each in violations if each.event_type == "violation_start" and each.timestamp == frame.timestamp
        ]
        if time.monotonic() < watch.wanted_until:
            watch.wanted_until = 0.0
            starts.append(None)
        if not starts:
            return
        faces = tuple(verdict.track.box for verdict in watch.pipeline.verdicts())
        for violation in starts:
            # A copy: a camera has its frame's memory back soon.
            shot = Shot(watch.name, frame.image.copy(), faces, violation, utc_now())
            self._snapshots.take(shot, wait=not watch.is_live)
