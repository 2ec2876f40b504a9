import logging
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from facemask_edge.logs import MOST_REPEATS, REPEAT_INTERVAL, RepeatFilter, set_up_logging

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


FAULT = (
    "import os, sys; from facemask_edge import cli; stream = os.fstat(2); "
    "os.environ['JOURNAL_STREAM'] = f'{stream.st_dev}:{stream.st_ino}' if sys.argv[1] == 'journal' else ''; "
    "cli.app = lambda **_: [][0]; cli.main()"
)


@pytest.mark.parametrize(("where", "prefix"), [("journal", "<3>"), ("pipe", "")])
def test_a_fault_of_the_program_is_an_error_in_the_journal_line_by_line(where: str, prefix: str) -> None:
    done = subprocess.run([sys.executable, "-c", FAULT, where], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    lines = done.stderr.splitlines()
    assert lines[0] == f"{prefix}Traceback (most recent call last):"
    assert lines[-2] == f"{prefix}IndexError: list index out of range"
    assert lines[-1].startswith(f"{prefix}facemask-edge: this is a fault of the program")
    assert all(line.startswith(prefix) for line in lines)


def test_a_person_at_a_terminal_sees_the_time() -> None:
    terminal, program = pty.openpty()
    subprocess.run([sys.executable, "-c", PROGRAM, "terminal"], stderr=program, check=True)
    os.close(program)
    first = os.read(terminal, 1000).decode().splitlines()[0]
    os.close(terminal)
    assert first[2] == first[5] == ":"
    assert first.endswith(" INFO    judged")


class Repeats:
    """A filter, and what it lets through."""

    def __init__(self) -> None:
        self.filter = RepeatFilter()

    def said(self, text: str, *values: object) -> str | None:
        """What is logged of a warning."""
        record = logging.LogRecord("x", logging.WARNING, "", 1, text, values, None)
        return record.getMessage() if self.filter.filter(record) else None


def test_a_kind_of_warning_is_logged_a_few_times_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("facemask_edge.logs.time.monotonic", lambda: now[0])
    repeats = Repeats()
    lost = [repeats.said("%s is lost, again in %d s", "door", number) for number in range(8)]
    assert lost == [f"door is lost, again in {number} s" for number in range(MOST_REPEATS)] + [None] * 3
    # Another thing, and another kind.
    assert repeats.said("%s is lost, again in %d s", "yard", 1) == "yard is lost, again in 1 s"
    assert repeats.said("%s is back", "door") == "door is back"
    now[0] = REPEAT_INTERVAL + 1
    assert repeats.said("%s is lost, again in %d s", "door", 9) == (
        "door is lost, again in 9 s (3 more like this in 61 s)"
    )
    assert repeats.said("%s is lost, again in %d s", "door", 9) == "door is lost, again in 9 s"


def test_what_it_remembers_is_bounded_and_many_threads_may_warn() -> None:
    repeats = Repeats()
    threads = [
        threading.Thread(target=lambda first=first: [repeats.said(f"{n}") for n in range(first, first + 3000)])
        for first in range(0, 12_000, 3000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(repeats.filter._seen) == 200  # noqa: SLF001 - nothing else shows it


def test_a_traceback_is_always_logged() -> None:
    record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), (ValueError, ValueError("x"), None))
    repeats = RepeatFilter()
    assert [repeats.filter(record) for _ in range(20)] == [True] * 20


def test_what_is_no_warning_is_always_logged() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "recorded", (), None)
    repeats = RepeatFilter()
    assert [repeats.filter(record) for _ in range(20)] == [True] * 20


def test_verbose_logs_details_too() -> None:
    set_up_logging(is_verbose=True, environment={})
    assert logging.getLogger().isEnabledFor(logging.DEBUG)
    set_up_logging(is_verbose=False, environment={})
    assert not logging.getLogger().isEnabledFor(logging.DEBUG)


HIDDEN = (
    "import logging; from facemask_edge.logs import set_up_logging\n"
    "from facemask_edge.native import native_stderr_hidden\n"
    "set_up_logging(is_verbose=False, environment={})\n"
    "with native_stderr_hidden(): logging.info('by another thread, just then')\n"
)


def test_a_line_is_not_lost_while_libraries_are_hidden() -> None:
    done = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=True)
    assert done.stderr == "INFO by another thread, just then\n"
