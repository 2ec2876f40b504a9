"""Requests that ``facemask-edge outbox`` leaves and the daemon carries out, as only the daemon writes the outbox.

Each is an empty file in a folder beside the outbox; its name says all: the daemon need not be able to read it, and
there is nothing in it to be trusted.
"""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from facemask_edge.errors import OutputError

RETRY = re.compile(r"retry-([1-9][0-9]{0,17})")
MOST = 10_000
"""Requests that are looked at in one go."""
logger = logging.getLogger(__name__)


def folder_of(outbox: Path) -> Path:
    """Where requests to the daemon of this outbox lie."""
    return outbox.with_name(f"{outbox.name}.requests")


def make_folder(outbox: Path) -> None:
    """Make the folder, if it is not there, so that the owner of the outbox can read it.

    Raises:
        OSError: It cannot be made there.
    """
    folder = folder_of(outbox)
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0 and outbox.exists():
        owner = outbox.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)


def ask_for_retry(outbox: Path, positions: Iterable[int]) -> None:
    """Ask that dead letters are sent again; the daemon does so within a second, or when it starts.

    Raises:
        OutputError: The request cannot be left there.
    """
    folder = folder_of(outbox)
    try:
        make_folder(outbox)
        for position in positions:
            (folder / f"retry-{position}").touch(mode=0o600)
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}; run this as the daemon's user, or with sudo") from error


def requested(outbox: Path) -> list[int]:
    """Positions of the dead letters that are to be sent again; they stay requested until they are done."""
    try:
        names = [entry.name for _, entry in zip(range(MOST), folder_of(outbox).iterdir(), strict=False)]
    except OSError:
        return []
    return sorted(int(match[1]) for name in names if (match := RETRY.fullmatch(name)))


def done(outbox: Path, positions: Iterable[int]) -> list[int]:
    """Forget requests that were carried out; those that cannot be taken away."""
    left = []
    for position in positions:
        try:
            (folder_of(outbox) / f"retry-{position}").unlink(missing_ok=True)
        except OSError as error:
            logger.warning("a request of facemask-edge outbox cannot be taken away: %s", error)
            left.append(position)
    return left
