"""Lets a thread give way to the frame loop."""

import os
import threading
from contextlib import suppress

NICENESS = 10
"""As in nice(1)."""


def give_way() -> None:
    """The calling thread runs when the others leave it a processor; where that is not allowed, it runs as they do."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
