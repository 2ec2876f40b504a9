import logging
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import pytest

from facemask_edge.logs import REPEAT_INTERVAL, RepeatFilter, set_up_logging

PROGRAM = (
    "import logging, os, sys; from facemask_edge.logs import set_up_logging; "
    "stream = os.fstat(2); journal = f'{stream.st_dev}:{stream.st_ino}'; "
    "set_up_logging(is_verbose=False, environment={'JOURNAL_STREAM': journal} if sys.argv[1] == 'journal' else "
    "{'JOURNAL_STREAM': '8:1'}); "
    "logging.info('judged'); logging.warning('camera\\nlost'); logging.error('broken'); logging.debug('detail')"
)


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """As it was before."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("journal", "<6>judged\n<4>camera\n<4>lost\n<3>broken\n"),
        ("pipe", "INFO judged\nWARNING camera\nlost\nERROR broken\n"),
    ],
)
def test_the_journal_is_told_the_level_of_each_line(where: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, where], capture_output=True, text=True, check=True)
    assert done.stderr == said


def test_a_person_at_a_terminal_sees_the_time() -> None:
    terminal, program = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM, "terminal"], stderr=program, check=True)
    os.close(program)
    first = os.read(terminal, 1000).decode().splitlines()[0]
    os.close(terminal)
    assert first[2] == first[5] == ":"
    assert first.endswith(" INFO    judged")


REPEATS = RepeatFilter()


def warned(message: str) -> tuple[bool, str]:
    record = logging.LogRecord("x", logging.WARNING, "", 1, "%s", (message,), None)
    return REPEATS.filter(record), record.getMessage()


def test_the_same_warning_is_logged_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("facemask_edge.logs.time.monotonic", lambda: now[0])
    assert warned("door is lost") == (True, "door is lost")
    assert warned("yard is lost") == (True, "yard is lost")
    assert [warned("door is lost")[0] for _ in range(3)] == [False] * 3
    now[0] = REPEAT_INTERVAL + 1
    assert warned("door is lost") == (True, "door is lost (3 times more in the last 61 s)")
    assert not warned("door is lost")[0]
    for number in range(500):
        warned(str(number))
    assert len(REPEATS._seen) == 200  # noqa: SLF001 - bounded, whatever comes


def test_what_is_no_warning_is_always_logged() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "recorded", (), None)
    assert [REPEATS.filter(record) for _ in range(3)] == [True] * 3


def test_verbose_logs_details_too() -> None:
    set_up_logging(is_verbose=True, environment={})
    assert logging.getLogger().isEnabledFor(logging.DEBUG)
    set_up_logging(is_verbose=False, environment={})
    assert not logging.getLogger().isEnabledFor(logging.DEBUG)
