"""Reads out of a damaged outbox what is whole, in a bounded time and without trusting anything in it."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from facemask_edge.outbox import Message, whole_open_rows, whole_rows

MOST_STEPS = 1_000_000_000
"""SQLite's own instructions after which nothing more is read: about a minute's work."""
STEPS = 10_000
"""Instructions between two looks at that."""


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
