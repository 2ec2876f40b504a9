"""Sets a damaged outbox aside and reads out of it what is whole, in bounded time, trusting nothing in it."""

import datetime as dt
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from facemask_edge.errors import OutputError
from facemask_edge.events import Message
from facemask_edge.outbox_rows import MOST_COUNTED, as_message, distrust, whole_open_rows

SIDE_FILES = ("-wal", "-shm", "")
"""What SQLite keeps beside its file, and the file itself, in the order they are moved."""
UNSAVED, SAVED = "salvaging", "damaged"
"""How a damaged outbox is called before and after what is whole of it was taken over."""
KEPT = 3
"""Damaged outboxes that stay beside the new one; older ones are deleted."""
MOST_STEPS = 1_000_000_000
"""SQLite's own instructions after which nothing more is read: about a minute's work."""
STEPS = 10_000
"""Instructions between two looks at that."""


def refuse_foreign(outbox: Path) -> None:
    """Refuse a database of another program: it must not be set aside as a damaged outbox.

    Raises:
        OutputError: It has tables, and none is an outbox's.
    """
    if not outbox.is_file() or not outbox.stat().st_size:
        return
    with suppress(sqlite3.Error), closing(_opened(outbox)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables and not tables & {"events", "meta"}:
            raise OutputError(f"outbox {outbox}: a database of another program; choose another outbox.path")


def set_aside(outbox: Path) -> Path:
    """Rename the files of an outbox, until what is whole of it was taken over; the new name.

    Raises:
        OSError: The disk refuses that.
    """
    aside = _free(f"{outbox}.{UNSAVED}-")
    _rename(outbox, aside)
    return aside


def interrupted(outbox: Path) -> list[Path]:
    """What was set aside by a process that ended before all of it was taken over."""
    stem = f"{outbox.name}.{UNSAVED}-"
    names = {file.name.removesuffix("-wal").removesuffix("-shm") for file in outbox.parent.glob(f"{stem}*")}
    found = [outbox.with_name(name) for name in sorted(names)]
    for aside in found:
        if not aside.exists():
            # Ended between two files: the others belong to them.
            _rename(outbox, aside)
    return found


def keep(outbox: Path, aside: Path) -> Path:
    """Rename what was taken over, and delete all but the newest of those before; the new name.

    Raises:
        OSError: The disk refuses that.
    """
    kept = _free(f"{outbox}.{SAVED}-")
    _rename(aside, kept)
    files = outbox.parent.glob(f"{outbox.name}.{SAVED}-*")
    others = {str(file).removesuffix("-wal").removesuffix("-shm") for file in files} - {str(kept)}
    for name in sorted(others)[: max(len(others) + 1 - KEPT, 0)]:
        for ending in SIDE_FILES:
            Path(f"{name}{ending}").unlink(missing_ok=True)
    return kept


def _free(stem: str) -> Path:
    stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (Path(f"{stem}{stamp}{again}") for again in ("", *(f"-{number:02}" for number in range(2, 100))))
    return next(name for name in names if not name.exists())


def _rename(files: Path, new: Path) -> None:
    for ending in SIDE_FILES:
        with suppress(FileNotFoundError):
            Path(f"{files}{ending}").rename(f"{new}{ending}")


def readable_rows(path: Path) -> Iterator[Message]:
    """The events that can be read, oldest first: up to the damage, and from the end back to it."""
    last = 0
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        for message in _one_by_one(database, last, "position > ? ORDER BY position"):
            last = message.position
            yield message
    behind: list[Message] = []
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        for message in _one_by_one(database, MOST_COUNTED, "position < ? ORDER BY position DESC"):
            if message.position <= last:
                break
            behind.append(message)
    yield from reversed(behind)


def _one_by_one(database: sqlite3.Connection, start: int, condition: str) -> Iterator[Message]:
    """The whole ones among the events behind or before a position."""
    # All in one query, Python's sqlite3 would read a row ahead, and lose the last one before the damage.
    query = f"SELECT * FROM events WHERE {condition} LIMIT 1"  # noqa: S608 - this file's own words
    position = start
    while row := database.execute(query, (position,)).fetchone():
        message = as_message(row)
        if abs(message.position - start) <= abs(position - start):
            # Damage that leads back.
            return
        position = message.position
        if not message.is_damaged:
            yield message


def readable_open_rows(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Id, topic and end of the open violations that can be read."""
    with suppress(sqlite3.Error), closing(_opened(path)) as database:
        yield from whole_open_rows(database)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    steps = itertools.count(STEPS, STEPS)
    database.set_progress_handler(lambda: next(steps) > MOST_STEPS, STEPS)
    distrust(database)
    return database
