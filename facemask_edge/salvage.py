"""Sets a damaged outbox aside and reads out of it what is whole, in bounded time, trusting nothing in it."""

import datetime as dt
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
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
PRIMARY = 0xFF
"""The part of SQLite's error codes that says what it is; the rest says where."""
DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_ERROR,  # no such table
    sqlite3.SQLITE_INTERRUPT,  # by MOST_STEPS
}
UNREADABLE = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
"""Of a card that is worn out: that does not pass by itself."""


def refuse_foreign(outbox: Path) -> None:
    """Refuse a database of another program: it must not be set aside as a damaged outbox.

    Raises:
        OutputError: It has tables, and none is an outbox's.
    """
    if not outbox.is_file() or not outbox.stat().st_size:
        return
    with suppress(sqlite3.Error, UnicodeDecodeError), opened(outbox) as database:
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


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A damaged outbox, to be read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        steps = itertools.count(STEPS, STEPS)
        database.set_progress_handler(lambda: next(steps) > MOST_STEPS, STEPS)
        distrust(database)
        yield database


def readable_rows(database: sqlite3.Connection) -> Iterator[Message]:
    """The events that can be read, oldest first: up to the damage, and from the end back to it; some may come twice.

    Raises:
        sqlite3.Error: They cannot be read now, for another reason than damage.
    """
    last, is_whole = 0, False
    with _until_damage():
        for message in _messages(database, "ORDER BY position"):
            last = message.position
            yield message
        is_whole = True
    if is_whole:
        return
    with _until_damage():
        # Python's sqlite3 reads a row ahead, and so loses the last one before the damage.
        yield from _messages(database, "WHERE position > ? ORDER BY position LIMIT 1", last)
    behind: list[Message] = []
    with _until_damage():
        for message in _messages(database, "ORDER BY position DESC"):
            behind.append(message)  # noqa: PERF402 - what was read before the damage must stay
    first = behind[-1].position if behind else MOST_COUNTED
    with _until_damage():
        behind += list(_messages(database, "WHERE position < ? ORDER BY position DESC LIMIT 1", first))
    yield from reversed(behind)


def readable_open_rows(database: sqlite3.Connection) -> Iterator[tuple[str, str, bytes]]:
    """Id, topic and end of the open violations that can be read.

    Raises:
        sqlite3.Error: As ``readable_rows``.
    """
    with _until_damage():
        yield from whole_open_rows(database)


def _messages(database: sqlite3.Connection, condition: str, *values: int) -> Iterator[Message]:
    rows = database.execute(f"SELECT * FROM events {condition}", values)  # noqa: S608 - this file's own words
    return (message for message in map(as_message, rows) if not message.is_damaged)


@contextmanager
def _until_damage() -> Iterator[None]:
    """End the block where the file is damaged; a disk that is full or fails for a while is another matter."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or not (code in UNREADABLE or code & PRIMARY in DAMAGE):
            raise
    except UnicodeDecodeError:
        # SQLite's own sentence about a damaged structure quotes it.
        return
