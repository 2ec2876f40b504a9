import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from facemask_edge import loop_calls
from facemask_edge.errors import OutputError
from facemask_edge.loop_calls import MOST_WAITING, LoopCalls
from facemask_edge.switches import RefusedError
from tests.subscriber import wait_until


@pytest.fixture
def calls() -> LoopCalls:
    return LoopCalls()


@pytest.fixture
def askers() -> Iterator[ThreadPoolExecutor]:
    """Threads that call."""
    with ThreadPoolExecutor(2 * MOST_WAITING) as pool:
        yield pool


def turn_until(calls: LoopCalls, *answers: "Future[Any]") -> None:
    """As the frame loop turns, in this thread."""

    def turned() -> bool:
        calls.carry_out()
        return all(answer.done() for answer in answers)

    assert wait_until(turned)


def test_the_loop_s_own_thread_calls_it_and_the_result_comes_back(calls: LoopCalls, askers: ThreadPoolExecutor) -> None:
    answer = askers.submit(calls.call, threading.get_ident)
    turn_until(calls, answer)
    assert answer.result() == threading.get_ident()


@pytest.mark.parametrize("error", [RefusedError("no"), OutputError("full"), KeyError("x"), TimeoutError("the disk's")])
def test_what_goes_wrong_is_told_to_who_called_and_the_loop_goes_on(
    error: Exception, calls: LoopCalls, askers: ThreadPoolExecutor
) -> None:
    def fails() -> None:
        raise error

    answer = askers.submit(calls.call, fails)
    turn_until(calls, answer)
    assert answer.exception() is error


def test_between_two_frames_only_one_is_called(calls: LoopCalls, askers: ThreadPoolExecutor) -> None:
    called: list[int] = []
    answers = [askers.submit(calls.call, partial(called.append, number)) for number in range(3)]
    assert wait_until(lambda: calls._waiting.qsize() == 3)  # noqa: SLF001 - only there it is to be seen
    for count in (1, 2, 3, 3):
        calls.carry_out()
        assert len(called) == count
    turn_until(calls, *answers)


def test_too_many_are_refused_at_once_and_the_others_are_called(calls: LoopCalls, askers: ThreadPoolExecutor) -> None:
    answers = [askers.submit(calls.call, lambda: "done") for _ in range(MOST_WAITING)]
    assert wait_until(calls._waiting.full)  # noqa: SLF001 - only there it is to be seen
    with pytest.raises(RefusedError, match="the device is too busy; try again"):
        calls.call(lambda: "one too many")
    turn_until(calls, *answers)
    assert {answer.result() for answer in answers} == {"done"}


def test_what_is_refused_because_the_loop_hangs_is_never_done_later(
    calls: LoopCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_calls, "LONGEST_WAIT", 0.05)
    called: list[str] = []
    with pytest.raises(RefusedError, match="too busy"):
        calls.call(lambda: called.append("late"))
    for _ in range(3):
        calls.carry_out()
    assert called == []


def test_what_was_begun_in_time_is_waited_for(
    calls: LoopCalls, askers: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_calls, "LONGEST_WAIT", 1.0)
    slow = threading.Event()
    answer = askers.submit(calls.call, lambda: slow.wait(1.2) or "done")
    turn_until(calls, answer)
    assert answer.result() == "done"


def test_what_was_begun_and_does_not_end_is_not_called_refused(
    calls: LoopCalls, askers: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_calls, "LONGEST_WAIT", 0.1)
    disk = threading.Event()
    answer = askers.submit(calls.call, disk.wait)
    loop = askers.submit(turn_until, calls, answer)
    with pytest.raises(OutputError, match="the disk does not answer"):
        answer.result(10)
    disk.set()
    loop.result(10)
