"""The violations of the last day, for who looks at the page: when, where, how long, and what of the face decided.

No picture is in it. It is a convenience beside the outbox: what cannot be written is said in the log, and is known
until the daemon ends.
"""

import datetime as dt
import logging
import os
import queue
import secrets
import threading
import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from facemask_edge.kept_file import replace_for_good
from facemask_edge.values import Violation

JOURNAL = "journal.jsonl"
"""File beside the outbox."""
DAY = dt.timedelta(days=1)
MOST = 2_000
"""Violations; of more, the oldest are left out."""
LARGEST_FILE = 4_000_000
"""Bytes: more than twice as many can have."""
REWRITE_INTERVAL = 3600.0
"""Seconds between two rewrites of the file at the most: it keeps nothing for much longer than it is known."""
SETTLED = 15.0
"""Seconds after a change in which a picture of it may come."""
LONGEST_STOP = 0.5
"""Seconds that the thread may take to write the newest."""
logger = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]


class Entry(BaseModel):
    """One violation."""

    # No JSON can tell anybody of infinity.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    id: str
    camera: str
    time: str = Field(description="Of its start, in UTC.")
    probability: Share
    heat: list[list[Share]] | None = Field(
        None, description="Activation map of no_mask, rows from above, its hottest place 1; null: the model has none."
    )
    place: tuple[float, float, float] | None = Field(
        None, description="Left, top and side of what the map covers, in widths and heights of the kept picture."
    )
    aspect: float | None = Field(None, description="Width of the kept picture over its height.")
    duration_s: float | None = Field(None, description="Null while it lasts.")
    reason: str | None = None


class End(BaseModel):
    """What is known of a violation when it ends."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    ended: str = Field(description="The violation's id.")
    duration_s: float
    reason: str


Line = Entry | End
LINE: TypeAdapter[Line] = TypeAdapter(Line)


class Journal:
    """Told by the frame loop, asked by any thread; a thread of its own waits for the disk.

    Args:
        file: Keeps it; it need not be there.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._access = threading.Lock()
        self._entries: dict[str, Entry] = {}
        """By id, the oldest first."""
        self._unwritten: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._lines = 0
        self._next_rewrite = 0.0
        self._fault = ""
        self._process = secrets.token_hex(4)
        self._changes, self._changed = 0, time.monotonic()
        self._read()
        for entry in self._entries.values():
            if entry.duration_s is None:
                # Of a process that was ended by force: the outbox ended it, at a time that is not known here.
                entry.reason = "restart"

    def start(self) -> None:
        """Keep what is told from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was told."""
        self._unwritten.put(None)
        if self._thread.is_alive():
            self._thread.join(LONGEST_STOP)

    def began(self, entry: Entry) -> None:
        """A violation has begun."""
        with self._access:
            self._entries[entry.id] = entry
            self._has_changed()
        self._unwritten.put(entry)

    def ended(self, violation: Violation) -> None:
        """A violation has ended."""
        end = End(ended=violation.id, duration_s=round(violation.duration or 0.0, 3), reason=violation.reason or "")
        with self._access:
            self._take(end)
            self._has_changed()
        self._unwritten.put(end)

    def _has_changed(self) -> None:
        self._changes, self._changed = self._changes + 1, time.monotonic()

    @property
    def version(self) -> str | None:
        """Another one after each change; None for a while after one, as its picture may still come."""
        with self._access:
            is_new = time.monotonic() - self._changed < SETTLED
            return None if is_new else f"{self._process}.{self._changes}"

    def entries(self) -> list[Entry]:
        """Those of the last day, the oldest first; copies."""
        with self._access:
            self._forget()
            return [entry.model_copy() for entry in self._entries.values()]

    def _take(self, end: End) -> None:
        if entry := self._entries.get(end.ended):
            entry.duration_s, entry.reason = end.duration_s, end.reason

    def _forget(self) -> None:
        """What is older than a day, by the device's clock, or of a time when that was wrong; and what is too much."""
        now = dt.datetime.now(dt.UTC)
        oldest, newest = (now - DAY).isoformat(), (now + DAY).isoformat()
        entries = [(each, entry) for each, entry in self._entries.items() if oldest <= entry.time <= newest]
        self._entries = dict(entries[-MOST:])

    def _read(self) -> None:
        try:
            with self._file.open("rb") as opened:
                content = opened.read(LARGEST_FILE)
        except FileNotFoundError:
            return
        except OSError as error:
            logger.warning("%s cannot be read, and is taken for empty: %s", self._file, error)
            return
        for text in content.splitlines():
            try:
                line = LINE.validate_json(text)
            except ValidationError:
                # The last one of a time when the power was cut, or of another version.
                continue
            if isinstance(line, Entry):
                self._entries[line.id] = line
            else:
                self._take(line)

    def _run(self) -> None:
        self._rewrite()
        while True:
            try:
                line = self._unwritten.get(timeout=max(self._next_rewrite - time.monotonic(), 0.0))
            except queue.Empty:
                self._rewrite()
                continue
            if line is None:
                return
            self._append(line)

    def _append(self, line: Line) -> None:
        self._lines += 1
        if self._lines > 2 * MOST or time.monotonic() >= self._next_rewrite:
            self._rewrite()
            return
        try:
            # Not waited for: what a power cut takes of it is in the outbox, or was delivered.
            number = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(number, "ab") as opened:
                opened.write(f"{line.model_dump_json()}\n".encode())
        except OSError as error:
            self._warn(error)

    def _rewrite(self) -> None:
        """Leave out of the file what is forgotten."""
        self._next_rewrite = time.monotonic() + REWRITE_INTERVAL
        with self._access:
            self._forget()
            lines = [entry.model_dump_json() for entry in self._entries.values()]
        self._lines = len(lines)
        try:
            replace_for_good(self._file, "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        if str(error.strerror) != self._fault:
            self._fault = str(error.strerror)
            logger.warning("%s: %s; the page forgets today's violations when the daemon ends", self._file, self._fault)


def forget(file: Path) -> None:
    """Delete the journal of a time when there was a page."""
    try:
        file.unlink()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        logger.warning("%s: %s; the journal of a time with a page stays", file, error.strerror)
