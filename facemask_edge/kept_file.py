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
    """What is kept there; nothing where there is no such file, or it is damaged and its copy, too."""
    try:
        kept = load_kept(file)
    except OSError as error:
        logger.warning("%s cannot be read, and is taken for empty: %s", file, error)
        return {}
    if kept is None:
        logger.warning("%s is damaged, and is taken for empty", file)
    return kept or {}


def load_kept(file: Path) -> dict[str, str] | None:
    """What is kept there, nothing where there is no such file; None where it is damaged and its copy, too.

    Raises:
        OSError: It cannot be read.
    """
    try:
        if (kept := _parsed(file)) is not None:
            return kept
        if (kept := _parsed(_copy_of(file))) is not None:
            logger.warning("%s is damaged; its copy holds", file)
            return kept
    except FileNotFoundError:
        # Of the copy: it was never written. Without the file, the owner has deleted it.
        return None if file.exists() else {}
    return None


def write_kept(file: Path, kept: Mapping[str, str]) -> None:
    """Replace the file at once, and for good: after a power cut it holds the one or the other. The same is left alone.

    A copy beside it is for a card that forgets.

    Raises:
        OSError: It cannot be written; what was there stays.
    """
    content = json.dumps(dict(kept)).encode()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (file, _copy_of(file)):
        if not each.exists() or each.read_bytes() != content:
            replace_for_good(each, content)


def _copy_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.copy")


def _parsed(file: Path) -> dict[str, str] | None:
    with file.open("rb") as opened:
        content = opened.read(LARGEST_FILE)
    try:
        kept = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(kept, dict):
        return None
    return {name: text for name, text in kept.items() if isinstance(text, str)}


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
