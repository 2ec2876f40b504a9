"""Tells whether a folder is as it was: a card forgets, also what can still be read."""

import hashlib
import os
from pathlib import Path
from typing import NoReturn


def folder_digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all that is in a folder, as hexadecimal digits; links are not followed.

    Raises:
        OSError: Something cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(_all_in(folder)):
        if path.is_symlink():
            content = hashlib.sha256(os.fsencode(path.readlink()))
        elif path.is_dir():
            content = hashlib.sha256(b"folder")
        else:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256")
        # Names have no zeros.
        digest.update(os.fsencode(path.relative_to(folder)) + b"\0" + content.digest())
    return digest.hexdigest()


def _all_in(folder: Path) -> list[Path]:
    found: list[Path] = []
    for path, folders, files in os.walk(folder, onerror=_fail):
        found += (Path(path, name) for name in (*folders, *files))
    return found


def _fail(error: OSError) -> NoReturn:
    raise error
