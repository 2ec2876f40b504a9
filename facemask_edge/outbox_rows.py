"""What is stored of events, and how it is read without trusting it.

Each row carries a checksum: SQLite notices damage of its own structure, not of what it stores.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from facemask_edge.events import DAMAGED, Key, Message

LATEST = 1e11
"""Seconds since 1970 that no clock shows: the year 5138."""
MOST_COUNTED = 2**62
"""A position, number or count above it is none that this program wrote; SQLite's numbers end soon after."""
MOST_STORED = 10_000_000
"""Bytes of the largest value that is read: a file that somebody else wrote must not take all memory."""
MOST_TOPIC = 65_535
"""Bytes of the longest topic of MQTT."""


def distrust(database: sqlite3.Connection) -> None:
    """Prepare for a file that may be damaged, or was written by somebody else.

    Raises:
        sqlite3.Error: It cannot be used.
    """
    # Damaged text must be found by its checksum, not by an exception in the middle of a query.
    database.text_factory = lambda text: text.decode(errors="replace")
    # The schema of a file that somebody else wrote must run nothing.
    database.execute("PRAGMA trusted_schema=OFF")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_STORED)


def all_rows(database: sqlite3.Connection) -> Iterator[Message]:
    """All events of an open outbox, oldest first."""
    return map(as_message, database.execute("SELECT * FROM events ORDER BY position"))


def whole_open_rows(database: sqlite3.Connection) -> Iterator[tuple[str, str, bytes]]:
    """Id, topic and end of each open violation of an open outbox but those whose checksum is wrong."""
    for violation, topic, ending, checksum in database.execute("SELECT * FROM open_violations"):
        is_whole = checksum_of(violation, topic, ending) == checksum
        if is_whole and _is_topic(topic) and _is_ending(ending, violation):
            yield violation, topic, ending


def as_message(row: tuple[Any, ...]) -> Message:
    """A row of the table events; where it is not as it was written, it says so and no more."""
    position, stream, sequence, recorded, topic, payload, checksum, dead_reason = row
    kinds = (stream, str), (sequence, int), (recorded, float), (topic, str), (payload, bytes)
    # A damaged file may hold anything anywhere, and one that somebody else wrote with the right checksum, too.
    is_whole = (
        all(isinstance(value, kind) for value, kind in kinds)
        and 0 <= recorded < LATEST
        and 0 < sequence < MOST_COUNTED
        and _is_topic(topic)
        and checksum_of(stream, sequence, topic, payload) == checksum
    )
    if not is_whole:
        return Message(position, Key("", 0), "", b"", 0.0, DAMAGED)
    return Message(position, Key(stream, sequence), topic, payload, recorded, dead_reason)


def _is_topic(topic: str) -> bool:
    """Whether an event can be published there (MQTT 5, sections 4.7.1 and 4.7.3)."""
    return 0 < len(topic.encode()) <= MOST_TOPIC and not set(topic) & set("+#\0")


def _is_ending(stored: bytes, violation: str) -> bool:
    """Whether it is the end of that violation, and can be written again."""
    ending = parsed(stored)
    try:
        return isinstance(ending, dict) and ending.get("id") == violation and bool(as_json(ending))
    # Half of a pair of surrogates; too deep.
    except (ValueError, RecursionError):
        return False


def as_json(payload: Mapping[str, Any]) -> bytes:
    """A payload as it is stored and sent: JSON in UTF-8."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def parsed(stored: bytes) -> Any:  # noqa: ANN401 - whatever it is
    """What stored JSON says; None when it is none."""
    try:
        return json.loads(stored)
    # What is nested deeply is no event either.
    except (ValueError, RecursionError):
        return None


def checksum_of(*parts: str | int | bytes) -> int:
    """Of what a row holds, in this order."""
    whole = b"\0".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
    return zlib.crc32(whole)
