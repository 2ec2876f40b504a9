"""Keeps libraries written in C from writing to the user's terminal, past Python's own streams."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_SILENT = 0
"""OpenCV's log level."""


@contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Send what is written to descriptor 2 nowhere, as long as the block lasts; for notes no user can act on.

    It holds for the whole process: use it around single calls only.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is wanted, not a path
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def silence_opencv() -> None:
    """Keep what OpenCV itself logs from the terminal from now on: what goes wrong is said in this program's words."""
    cv2.setLogLevel(_SILENT)
