"""Copies a folder for what is tried in the copy."""

import os
from pathlib import Path
from typing import NoReturn


def copy_contents(folder: Path, copy: Path, *, without: str | None = None) -> None:
    """Copy the files in it, and those that links lead to.

    Contents only: a hardened service may not give a folder its group's bit, as ``shutil.copytree`` does.

    Args:
        folder: What is copied.
        copy: It must not be there yet.
        without: Name of folders that are left out.

    Raises:
        OSError: Something cannot be read or written.
    """
    for path, inside, names in os.walk(folder, followlinks=True, onerror=_fail):
        inside[:] = [name for name in inside if name != without]
        there = copy / Path(path).relative_to(folder)
        there.mkdir()
        for file in (Path(path, name) for name in names):
            if file.is_file():
                (there / file.name).write_bytes(file.read_bytes())


def _fail(error: OSError) -> NoReturn:
    raise error
