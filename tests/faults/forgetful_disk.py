"""A disk that forgets what was not fsynced, as a real one does when the power is cut, and that fails when told to.

A file system of its own (FUSE) with one folder, in a process of its own, which this file is, too. What it promises is
what a journaling file system promises:

- What was written to a file stays for certain once the file was fsynced. When the power is cut before that, each write
  is there or not, in any order, or torn between two sectors.
- Files are made, renamed and deleted in a journal: after a power cut the first so many of these changes have happened.
  An fsync of the folder makes all of them certain; one of a file those up to the last that was about this file.
- After an fsync that failed, what it should have written is there or not, whatever a later fsync says (Linux takes the
  pages for clean then).
"""

import ctypes.util
import errno
import importlib.util
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

SECTOR = 512
"""Bytes that a disk writes wholly or not at all."""
SIZE = 64_000_000
"""Of the disk in bytes, as it says itself."""
CHANGES = {"create", "write", "truncate", "rename", "unlink", "fsync", "fsyncdir"}
"""Calls after which the power may be cut."""
WRITES = CHANGES - {"fsync", "fsyncdir"}
SLOW_FSYNC = 2.0
"""Seconds."""
HIDDEN = ".fuse_hidden"
"""How libfuse names files that were deleted while they are open."""


class Fault(StrEnum):
    """How the disk fails."""

    NONE = "none"
    READ_ONLY = "read-only"
    FULL = "full"
    """What lies on it can still be overwritten."""
    FSYNC = "fsync"
    """Each fsync fails; all else works."""
    FLAKY = "flaky"
    """Every other fsync fails, by chance."""
    SLOW = "slow"
    """Each fsync takes two seconds, as on a card that tidies up."""


class _File:
    """One file: what a program reads, and what is on the disk for certain."""

    def __init__(self, number: int, content: bytes = b"") -> None:
        self.number = number
        self.mode = 0o100600
        self.content = bytearray(content)
        self._certain = bytearray(content)
        self._pending: list[tuple[int, bytes | None]] = []
        """Writes by offset since the last fsync; without bytes, it was cut to that size."""

    def change(self, offset: int, data: bytes | None) -> None:
        _apply(self.content, offset, data)
        self._pending.append((offset, data))

    def sync(self) -> None:
        for offset, data in self._pending:
            _apply(self._certain, offset, data)
        self._pending.clear()

    def sync_in_vain(self, chance: random.Random, share: float) -> None:
        """Write to the disk what chance wants; nobody will write the rest."""
        for offset, data in self._pending:
            if data is None:
                if chance.random() >= share:
                    # Sizes are in the journal: with this change all after it are lost.
                    break
                _apply(self._certain, offset, data)
            else:
                for start, part in _torn(offset, data) if chance.random() < 0.3 else [(offset, data)]:
                    if chance.random() < share:
                        _apply(self._certain, start, part)
        self._pending.clear()

    @property
    def certain(self) -> bytes:
        return bytes(self._certain)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One change in the journal."""

    file: _File
    before: str | None
    """Its name until now; None: it was made."""
    after: str | None
    """Its name from now on; None: it was deleted."""

    def apply(self, names: dict[str, _File]) -> None:
        if self.before is not None:
            names.pop(self.before)
        if self.after is not None:
            names[self.after] = self.file


@dataclass(slots=True)
class _Folder:
    """The one folder: as programs see it, and what is on the disk for certain."""

    names: dict[str, _File] = field(default_factory=dict)
    certain: dict[str, _File] = field(default_factory=dict)
    journal: list[_Entry] = field(default_factory=list)

    def change(self, entry: _Entry) -> None:
        entry.apply(self.names)
        self.journal.append(entry)

    def sync(self, file: _File | None = None) -> None:
        """Make all changes certain, or those up to the last that is about ``file``."""
        about = [place for place, entry in enumerate(self.journal) if file in (None, entry.file)]
        self.keep_first(about[-1] + 1 if about else 0)

    def keep_first(self, number: int) -> None:
        for entry in self.journal[:number]:
            entry.apply(self.certain)
        del self.journal[:number]


class _Disk:
    """Answers the kernel's calls; fusepy calls this object with a call's name, which is a method here."""

    use_ns = True

    def __init__(self, platter: Path, chance: random.Random) -> None:
        self._platter = platter
        self._chance = chance
        self._folder = _Folder()
        for number, stored in enumerate(sorted(platter.iterdir()), start=2):
            self._folder.certain[stored.name] = _File(number, stored.read_bytes())
        self._folder.names = dict(self._folder.certain)
        self._open: dict[int, _File] = {}
        self._made = len(self._folder.names) + 2
        self._cut_in: int | None = None
        self._victim = 0
        self._fault = Fault.NONE
        self._spared = 0
        self._is_off = False

    def obey(self, command: str) -> str:
        """Carry out what the test says."""
        name, *values = command.split()
        match name:
            case "cut":
                self._cut_in, self._victim = int(values[0]), int(values[1])
            case "fail":
                self._fault, self._spared = Fault(values[0]), int(values[1])
            case "off":
                self._cut()
        return "off" if self._is_off else "on"

    def save(self) -> None:
        """At the end: what is on the disk goes to the platter; without a power cut that is everything."""
        if not self._is_off:
            self._folder.sync()
            for file in self._folder.names.values():
                file.sync()
        for old in self._platter.iterdir():
            old.unlink()
        for name, file in self._folder.certain.items():
            if not name.startswith(HIDDEN):
                (self._platter / name).write_bytes(file.certain)

    def __call__(self, call: str, *arguments: Any) -> Any:
        if call in ("init", "destroy"):
            return getattr(self, call)(*arguments)
        if self._is_off:
            raise OSError(errno.EIO, "the power is cut")
        is_last = call in CHANGES and self._is_last_change()
        # A power cut during an fsync: it is neither done nor answered.
        answer = None if is_last and call.startswith("fsync") else getattr(self, call)(*arguments)
        if is_last:
            self._cut()
            raise OSError(errno.EIO, "the power is cut")
        return answer

    def init(self, _path: str) -> None:
        print("mounted", flush=True)

    def destroy(self, _path: str) -> None:
        pass

    def getattr(self, path: str, handle: int | None = None) -> dict[str, int]:
        owner = {"st_uid": os.getuid(), "st_gid": os.getgid()}
        if path == "/":
            return {"st_mode": 0o40700, "st_nlink": 2, "st_ino": 1, **owner}
        file = self._open[handle] if handle is not None else self._named(path)
        size = len(file.content)
        return {"st_mode": file.mode, "st_nlink": 1, "st_ino": file.number, "st_size": size, **owner}

    def readdir(self, _path: str, _handle: int) -> list[str]:
        return [".", "..", *self._folder.names]

    def opendir(self, _path: str) -> int:
        return 0

    def statfs(self, _path: str) -> dict[str, int]:
        used = sum(len(file.content) for file in self._folder.names.values())
        free = 0 if self._fault is Fault.FULL else (SIZE - used) // SECTOR
        return {"f_bsize": SECTOR, "f_frsize": SECTOR, "f_blocks": SIZE // SECTOR, "f_bfree": free, "f_bavail": free}

    def create(self, path: str, mode: int) -> int:
        self._refuse_to_grow()
        file = _File(self._made)
        file.mode = 0o100000 | mode
        self._made += 1
        self._folder.change(_Entry(file, None, path[1:]))
        return self._opened(file)

    def open(self, path: str, flags: int) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self._refuse_if_read_only()
        return self._opened(self._named(path))

    def release(self, _path: str, handle: int) -> None:
        del self._open[handle]

    def flush(self, _path: str, _handle: int) -> None:
        pass

    def read(self, _path: str, size: int, offset: int, handle: int) -> bytes:
        return bytes(self._open[handle].content[offset : offset + size])

    def write(self, _path: str, data: bytes, offset: int, handle: int) -> int:
        file = self._open[handle]
        if offset + len(data) > len(file.content):
            self._refuse_to_grow()
        self._refuse_if_read_only()
        file.change(offset, data)
        return len(data)

    def truncate(self, path: str, length: int, handle: int | None = None) -> None:
        self._refuse_if_read_only()
        (self._open[handle] if handle is not None else self._named(path)).change(length, None)

    def unlink(self, path: str) -> None:
        self._refuse_if_read_only()
        self._folder.change(_Entry(self._named(path), path[1:], None))

    def rename(self, old: str, new: str) -> None:
        self._refuse_if_read_only()
        self._folder.change(_Entry(self._named(old), old[1:], new[1:]))

    def chmod(self, path: str, mode: int) -> None:
        self._refuse_if_read_only()
        self._named(path).mode = mode

    def chown(self, _path: str, _uid: int, _gid: int) -> None:
        self._refuse_if_read_only()

    def utimens(self, _path: str, _times: tuple[int, int] | None) -> None:
        self._refuse_if_read_only()

    def fsync(self, _path: str, _is_data_only: int, handle: int) -> None:
        file = self._open[handle]
        if self._fault is Fault.SLOW:
            time.sleep(SLOW_FSYNC)
        if self._is_in_vain():
            file.sync_in_vain(self._chance, self._chance.random())
            raise OSError(errno.EIO, "fsync fails")
        file.sync()
        self._folder.sync(file)

    def fsyncdir(self, _path: str, _is_data_only: int, _handle: int) -> None:
        if self._is_in_vain():
            raise OSError(errno.EIO, "fsync fails")
        self._folder.sync()

    def _named(self, path: str) -> _File:
        try:
            return self._folder.names[path[1:]]
        except KeyError:
            raise OSError(errno.ENOENT, "no such file") from None

    def _opened(self, file: _File) -> int:
        handle = max(self._open, default=0) + 1
        self._open[handle] = file
        return handle

    def _is_in_vain(self) -> bool:
        self._spared -= 1
        return self._spared < 0 and (
            self._fault is Fault.FSYNC or (self._fault is Fault.FLAKY and self._chance.random() < 0.5)
        )

    def _refuse_if_read_only(self) -> None:
        if self._fault is Fault.READ_ONLY:
            raise OSError(errno.EROFS, "read-only")

    def _refuse_to_grow(self) -> None:
        self._refuse_if_read_only()
        if self._fault is Fault.FULL:
            raise OSError(errno.ENOSPC, "full")

    def _is_last_change(self) -> bool:
        if self._cut_in is None:
            return False
        self._cut_in -= 1
        return self._cut_in <= 0

    def _cut(self) -> None:
        if self._is_off:
            return
        self._is_off = True
        if self._victim:
            # Before the call is answered: who wrote has no power either, and must not notice anything.
            os.kill(self._victim, signal.SIGKILL)
        share = self._chance.choice((0.0, 0.5, 0.9, 1.0))
        self._folder.keep_first(self._chance.randint(0, len(self._folder.journal)))
        for file in self._folder.certain.values():
            file.sync_in_vain(self._chance, share)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    end = offset + len(data or b"")
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


def _torn(offset: int, data: bytes) -> Iterable[tuple[int, bytes]]:
    """The same write, sector by sector."""
    borders = [offset, *range(offset - offset % SECTOR + SECTOR, offset + len(data), SECTOR), offset + len(data)]
    return [(start, data[start - offset : end - offset]) for start, end in itertools.pairwise(borders)]


def skip_without_fuse() -> None:
    """Skip the test where no such disk can be made, and say what is missing."""
    if importlib.util.find_spec("fuse") is None:
        pytest.skip("the package fusepy is not installed; run: pip install -e '.[test]'")
    if ctypes.util.find_library("fuse") is None:
        pytest.skip("the Debian package libfuse2 is not installed; run: sudo apt install libfuse2")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or os.geteuid() != 0:
        pytest.skip("a disk of its own needs /dev/fuse and root; run the tests as root, a container with --device")


class ForgetfulDisk:
    """Such a disk, mounted at ``path`` from the start to ``close``.

    Args:
        folder: Where it is mounted, and where its content is kept while it is not.
        seed: Of all that is left to chance.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        skip_without_fuse()
        self.path = folder / "disk"
        self._platter = folder / "platter"
        self._chance = random.Random(seed)
        for made in (self.path, self._platter):
            made.mkdir(parents=True)
        self._process: subprocess.Popen[str] | None = None
        self._start()

    def cut_power(self, change: int, victim: int) -> None:
        """Cut the power at the ``change``-th change from now, also for the process ``victim``."""
        self._say(f"cut {change} {victim}")

    def fail(self, fault: Fault, *, after: int = 0) -> None:
        """Fail in this way from now on; the first ``after`` fsyncs still succeed."""
        self._say(f"fail {fault} {after}")

    @property
    def has_power(self) -> bool:
        return self._say("ask") == "on"

    def power_on(self) -> None:
        """Cut the power if it was not yet, and start again with what is on the disk."""
        self._say("off")
        self._stop()
        self._start()

    def replace(self) -> None:
        """Start again with a new, empty disk."""
        self._stop()
        for file in self._platter.iterdir():
            file.unlink()
        self._start()

    def close(self) -> None:
        """Unmount it, whatever happened."""
        if self._process is not None:
            self._stop()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __spec__.name, self.path, self._platter, str(self._chance.getrandbits(32))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "mounted":
            self._stop()
            raise AssertionError("the disk cannot be mounted; see the lines above")

    def _say(self, command: str) -> str:
        assert self._process
        assert self._process.stdin
        print(command, file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> str:
        assert self._process
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def _stop(self) -> None:
        """The process unmounts its disk when nobody is left to command it."""
        process, self._process = self._process, None
        assert process
        assert process.stdin
        assert process.stdout
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            # Somebody still has a file open. Without this process the kernel refuses all that is asked of the disk.
            process.kill()
            process.wait()
            raise AssertionError("a file on the disk is still open") from None
        finally:
            process.stdout.close()
            if self.path.is_mount():
                subprocess.run(["umount", "-l", self.path], check=False)


def _obey_until_alone(disk: _Disk, path: str) -> None:
    for command in sys.stdin:
        print(disk.obey(command), flush=True)
    subprocess.run(["umount", "-i", "-l", path], check=False)


def main() -> None:
    from fuse import FUSE  # noqa: PLC0415 - raises where libfuse2 is missing, which the tests find out before

    path, platter, seed = sys.argv[1:]
    disk = _Disk(Path(platter), random.Random(int(seed)))
    threading.Thread(target=_obey_until_alone, args=(disk, path), daemon=True).start()
    # One thread: a call is answered before the next one is looked at. use_ino: SQLite knows its files by number.
    FUSE(disk, path, foreground=True, nothreads=True, use_ino=True)
    disk.save()


if __name__ == "__main__":
    main()
