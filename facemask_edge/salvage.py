"""Sets a damaged outbox aside and reads out of it what is whole, in bounded time, trusting nothing in it."""

import datetime as dt
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from facemask_edge.events import Message
from facemask_edge.outbox import whole_open_rows, whole_rows

SIDE_FILES = ("-wal", "-shm", "")
"""What SQLite keeps beside its file, and the file itself, in the order they are moved."""
KEPT = 3
"""Damaged outboxes that stay beside the new one; older ones are deleted."""
MOST_STEPS = 1_000_000_000
"""SQLite's own instructions after which nothing more is read: about a minute's work."""
STEPS = 10_000
"""Instructions between two looks at that."""


def set_aside(outbox: Path) -> Path:
    """Rename the files of an outbox, after the time; the new name.

    Raises:
        OSError: The disk refuses that.
    """
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (Path(f"{outbox}.damaged-{stamp}{again}") for again in ("", *(f"-{number}" for number in range(2, 100))))
    aside = next(name for name in names if not name.exists())
    for ending in SIDE_FILES:
        with suppress(FileNotFoundError):
            Path(f"{outbox}{ending}").rename(f"{aside}{ending}")
    return aside


def delete_old(outbox: Path) -> None:
    """Delete all but the newest that were set aside.

    Raises:
        OSError: The disk refuses that.
    """
    files = outbox.parent.glob(f"{outbox.name}.damaged-*")
    names = sorted({str(file).removesuffix("-wal").removesuffix("-shm") for file in files})
    for name in names[:-KEPT]:
        for ending in SIDE_FILES:
            Path(f"{name}{ending}").unlink(missing_ok=True)


def readable_rows(path: Path) -> Iterator[Message]:
    """The events that can be read, oldest first: up to the damage, and from the end back to it."""
    last = -1
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        for message in whole_rows(database):
            last = max(last, message.position)
            yield message
    behind: list[Message] = []
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        for message in whole_rows(database, "position DESC"):
            if message.position <= last:
                break
            behind.append(message)
    yield from reversed(behind)


def readable_open_rows(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Id, topic and end of the open violations that can be read."""
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        yield from whole_open_rows(database)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.text_factory = lambda text: text.decode(errors="replace")
    steps = itertools.count(STEPS, STEPS)
    database.set_progress_handler(lambda: next(steps) > MOST_STEPS, STEPS)
    database.execute("PRAGMA trusted_schema=OFF")
    return database
