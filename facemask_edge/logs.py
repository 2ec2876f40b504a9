"""Where the log goes: to a person as lines, to systemd's journal as lines that tell it their level."""

import logging
import math
import os
import sys
import time
from collections.abc import Mapping

LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog's levels, as sd-daemon(3) wants them before each line."""


REPEAT_INTERVAL = 60.0
"""Seconds in which the same warning is logged once."""
MOST_REMEMBERED = 200
"""Warnings: what has more different ones than this has another trouble."""


class RepeatFilter(logging.Filter):
    """Logs the same warning or error once a minute, and then says how often it was there meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, list[float]] = {}
        """When each was logged, and the repeats since."""

    def filter(self, record: logging.LogRecord) -> bool:
        """As the base class."""
        if record.levelno < logging.WARNING:
            return True
        message, now = record.getMessage(), time.monotonic()
        logged, repeats = self._seen.get(message, (-math.inf, 0))
        if now - logged < REPEAT_INTERVAL:
            self._seen[message] = [logged, repeats + 1]
            return False
        # The newest one stands last.
        self._seen.pop(message, None)
        self._seen[message] = [now, 0]
        while len(self._seen) > MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        if repeats:
            record.msg, record.args = f"{message} ({repeats:.0f} times more in the last {now - logged:.0f} s)", ()
        return True


class JournalFormatter(logging.Formatter):
    """Writes the level before each line as ``<4>``; systemd's journal takes it off and files the line under it."""

    def format(self, record: logging.LogRecord) -> str:
        """As the base class; of a traceback each line is one of its own for the journal."""
        prefix = f"<{LEVELS.get(record.levelno, 6)}>"
        # Not splitlines(): that splits at characters, too, that mean nothing to the journal.
        return "\n".join(f"{prefix}{line}" for line in super().format(record).split("\n"))


def set_up_logging(*, is_verbose: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Log to stderr.

    Args:
        is_verbose: Log what only a developer wants to know, too.
        environment: Says in ``JOURNAL_STREAM`` whether stderr is the journal.
    """
    handler = logging.StreamHandler()
    if _is_journal(environment):
        # The journal has the time and the level already.
        handler.setFormatter(JournalFormatter("%(message)s"))
    elif sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=logging.DEBUG if is_verbose else logging.INFO, handlers=[handler], force=True)


def _is_journal(environment: Mapping[str, str]) -> bool:
    """Whether stderr is the stream that systemd connected to the journal, and not one that was put in its place."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
