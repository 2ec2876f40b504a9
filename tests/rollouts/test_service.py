"""What systemd says of the daemon, also when it says nothing: by a stand-in for ``systemctl`` that hangs on demand."""

from pathlib import Path

import pytest

from facemask_edge.errors import ServiceError
from facemask_edge.rollouts import service as services
from facemask_edge.rollouts.service import Service


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of what it answers to its first word, one file after the other, the last one again and again."""
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(
        f"""#!/bin/sh
cd {tmp_path}
echo "$@" >> asked
set -- "$1".*
if [ "$2" ]; then mv "$1" now; else cp "$1" now 2>/dev/null || exit 0; fi
. ./now
"""
    )
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{systemctl.parent}:/usr/bin:/bin")
    monkeypatch.setattr(services, "LOOK_INTERVAL", 0.01)
    return tmp_path


def say(answers: Path, word: str, *scripts: str) -> None:
    for place, script in enumerate(scripts):
        (answers / f"{word}.{place}").write_text(f"{script}\n")


def properties(**values: str) -> str:
    return f"printf '%s\\n' {' '.join(f'{name}={value}' for name, value in values.items())}"


@pytest.mark.parametrize(
    ("state", "result", "code", "is_stopped"),
    [
        ("active", "success", "0", False),
        ("inactive", "success", "0", True),
        # It did not end in time, and was killed.
        ("failed", "timeout", "9", True),
        # The disk failed until the end.
        ("failed", "exit-code", "73", True),
        ("failed", "signal", "11", True),
        # A wrong configuration, after which systemd does not start it again.
        ("failed", "exit-code", "78", False),
        ("failed", "start-limit-hit", "1", False),
        ("activating", "success", "0", False),
    ],
)
def test_whether_somebody_has_stopped_it(
    answers: Path, state: str, result: str, code: str, *, is_stopped: bool
) -> None:
    say(answers, "show", properties(ActiveState=state, Result=result, ExecMainStatus=code))
    assert Service().is_stopped() is is_stopped


def test_what_is_being_stopped_is_waited_for(answers: Path) -> None:
    being = properties(ActiveState="deactivating", Result="success", ExecMainStatus="0")
    say(answers, "show", being, being, properties(ActiveState="inactive", Result="success", ExecMainStatus="0"))
    assert Service().is_stopped()
    assert len((answers / "asked").read_text().splitlines()) == 3


def test_what_never_ends_to_be_stopped_is_not_waited_for(answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "STOP_TIMEOUT", 0.2)
    say(answers, "show", properties(ActiveState="deactivating", Result="success"))
    assert not Service().is_stopped()


def test_a_systemd_that_does_not_answer_is_said(answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "START_TIMEOUT", 0.3)
    say(answers, "show", "exec sleep 30")
    say(answers, "restart", "exec sleep 30")
    for question in (Service().is_stopped, Service().deaths, Service().sign_of_life):
        with pytest.raises(ServiceError, match="systemd does not answer"):
            question()
    assert not Service().restart()


def test_a_daemon_that_does_not_start_is_told(answers: Path) -> None:
    say(answers, "restart", "exit 1", "exit 0")
    assert not Service().restart()
    assert Service().restart()
    asked = (answers / "asked").read_text().splitlines()
    # Otherwise one that was started too often would not be started again.
    assert asked == ["reset-failed facemask-edge.service", "restart facemask-edge.service"] * 2


@pytest.mark.parametrize(("state", "deaths"), [("active", 3), ("activating", None), ("failed", None)])
def test_how_often_it_was_started_again_by_itself(answers: Path, state: str, deaths: int | None) -> None:
    # In systemd's own order, not in that of the question.
    say(answers, "show", properties(ActiveState=state, NRestarts="3"))
    assert Service().deaths() == deaths


@pytest.mark.parametrize(("interval", "sign"), [("10s", "12345"), ("0", ""), ("infinity", "")])
def test_a_sign_of_life_is_only_one_where_it_is_wanted(answers: Path, interval: str, sign: str) -> None:
    say(answers, "show", properties(WatchdogUSec=interval, WatchdogTimestampMonotonic="12345"))
    assert Service().sign_of_life() == sign


def test_without_systemd_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceError, match="there is no systemd"):
        Service().restart()
