"""Where the log goes: to a person as lines, to systemd's journal as lines that tell it their level."""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
"""syslog's levels, as sd-daemon(3) wants them before each line."""


REPEAT_INTERVAL = 60.0
"""Seconds that repeats are counted in."""
MOST_REPEATS = 5
"""Warnings of the same kind about the same thing that are logged in that time: what changes to and fro is seen."""
MOST_REMEMBERED = 200
"""Kinds and things: what warns of more has another trouble."""


class RepeatFilter(logging.Filter):
    """Logs a kind of warning about the same thing a few times a minute, and then says how many were left out.

    A kind is the text before its values are put in, a thing the first of them: a pause that grows makes no other kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], _Seen] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """As the base class."""
        # A traceback is worth its room each time.
        if record.levelno < logging.WARNING or record.exc_info:
            return True
        thing = record.args[0] if isinstance(record.args, tuple) and record.args else ""
        with self._lock:
            return self._is_logged(record, (str(record.msg), str(thing)))

    def _is_logged(self, record: logging.LogRecord, key: tuple[str, str]) -> bool:
        now = time.monotonic()
        seen = self._seen.get(key)
        if seen is None or now - seen.since >= REPEAT_INTERVAL:
            # The newest one stands last.
            self._seen.pop(key, None)
            self._seen[key] = _Seen(now)
            while len(self._seen) > MOST_REMEMBERED:
                del self._seen[next(iter(self._seen))]
            if seen is not None and seen.left_out:
                said = f"{record.getMessage()} ({seen.left_out} more like this in {now - seen.since:.0f} s)"
                record.msg, record.args = said, ()
            return True
        seen.logged += 1
        if seen.logged <= MOST_REPEATS:
            return True
        seen.left_out += 1
        return False


@dataclass(slots=True)
class _Seen:
    """What was logged of one kind about one thing."""

    since: float
    logged: int = 1
    left_out: int = 0


class JournalFormatter(logging.Formatter):
    """Writes the level before each line as ``<4>``; systemd's journal takes it off and files the line under it."""

    def format(self, record: logging.LogRecord) -> str:
        """As the base class; of a traceback each line is one of its own for the journal."""
        return _with_level(super().format(record), record.levelno)


def set_up_logging(*, is_verbose: bool, environment: Mapping[str, str] = os.environ) -> None:
    """Log to stderr.

    Args:
        is_verbose: Log what only a developer wants to know, too.
        environment: Says in ``JOURNAL_STREAM`` whether stderr is the journal.
    """
    handler = logging.StreamHandler(_own_stderr())
    if _is_journal(environment):
        # The journal has the time and the level already.
        handler.setFormatter(JournalFormatter("%(message)s"))
    elif sys.stderr.isatty():
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.addFilter(RepeatFilter())
    logging.basicConfig(level=logging.DEBUG if is_verbose else logging.INFO, handlers=[handler], force=True)


def _own_stderr() -> TextIO:
    """Another descriptor of stderr: where that of a library is hidden, a line that is logged just then is not lost."""
    try:
        number = os.dup(sys.stderr.fileno())
    except (OSError, ValueError):
        return sys.stderr
    return os.fdopen(number, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")


def last_words(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a program ends with when it fails, for stderr."""
    return _with_level(text, logging.ERROR) if _is_journal(environment) else text


def _with_level(text: str, level: int) -> str:
    prefix = f"<{LEVELS.get(level, 6)}>"
    # Not splitlines(): that splits at characters, too, that mean nothing to the journal.
    return "\n".join(f"{prefix}{line}" for line in text.split("\n"))


def _is_journal(environment: Mapping[str, str]) -> bool:
    """Whether stderr is the stream that systemd connected to the journal, and not one that was put in its place."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"
