"""The outbox: events wait here, in SQLite, until a broker has acknowledged them.

A write-ahead log and ``synchronous=FULL``: with NORMAL a power cut loses every commit, a plain file too. One thread
writes, and every change is part of one ``commit``. What a failing disk means for the daemon is decided in ``store.py``;
here a failure is an exception.
"""

import json
import os
import sqlite3
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facemask_edge.events import DAMAGED, Changes, Event, Key, Message
from facemask_edge.outbox_rows import (
    MOST_COUNTED,
    MOST_STORED,
    all_rows,
    as_json,
    as_message,
    checksum_of,
    distrust,
    whole_open_rows,
)

APPLICATION_ID = 0x666D6F62
"""SQLite's application_id of an outbox: "fmob"."""
SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID",
    (
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT NOT NULL, sequence INTEGER NOT NULL, "
        "recorded REAL NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL, checksum INTEGER NOT NULL, "
        "dead_reason TEXT) STRICT"
    ),
    "CREATE UNIQUE INDEX event_keys ON events (stream, sequence)",
    "CREATE INDEX dead_letters ON events (position) WHERE dead_reason IS NOT NULL",
    (
        "CREATE TABLE open_violations (id TEXT PRIMARY KEY, topic TEXT NOT NULL, ending BLOB NOT NULL, "
        "checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    ),
)
ROW_BYTES = 250
"""What a row takes besides its topic and payload, about: key, index, checksum and SQLite's own."""
SIZE = f"length(payload) + length(CAST(topic AS BLOB)) + {ROW_BYTES}"
LEAST_BYTES = 1_000_000
"""Kept in any case, however full the disk is: more than a thousand events."""
BY_KEY = "stream = ? AND sequence = ?"
SPARE_PAGES = 500
"""Empty pages of the file (2 MB) above which it is made smaller."""


class Outbox:
    """The store, to be used from one thread at a time.

    Args:
        path: The SQLite file, made when missing; None keeps everything in memory.
        max_bytes: Kept at the most; above it dead letters and then the oldest events are dropped, and counted.
        min_free_bytes: Of the disk; where less is free, the outbox makes room as if it were full.

    Raises:
        sqlite3.DatabaseError: The file is damaged or no outbox.
        sqlite3.OperationalError: It cannot be used now.
    """

    def __init__(self, path: Path | None, *, max_bytes: int, min_free_bytes: int = 0) -> None:
        self._folder = path.parent if path else None
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        if path:
            _write_again(path.with_name(f"{path.name}-wal"))
        # isolation_level None: transactions are where the code says BEGIN, not where sqlite3 guesses.
        self._database = sqlite3.connect(path or ":memory:", timeout=5, isolation_level=None, check_same_thread=False)
        self.stream = str(uuid.uuid4())
        """Names this outbox: made with it, and part of every event's key."""
        self.sequence = 0
        """Of the newest event."""
        self.waiting = 0
        """Events that are to be delivered."""
        self.dead = 0
        """Dead letters."""
        self.dropped = 0
        """Events dropped for want of room since the outbox was made."""
        self._position = 0
        self._bytes = 0
        self._damaged: set[int] = set()
        """Positions of rows whose checksum was found to be wrong."""
        try:
            distrust(self._database)
            self._prepare()
        except (UnicodeDecodeError, TypeError) as error:
            # SQLite's own sentence about a damaged structure quotes it; a damaged text may be anything.
            self._database.close()
            raise sqlite3.DatabaseError("its structure is damaged") from error
        except BaseException:
            self._database.close()
            raise

    def commit(self, changes: Changes) -> None:
        """Make all changes; when it returns they are on disk, when it raises none is.

        Raises:
            sqlite3.Error: The disk is full, failing, read-only or damaged.
        """
        if changes.is_empty and not self._damaged:
            return
        with self._transaction():
            for event in changes.events:
                self._append(event)
            for violation, event in changes.still_open.items():
                self._keep_open(violation, event, only_if_open=True)
            for key in changes.delivered:
                self._delete(BY_KEY, key)
            for key, reason in changes.dead.items():
                self._bury(BY_KEY, key, reason)
            for position in changes.revived:
                self._revive(position)
            for position in self._damaged:
                self._bury("position = ?", (position,), DAMAGED)
            if changes.events:
                self._make_room(sent_up_to=changes.sent_up_to)
        self._damaged.clear()
        self._shrink()

    def close_open_violations(self) -> list[Event]:
        """Turn the violations that an earlier process left open into their ends, which are returned."""
        ends = [Event(topic, json.loads(ending)) for _, topic, ending in self.open_rows()]
        with self._transaction():
            for end in ends:
                self._append(end)
            self._database.execute("DELETE FROM open_violations")
            self._make_room()
        return ends

    def after(self, position: int, limit: int, *, except_topics: Collection[str] = ()) -> tuple[list[Message], int]:
        """The oldest events behind ``position`` that are to be delivered, but for those of some topics.

        Returns:
            Those of at most ``limit`` rows that are whole, and the position up to which there is nothing else.
        """
        marks = ", ".join("?" * len(except_topics))
        rows = self._database.execute(
            f"SELECT * FROM events WHERE position > ? AND dead_reason IS NULL AND topic NOT IN ({marks}) "  # noqa: S608 - question marks only
            "ORDER BY position LIMIT ?",
            (position, *except_topics, limit),
        )
        found = [as_message(row) for row in rows]
        self._damaged.update(message.position for message in found if message.is_damaged)
        read_up_to = found[-1].position if len(found) == limit else max(self._position, position)
        return [message for message in found if not message.is_damaged], read_up_to

    def oldest(self) -> float | None:
        """When the oldest event that waits was recorded; None when none waits."""
        rows = self._database.execute(
            "SELECT recorded FROM events WHERE dead_reason IS NULL ORDER BY position LIMIT 1"
        ).fetchall()
        return float(rows[0][0]) if rows else None

    def absorb(
        self, other: "Outbox", *, last: Key | None, settled: Mapping[Key, str | None], ended: Iterable[str]
    ) -> None:
        """Take over everything from an outbox that stood in for this one, which then may be closed.

        Args:
            other: Its events keep their keys, and come behind those that are here.
            last: The newest event whose commit succeeded. A commit that failed may be on the disk nevertheless; its
                events were given to the other outbox.
            settled: What became of events of this outbox meanwhile: None was delivered, a reason is a dead letter.
            ended: Violations whose end is in the other outbox or was delivered.

        Raises:
            sqlite3.Error: As ``commit``; nothing was changed then.
        """
        with self._transaction():
            if last is not None and last.stream == self.stream:
                self._delete("stream = ? AND sequence > ?", last)
                self.sequence = last.sequence
                self._set_sequence()
            for key, reason in settled.items():
                if reason is None:
                    self._delete(BY_KEY, key)
                else:
                    self._bury(BY_KEY, key, reason)
            self._database.executemany("DELETE FROM open_violations WHERE id = ?", [(name,) for name in ended])
            # An earlier try that failed may be on the disk nevertheless, too.
            self._delete("stream = ?", (other.stream,))
            self._take_over(other.rows(), other.open_rows())
            self._set("dropped", self.dropped + other.dropped)
            self.dropped += other.dropped
            self._make_room()

    def take_over(
        self, messages: Iterable[Message], open_violations: Iterable[tuple[str, str, bytes]], *, source: str
    ) -> None:
        """Add events with the keys they have, and violations that are open, unless that was done already.

        Args:
            messages: Those whose keys are here already are left out.
            open_violations: Id, topic and end of each.
            source: Name of the file that they are from.

        Raises:
            sqlite3.Error: As ``commit``; nothing was added then.
        """
        if self._one("SELECT count(*) FROM meta WHERE name = 'taken_over' AND value = ?", source) == (1,):
            return
        with self._transaction():
            self._take_over(messages, open_violations)
            self._set("taken_over", source)

    def rows(self) -> Iterator[Message]:
        """All events, dead letters too, oldest first; those whose checksum is wrong are left out."""
        return (message for message in all_rows(self._database) if not message.is_damaged)

    def open_rows(self) -> Iterator[tuple[str, str, bytes]]:
        """Id, topic and end of each violation that is open."""
        return whole_open_rows(self._database)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _prepare(self) -> None:
        database = self._database
        # Before the first table; later it would change nothing.
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("PRAGMA journal_size_limit=4000000")
        made = [sql for (sql,) in database.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]
        if not made:
            with self._transaction():
                database.execute(f"PRAGMA application_id={APPLICATION_ID}")
                for statement in SCHEMA:
                    database.execute(statement)
                self._set("stream", self.stream)
                self._set("dropped", 0)
                self._set_sequence()
        elif sorted(made) != sorted(SCHEMA):
            raise sqlite3.DatabaseError("it is no outbox of this version")
        (verdict,) = self._one("PRAGMA integrity_check(1)")
        if verdict != "ok":
            raise sqlite3.DatabaseError(str(verdict))
        meta = dict(database.execute("SELECT name, value FROM meta"))
        try:
            self.stream, self.sequence, self.dropped = meta["stream"], int(meta["sequence"]), int(meta["dropped"])
            uuid.UUID(self.stream)
            is_whole = checksum_of(self.stream, self.sequence) == meta["checksum"]
            is_whole = is_whole and 0 <= self.sequence < MOST_COUNTED and 0 <= self.dropped < MOST_COUNTED
        except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise sqlite3.DatabaseError("its name or its counters are damaged") from error
        if not is_whole:
            raise sqlite3.DatabaseError("its name or its counters are damaged")
        (newest,) = self._one("SELECT coalesce(max(sequence), 0) FROM events WHERE stream = ?", self.stream)
        if newest > self.sequence:
            # A write that the disk lost: the next numbers would be given twice.
            raise sqlite3.DatabaseError("its counters are older than its events")
        first, self._position = self._one("SELECT coalesce(min(position), 1), coalesce(max(position), 0) FROM events")
        if first < 1 or self._position > MOST_COUNTED:
            raise sqlite3.DatabaseError("its order is damaged")
        total, self.dead, self._bytes, largest = self._one(
            f"SELECT count(*), count(dead_reason), coalesce(sum({SIZE}), 0), coalesce(max({SIZE}), 0) FROM events"  # noqa: S608 - its own words
        )
        if largest > MOST_STORED:
            raise sqlite3.DatabaseError("an event in it is too large")
        self.waiting = total - self.dead

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All changes in the block are on disk when it ends, or none is."""
        before = self.sequence, self._position, self._bytes, self.waiting, self.dead, self.dropped
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self.sequence, self._position, self._bytes, self.waiting, self.dead, self.dropped = before
            # After some errors SQLite has rolled back by itself.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _append(self, event: Event) -> None:
        self.sequence += 1
        self._set_sequence()
        key = Key(self.stream, self.sequence)
        payload = as_json(dict(event.payload) | {"stream": key.stream, "sequence": key.sequence})
        if not self._insert(key, event.topic, payload, time.time(), None):
            raise sqlite3.DatabaseError("the next number is taken")
        violation = event.payload.get("id")
        if event.ending is not None:
            self._keep_open(str(violation), Event(event.topic, event.ending), only_if_open=False)
        elif violation is not None:
            self._database.execute("DELETE FROM open_violations WHERE id = ?", (violation,))

    def _take_over(self, messages: Iterable[Message], open_violations: Iterable[tuple[str, str, bytes]]) -> None:
        for message in messages:
            self._insert(message.key, message.topic, message.payload, message.recorded, message.dead_reason)
        for violation, topic, ending in open_violations:
            self._keep_open(violation, Event(topic, json.loads(ending)), only_if_open=False)

    def _insert(self, key: Key, topic: str, payload: bytes, recorded: float, dead_reason: str | None) -> bool:
        """Add an event; False when there is one of its key, which stays."""
        inserted = self._database.execute(
            # What is there already under its key, as a damaged index may say twice, is the same event.
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream, sequence) DO NOTHING",
            (self._position + 1, *key, recorded, topic, payload, checksum_of(*key, topic, payload), dead_reason),
        )
        if not inserted.rowcount:
            return False
        self._position += 1
        self._bytes += len(payload) + len(topic.encode()) + ROW_BYTES
        self.waiting += dead_reason is None
        self.dead += dead_reason is not None
        return True

    def _keep_open(self, violation: str, event: Event, *, only_if_open: bool) -> None:
        ending = as_json(event.payload)
        checksum = checksum_of(violation, event.topic, ending)
        values = {"id": violation, "topic": event.topic, "ending": ending, "checksum": checksum}
        self._database.execute(
            "UPDATE open_violations SET topic = :topic, ending = :ending, checksum = :checksum WHERE id = :id"
            if only_if_open
            else "INSERT OR REPLACE INTO open_violations VALUES (:id, :topic, :ending, :checksum)",
            values,
        )

    def _bury(self, condition: str, values: tuple[str | int, ...], reason: str) -> None:
        cursor = self._database.execute(
            f"UPDATE events SET dead_reason = ? WHERE {condition} AND dead_reason IS NULL",  # noqa: S608 - as below
            (reason, *values),
        )
        self.waiting -= cursor.rowcount
        self.dead += cursor.rowcount

    def _revive(self, position: int) -> None:
        cursor = self._database.execute(
            "UPDATE events SET dead_reason = NULL WHERE position = ? AND dead_reason IS NOT NULL AND dead_reason != ?",
            (position, DAMAGED),
        )
        self.waiting += cursor.rowcount
        self.dead -= cursor.rowcount

    def _delete(self, condition: str, values: tuple[str | int, ...]) -> int:
        """Delete events; how many they were."""
        deleted = self._database.execute(
            f"DELETE FROM events WHERE {condition} "  # noqa: S608 - the conditions are this file's own
            f"RETURNING {SIZE}, dead_reason IS NOT NULL",
            values,
        ).fetchall()
        self._bytes -= sum(size for size, _ in deleted)
        dead = sum(int(is_dead) for _, is_dead in deleted)
        self.dead -= dead
        self.waiting -= len(deleted) - dead
        return len(deleted)

    def _make_room(self, *, sent_up_to: int = 0) -> None:
        most = self._allowed_bytes()
        dropped = 0
        while self._bytes > most and self.waiting + self.dead > 1:
            removed = self._drop_one(sent_up_to)
            if not removed:
                raise sqlite3.DatabaseError("its rows are not those that were counted")
            dropped += removed
        if dropped:
            self.dropped += dropped
            self._set("dropped", self.dropped)

    def _drop_one(self, sent_up_to: int) -> int:
        """Drop the oldest dead letter, else the oldest event, if possible one that is not on its way yet."""
        if self.dead:
            return self._delete("position = (SELECT min(position) FROM events WHERE dead_reason IS NOT NULL)", ())
        oldest = "position = (SELECT min(position) FROM events WHERE position > ?)"
        return self._delete(oldest, (sent_up_to,)) or self._delete(oldest, (0,))

    def _allowed_bytes(self) -> int:
        if self._folder is None:
            return self._max_bytes
        disk = os.statvfs(self._folder)
        spare = disk.f_bavail * disk.f_frsize - self._min_free_bytes
        allowed: int = min(self._max_bytes, max(LEAST_BYTES, self._bytes + spare))
        return allowed

    def _shrink(self) -> None:
        """Give empty pages back to the disk, some at a time."""
        # The changes are on disk: what goes wrong here must not make them look as if they were not.
        with suppress(sqlite3.Error):
            if self._one("PRAGMA freelist_count")[0] > SPARE_PAGES:
                self._database.execute(f"PRAGMA incremental_vacuum({SPARE_PAGES})").fetchall()

    def _set_sequence(self) -> None:
        # With a checksum: a number that damage made smaller would be given twice.
        self._set("sequence", self.sequence)
        self._set("checksum", checksum_of(self.stream, self.sequence))

    def _set(self, name: str, value: str | int) -> None:
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def _one(self, query: str, *values: str) -> Any:  # noqa: ANN401 - a row of whatever was asked for
        return self._database.execute(query, values).fetchone()


def _write_again(log: Path) -> None:
    """Make certain that all of a write-ahead log that can be read is on the disk.

    After an fsync that failed Linux takes for written what is not, and later ones succeed: SQLite would read the log
    whole and append to it, but after a power cut find a hole in it, and nothing behind that.
    """
    with suppress(FileNotFoundError), log.open("r+b") as file:
        while part := file.read(1_000_000):
            file.seek(-len(part), os.SEEK_CUR)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
