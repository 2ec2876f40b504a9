"""Small files of names and texts that outlive the process, and a power cut."""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

UNFINISHED = ".new"
"""Suffix of what is being written."""
LARGEST_FILE = 100_000
"""Bytes."""
logger = logging.getLogger(__name__)


def read_kept(file: Path) -> dict[str, str]:
    """What is kept there; nothing where there is no such file, or it is damaged."""
    try:
        with file.open("rb") as opened:
            kept = json.loads(opened.read(LARGEST_FILE))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s cannot be read, and is taken for empty: %s", file, error)
        return {}
    entries = kept.items() if isinstance(kept, dict) else ()
    return {name: text for name, text in entries if isinstance(text, str)}


def write_kept(file: Path, kept: Mapping[str, str]) -> None:
    """Replace the file at once, and for good: after a power cut it holds the one or the other. The same is left alone.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    if read_kept(file) == kept:
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_for_good(file, json.dumps(dict(kept)).encode())


def replace_for_good(file: Path, content: bytes, mode: int = 0o600, group: int | None = None) -> None:
    """Write a file, by default for its owner only: after a power cut it is as before, or whole; ``.new`` may be left.

    Args:
        file: It need not be there.
        content: All of it.
        mode: Of the file.
        group: Number of the one that it is to have; None: as it comes.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    new = file.with_suffix(UNFINISHED)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as opened:
            if group is not None:
                os.fchown(opened.fileno(), -1, group)
            os.fchmod(opened.fileno(), mode)
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has what was made, renamed or deleted in it.

    Raises:
        OSError: It cannot be said.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def no_longer_there(file: Path, now: Mapping[str, str], *, unless_kept: str) -> dict[str, str]:
    """What was there at an earlier time and is no more; what is there now is kept for later times.

    Args:
        file: Keeps all that ever was there.
        now: What is there.
        unless_kept: What it means that the file cannot be written, for the log.
    """
    ever = {**read_kept(file), **now}
    try:
        write_kept(file, ever)
    except OSError as error:
        logger.warning("%s: %s; %s", file, error.strerror, unless_kept)
    return {name: text for name, text in ever.items() if name not in now}
