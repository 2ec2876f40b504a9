"""The outbox: events wait here, on disk, until a broker has acknowledged them.

SQLite with a write-ahead log and ``synchronous=FULL``: with NORMAL a power cut loses every commit, a plain file too.
One thread writes; the sequence number is SQLite's AUTOINCREMENT, which never gives a number twice, so a gap in it is
exactly a counted drop or dead letter.
"""

import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facemask_edge.errors import OutputError

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  sequence INTEGER PRIMARY KEY AUTOINCREMENT,
  topic TEXT NOT NULL,
  payload TEXT NOT NULL,
  dead_reason TEXT
);
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One event that waits for its acknowledgement."""

    sequence: int
    topic: str
    payload: bytes
    """JSON, UTF-8, with ``stream`` and ``sequence`` filled in."""


class Outbox:
    """The store, to be used from one thread only.

    Args:
        path: The SQLite file; its folder is made when missing.
        max_bytes: Payload bytes kept; above it the oldest events are dropped and counted.

    Raises:
        OutputError: The file cannot be made or is no outbox.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.dropped = 0
        """Events dropped because of ``max_bytes`` since this object was made."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Made here, not by SQLite, so that nobody else may ever read it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            # isolation_level None: transactions are where the code says BEGIN, not where sqlite3 guesses.
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(SCHEMA)
            self._database.execute("INSERT OR IGNORE INTO meta VALUES ('stream', ?)", (str(uuid.uuid4()),))
            row = self._database.execute("SELECT value FROM meta WHERE key = 'stream'").fetchone()
        except OSError as error:
            raise OutputError(f"outbox {path}: {error.strerror}; choose another with outbox.path") from error
        except sqlite3.Error as error:
            raise OutputError(f"outbox {path}: {error}; move the file away or choose another outbox.path") from error
        self.stream: str = row[0]
        """Names this outbox: made with it, and part of every message's key."""
        self._bytes = self._measured()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes in the block are on disk when it ends, or none is."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            self._bytes = self._measured()
            raise
        self._database.execute("COMMIT")

    def append(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Add an event; ``stream`` and ``sequence`` are filled in when it is read."""
        text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        self._database.execute("INSERT INTO messages (topic, payload) VALUES (?, ?)", (topic, text))
        self._bytes += len(text.encode())
        self._drop_over_cap()

    def waiting(self, after: int, limit: int) -> list[Message]:
        """The oldest events with a sequence above ``after`` that are no dead letters."""
        rows = self._database.execute(
            "SELECT sequence, topic, payload FROM messages WHERE sequence > ? AND dead_reason IS NULL "
            "ORDER BY sequence LIMIT ?",
            (after, limit),
        )
        return [Message(sequence, topic, self._complete(sequence, payload)) for sequence, topic, payload in rows]

    def delete(self, sequences: Iterable[int]) -> None:
        """Remove events that were acknowledged."""
        for sequence in sequences:
            deleted = self._database.execute(
                "DELETE FROM messages WHERE sequence = ? RETURNING length(CAST(payload AS BLOB))", (sequence,)
            )
            self._bytes -= sum(size for (size,) in deleted)

    def bury(self, sequence: int, reason: str) -> None:
        """Keep an event that can never be delivered as a dead letter."""
        self._database.execute("UPDATE messages SET dead_reason = ? WHERE sequence = ?", (reason, sequence))

    def counts(self) -> tuple[int, int]:
        """Number of events that wait, and of dead letters."""
        row = self._database.execute("SELECT count(*), count(dead_reason) FROM messages").fetchone()
        return row[0] - row[1], row[1]

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _complete(self, sequence: int, payload: str) -> bytes:
        event = json.loads(payload) | {"stream": self.stream, "sequence": sequence}
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

    def _measured(self) -> int:
        # In bytes; length() of a text would count its characters.
        row = self._database.execute("SELECT coalesce(sum(length(CAST(payload AS BLOB))), 0) FROM messages").fetchone()
        return int(row[0])

    def _drop_over_cap(self) -> None:
        while self._bytes > self._max_bytes:
            (oldest,) = self._database.execute("SELECT min(sequence) FROM messages").fetchone()
            self.delete([oldest])
            self.dropped += 1
