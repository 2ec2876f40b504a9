"""A store and nothing else: commits, delivers to its own stdout, and goes on until it is killed.

Run as a program of its own, as ``device.py`` is, but without a broker: the power can be cut hundreds of times in the
time that a device takes for a few starts::

    python -m tests.faults.outbox_writer OUTBOX SEED

It says ``decided ID KIND`` before a commit and ``kept disk`` or ``kept memory`` after it, ``delivered JSON`` before it
acknowledges an event, and on stderr ``recorded door KIND ID`` once an event is on the disk.
"""

import random
import sys
import time
from pathlib import Path
from typing import Any

from facemask_edge import store
from facemask_edge.clock import utc_now
from facemask_edge.events import Changes, Event
from facemask_edge.identifiers import uuid7
from facemask_edge.messages import VIOLATION_SCHEMA

TOPIC = "facemask/pi/door/violation"
COMMITS = 15
"""Until the store is closed and opened again, about: closing it moves the write-ahead log into the database."""


def payload(violation: str, kind: str, **more: object) -> dict[str, Any]:
    """An event as the schema wants it."""
    return {
        "schema": VIOLATION_SCHEMA,
        "event_type": f"violation_{kind}",
        "id": violation,
        "device": "pi",
        "camera": "door",
        "time": utc_now(),
        "clock_synchronized": False,
        "track": violation,
        "probability": 0.97,
        "observations": 5,
        "face": {"x": 1, "y": 2, "width": 30, "height": 40},
        "frame": {"width": 640, "height": 480},
        "model": {"name": "mask_classifier", "sha256": "0" * 64},
        **more,
    }


class Writer:
    """Starts and ends violations, several in one commit, and delivers some of them."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self._path = path
        self._chance = chance
        self._open: list[str] = []
        self._unsafe: list[Event] = []
        """Events that are not on the disk yet."""
        self._store = self._opened()

    def commit_one(self) -> None:
        messages = self._store.take(self._chance.choice((0, 0, 1, 3)))
        for message in messages:
            print("delivered", message.payload.decode(), flush=True)
        events = [self._start() for _ in range(self._chance.randint(0, 3))]
        events += [self._end() for _ in range(self._chance.randint(0, len(self._open)))]
        still_open = {
            violation: Event(TOPIC, payload(violation, "end", duration_s=2.0, reason="restart"))
            for violation in self._open[:1]
        }
        self._store.commit(
            Changes(events=events, still_open=still_open, delivered=[message.key for message in messages])
        )
        self._unsafe += events
        kept = self._store.state().kept
        print("kept", kept, flush=True)
        if kept == "memory":
            # Nothing in memory is safe from a power cut.
            time.sleep(store.DISK_TRIES)
            return
        for event in self._unsafe:
            print("recorded", event, file=sys.stderr, flush=True)
        self._unsafe.clear()

    def open_again(self) -> None:
        if self._unsafe:
            return
        self._store.close()
        # They end when the store is opened.
        self._open.clear()
        self._store = self._opened()

    def _opened(self) -> store.Store:
        opened = store.Store(self._path, max_bytes=50_000_000)
        print("opened", flush=True)
        return opened

    def _start(self) -> Event:
        violation = uuid7()
        self._open.append(violation)
        print("decided", violation, "violation_start", flush=True)
        return Event(
            TOPIC,
            # An event may take several pages of the file.
            payload(violation, "start") | {"track": "x" * self._chance.choice((10, 10, 10, 6000))},
            payload(violation, "end", duration_s=1.0, reason="restart"),
        )

    def _end(self) -> Event:
        violation = self._open.pop(0)
        print("decided", violation, "violation_end", flush=True)
        return Event(TOPIC, payload(violation, "end", duration_s=3.0, reason="left"))


def main() -> None:
    # The disk is tried after a moment, not after ten seconds.
    store.DISK_TRIES = 0.01
    chance = random.Random(int(sys.argv[2]))
    writer = Writer(Path(sys.argv[1]), chance)
    while True:
        writer.commit_one()
        if chance.random() < 1 / COMMITS:
            writer.open_again()


if __name__ == "__main__":
    main()
