import pytest

from facemask_edge import log_throttle
from facemask_edge.log_throttle import LogThrottle


def test_the_same_is_said_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    throttle = LogThrottle()
    assert [throttle.is_due(says) for says in ("a", "a", "b", "a", "a")] == [True, False, True, True, False]
    now += log_throttle.INTERVAL - 1
    assert not throttle.is_due("a")
    now += 1
    assert [throttle.is_due("a") for _ in range(2)] == [True, False]


def test_what_came_to_an_end_is_said_again_at_once() -> None:
    throttle = LogThrottle()
    assert throttle.is_due("a")
    throttle.forget()
    assert throttle.is_due("a")
