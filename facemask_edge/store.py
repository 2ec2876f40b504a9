"""Keeps events whatever the disk does: in the outbox on disk, in memory while the disk fails.

A full, read-only or failing disk: events are kept, and delivered, from an outbox in memory, which the one on disk
takes over as soon as it works again. A damaged file: it is set aside, what can be read of it is taken over, a new one
started.
"""

import errno
import fcntl
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facemask_edge import outbox_requests
from facemask_edge.errors import OutputError
from facemask_edge.events import Changes, Key, Message
from facemask_edge.outbox import Outbox
from facemask_edge.salvage import (
    interrupted,
    keep,
    opened,
    readable_open_rows,
    readable_rows,
    refuse_foreign,
    set_aside,
)

DISK_TRIES = 10.0
"""Seconds between two tries whether a failing disk works again."""
DROP_LOG = 60.0
"""Seconds between two lines that say that events were dropped."""
MEMORY_BYTES = 16_000_000
"""Kept in memory at the most while the disk fails."""
MOST_ENDED = 100_000
"""Ends that are remembered at the most while the disk fails: of the oldest, no violation is open any more."""
FAULTY_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""What may pass by itself and must not keep a camera from judging; everything else a user has to mend."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the store is, for ``health``."""

    kept: Literal["disk", "memory"]
    """``disk`` or ``memory``: where new events are kept."""
    fault: str | None
    """What is wrong with the disk; None on disk."""
    set_aside: str | None
    """File name of the damaged outbox that was set aside since the start."""
    waiting: int
    dead_letters: int
    dropped: int
    oldest: float | None
    """When the oldest event that waits was recorded, in seconds since 1970 by the device's clock."""


class Store:
    """Where the publisher keeps events; to be used from one thread at a time. Only the constructor raises.

    Args:
        path: The outbox on disk; its folder is made when missing.
        max_bytes: Kept at the most, see ``Outbox``.
        min_free_bytes: Of the disk, see ``Outbox``.

    Raises:
        OutputError: The file cannot be made there, or another process uses it.
    """

    def __init__(self, path: Path, *, max_bytes: int, min_free_bytes: int = 0) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._disk: Outbox | None = None
        self._memory: Outbox | None = None
        """Stands in for the disk while that fails."""
        self._lock: int | None = None
        self._fault: str | None = None
        self._set_aside: str | None = None
        self._next_try = 0.0
        self._last: Key | None = None
        """The newest event that is on the disk for certain."""
        self._unsaved: list[Path] = []
        """Damaged files that were set aside and not read yet."""
        self._is_first = True
        """Whether violations that are open on the disk are those of an earlier process."""
        self._handed_out: set[Key] = set()
        self._sent_up_to = {"disk": 0, "memory": 0}
        self._settled: dict[Key, str | None] = {}
        """What became of events that cannot be taken from the disk now: None is delivered, a reason a dead letter."""
        self._waiting_on_disk = 0
        """Events that waited there when it was last certain what is on the disk."""
        self._carried_out: set[int] = set()
        """Requests that were carried out but cannot be taken away: they must not be carried out again and again."""
        self._ended: deque[str] = deque(maxlen=MOST_ENDED)
        """Violations that ended while the disk could not be written; there they may be open."""
        try:
            self._open_disk()
        except OSError as error:
            if error.errno not in FAULTY_DISK:
                raise OutputError(f"outbox {path}: {error.strerror}; choose another with outbox.path") from error
            self._stand_in(error)
        except sqlite3.Error as error:
            self._stand_in(error)
        self._told_drops = self._dropped
        self._next_drop_log = 0.0

    def commit(self, changes: Changes) -> str:
        """Make all changes: on disk if at all possible, else in memory; what was done, for the log."""
        if self._memory is not None and time.monotonic() >= self._next_try:
            self._return_to_disk()
        if self._memory is None:
            changes.sent_up_to = self._sent_up_to["disk"]
            changes.revived = [
                position for position in outbox_requests.requested(self._path) if position not in self._carried_out
            ]
            try:
                self._commit_to_disk(changes)
            except (OSError, sqlite3.Error) as error:
                # Positions in memory are others; what was asked for stays asked for.
                changes.revived = []
                self._stand_in(error)
        if self._memory is not None:
            self._commit_to_memory(self._memory, changes)
        self._handed_out.difference_update(changes.delivered, changes.dead)
        if changes.revived:
            self._carried_out.update(outbox_requests.done(self._path, changes.revived))
            self._sent_up_to["disk"] = min(self._sent_up_to["disk"], min(changes.revived) - 1)
        self._tell_drops()
        return "recorded" if self._memory is None else "kept in memory"

    def take(self, limit: int, *, except_topics: Collection[str] = ()) -> list[Message]:
        """The oldest events that were not handed out yet, but for those of some topics; now they are."""
        taken: list[Message] = []
        for name, outbox in (("disk", self._disk), ("memory", self._memory)):
            while outbox is not None and len(taken) < limit:
                try:
                    found, read_up_to = outbox.after(
                        self._sent_up_to[name], limit - len(taken), except_topics=except_topics
                    )
                except sqlite3.Error as error:
                    self._cannot_be_read(error)
                    break
                if read_up_to == self._sent_up_to[name]:
                    break
                # What is left out comes when somebody looks again.
                self._sent_up_to[name] = read_up_to
                taken += [
                    message
                    for message in found
                    if message.key not in self._handed_out
                    and message.key not in self._settled
                    and not (name == "disk" and self._is_in_memory(message.key))
                ]
        self._handed_out.update(message.key for message in taken)
        return taken

    def rewind(self) -> None:
        """Forget what was handed out: all that was not delivered is handed out again, in order."""
        self._handed_out.clear()
        self.look_again()

    def look_again(self, *, given_back: Iterable[Key] = ()) -> None:
        """Start at the oldest again; what was handed out stays so, but for what is given back."""
        self._handed_out.difference_update(given_back)
        self._sent_up_to = {"disk": 0, "memory": 0}

    def state(self) -> StoreState:
        """How the store is now."""
        outboxes = self._outboxes
        dead = sum(reason is not None for reason in self._settled.values())
        return StoreState(
            kept="disk" if self._memory is None else "memory",
            fault=self._fault,
            set_aside=self._set_aside,
            waiting=self._waiting(),
            dead_letters=sum(outbox.dead for outbox in outboxes) + dead,
            dropped=self._dropped,
            oldest=self._oldest(),
        )

    def settle(self) -> bool:
        """Bring what is in memory to the disk, if that works by now; whether nothing is lost when the program ends."""
        if self._memory is not None:
            self._return_to_disk()
        return self._memory is None or not self._memory.waiting

    def close(self) -> None:
        """Close the outbox; what is in memory goes to the disk if that works again by now, else it is lost."""
        is_settled = self.settle()
        if self._memory is not None:
            if not is_settled:
                logger.error("%d events are lost: %s until the end", self._memory.waiting, self._fault)
            self._memory.close()
        self._close_disk()
        if self._lock is not None:
            with suppress(OSError):
                os.close(self._lock)

    def _close_disk(self) -> None:
        if self._disk is not None:
            if self._memory is None:
                self._waiting_on_disk = self._disk.waiting
            self._disk.close()
            self._disk = None

    def _open_disk(self) -> Outbox:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_out_others()
        if self._is_first:
            refuse_foreign(self._path)
            self._unsaved = interrupted(self._path)
        # Where no folder can be made, no request can be left, but all else works.
        with suppress(OSError):
            outbox_requests.make_folder(self._path)
        self._make_file()
        try:
            self._disk = disk = self._new_outbox()
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
            disk = self._start_anew(error)
        self._save_what_is_readable(disk)
        if self._is_first:
            for event in disk.close_open_violations():
                logger.info("recorded %s, which was open when the program last ended", event)
            self._is_first = False
            self._last = Key(disk.stream, disk.sequence)
            self._waiting_on_disk = disk.waiting
        return disk

    def _make_file(self) -> None:
        # Made here, not by SQLite, so that nobody else may ever read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _new_outbox(self) -> Outbox:
        return Outbox(self._path, max_bytes=self._max_bytes, min_free_bytes=self._min_free_bytes)

    def _lock_out_others(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise OutputError(
                f"outbox {self._path}: another facemask-edge uses it; stop that one or choose another outbox.path"
            ) from error
        self._lock = lock

    def _commit_to_disk(self, changes: Changes) -> None:
        disk = self._disk
        assert disk is not None  # noqa: S101 - for mypy; without a memory outbox there is one on disk
        try:
            disk.commit(changes)
        except sqlite3.Error as error:
            if not _is_damage(error):
                raise
            disk = self._start_anew(error)
            disk.commit(changes)
        self._last = Key(disk.stream, disk.sequence)

    def _commit_to_memory(self, memory: Outbox, changes: Changes) -> None:
        changes.sent_up_to = self._sent_up_to["memory"]
        memory.commit(changes)
        settled = dict.fromkeys(changes.delivered) | changes.dead
        self._settled |= {key: reason for key, reason in settled.items() if key.stream != memory.stream}
        self._ended += [str(event.payload.get("id")) for event in changes.events if event.ending is None]

    def _stand_in(self, error: Exception) -> None:
        """Keep events in memory from now on."""
        if self._disk is not None:
            self._waiting_on_disk = self._disk.waiting
        self._fault = _sentence(error)
        self._memory = Outbox(None, max_bytes=min(self._max_bytes, MEMORY_BYTES))
        self._sent_up_to["memory"] = 0
        self._next_try = time.monotonic() + DISK_TRIES
        logger.error("outbox %s: %s; events are kept in memory until the disk works again", self._path, self._fault)

    def _return_to_disk(self) -> None:
        assert self._memory is not None  # noqa: S101 - for mypy; callers checked it
        self._next_try = time.monotonic() + DISK_TRIES
        try:
            self._close_disk()
            disk = self._open_disk()
            disk.absorb(self._memory, last=self._last, settled=self._settled, ended=self._ended)
        except (OSError, OutputError, sqlite3.Error) as error:
            self._fault = _sentence(error)
            return
        logger.warning("outbox %s: the disk works again; %d events wait", self._path, disk.waiting)
        self._last = Key(disk.stream, disk.sequence)
        self._memory.close()
        self._memory = self._fault = None
        self._settled.clear()
        self._ended.clear()
        self._sent_up_to["disk"] = 0

    def _cannot_be_read(self, error: sqlite3.Error) -> None:
        """Events that wait could not be read; while the disk is known to fail, they simply wait longer."""
        if self._memory is not None:
            return
        try:
            if not _is_damage(error):
                raise error
            self._start_anew(error)
        except (OSError, sqlite3.Error) as fault:
            self._stand_in(fault)

    def _start_anew(self, damage: sqlite3.Error) -> Outbox:
        """Set the damaged file aside, and save into a new one what can be read."""
        self._close_disk()
        aside = set_aside(self._path)
        logger.error("outbox %s: %s; it is set aside, a new one is started", self._path, damage)
        self._unsaved.append(aside)
        self._make_file()
        self._disk = disk = self._new_outbox()
        self._told_drops = self._dropped
        # As long as it names what is on the damaged one for certain: what a failed commit left there is in memory, too.
        self._save_what_is_readable(disk)
        self._last = Key(disk.stream, disk.sequence)
        return disk

    def _save_what_is_readable(self, outbox: Outbox) -> None:
        for damaged in list(self._unsaved):
            before = outbox.waiting
            with opened(damaged) as database:
                messages = (message for message in readable_rows(database) if not self._is_in_memory(message.key))
                outbox.take_over(messages, readable_open_rows(database), source=damaged.name)
            self._unsaved.remove(damaged)
            kept = keep(self._path, damaged)
            self._set_aside = kept.name
            logger.warning("outbox %s: %d events saved from %s", self._path, outbox.waiting - before, kept.name)
        self._sent_up_to["disk"] = 0

    def _is_in_memory(self, key: Key) -> bool:
        """Whether an event that is on the disk is in memory, too, because the commit that put it there failed."""
        if self._memory is None:
            return False
        is_of_failed_commit = self._last and key.stream == self._last.stream and key.sequence > self._last.sequence
        return is_of_failed_commit or key.stream == self._memory.stream

    def _waiting(self) -> int:
        if self._memory is not None:
            # The disk may be out of reach, or show what a failed commit left there.
            return self._waiting_on_disk - len(self._settled) + self._memory.waiting
        return self._disk.waiting if self._disk is not None else 0

    @property
    def _outboxes(self) -> list[Outbox]:
        return [outbox for outbox in (self._disk, self._memory) if outbox is not None]

    @property
    def _dropped(self) -> int:
        return sum(outbox.dropped for outbox in self._outboxes)

    def _oldest(self) -> float | None:
        try:
            return min((oldest for outbox in self._outboxes if (oldest := outbox.oldest()) is not None), default=None)
        except sqlite3.Error:
            return None

    def _tell_drops(self) -> None:
        dropped = self._dropped
        now = time.monotonic()
        if dropped > self._told_drops and now >= self._next_drop_log:
            logger.error(
                "outbox %s: no room, %d events were dropped (%d in all)",
                self._path,
                dropped - self._told_drops,
                dropped,
            )
            self._told_drops = dropped
            self._next_drop_log = now + DROP_LOG


def _is_damage(error: sqlite3.Error) -> bool:
    # What passes by itself (a full or failing disk, a lock) is an OperationalError; a value too large is a DataError.
    return type(error) in (sqlite3.DatabaseError, sqlite3.DataError)


def _sentence(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
