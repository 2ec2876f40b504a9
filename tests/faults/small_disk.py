"""Disks of their own that can be filled, or lose something, without harm to others."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 2 MB that can be filled without harm to others."""
    disk = folder / "small"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", disk], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a disk can only be mounted by root, in a container with --privileged: {mounted.stderr}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=False)


class BreakableDisk:
    """A disk that loses something.

    Args:
        file: What is on it.
        folder: Where it is mounted.
    """

    def __init__(self, file: Path, folder: Path) -> None:
        self._file = file
        self._folder = folder

    def mount(self) -> None:
        """Let it be used."""
        subprocess.run(["mount", "-o", "loop", self._file, self._folder], check=True)

    def unmount(self) -> None:
        """Let all of it be written."""
        subprocess.run(["umount", self._folder], check=True)

    def forget(self, name: str) -> None:
        """What is known of a file or folder but for its name; nobody has it open."""
        self.unmount()
        subprocess.run(["debugfs", "-w", "-R", f"clri /{name}", self._file], check=True, capture_output=True)
        self.mount()


@contextmanager
def breakable_disk(folder: Path) -> Iterator[BreakableDisk]:
    """A disk with a real file system, mounted as a folder that need not be there."""
    if os.geteuid():
        pytest.skip("a disk can only be mounted by root")
    folder.mkdir(exist_ok=True)
    file = folder.with_suffix(".img")
    with file.open("wb") as empty:
        empty.truncate(16_000_000)
    subprocess.run(["mkfs.ext4", "-q", file], check=True)
    disk = BreakableDisk(file, folder)
    disk.mount()
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler
