import pytest

from facemask_edge.extras import MOST, PAUSE, Extras


def test_what_ends_the_connection_again_and_again_is_given_up() -> None:
    extras = Extras()
    for number in range(MOST):
        assert extras.may_ask("listen")
        extras.asked(number, "listen")
        assert extras.ended(by_broker=True), "it may be why"
    assert not extras.may_ask("listen")
    assert extras.may_ask("announce itself")


def test_what_was_given_up_is_tried_again_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("facemask_edge.extras.time.monotonic", lambda: now)
    extras = Extras()
    for number in range(MOST):
        extras.asked(number, "listen")
        extras.ended(by_broker=True)
    assert not extras.may_ask("listen")
    now += PAUSE
    assert extras.may_ask("listen")
    extras.asked(MOST, "listen")
    extras.ended(by_broker=True)
    assert not extras.may_ask("listen"), "once"


def test_several_of_the_same_are_one() -> None:
    extras = Extras()
    for number in range(MOST):
        extras.asked(number, "tell switches")
    extras.ended(by_broker=True)
    assert extras.may_ask("tell switches")


def test_an_answer_clears_it_of_suspicion() -> None:
    extras = Extras()
    for number in range(10 * MOST):
        extras.asked(number, "listen")
        if number % MOST:
            extras.ended(by_broker=True)
        else:
            assert extras.answered(number) == "listen"
            assert not extras.ended(by_broker=True), "the broker had another reason"
    assert extras.may_ask("listen")


def test_a_network_that_fails_is_nobodys_fault() -> None:
    extras = Extras()
    for number in range(10 * MOST):
        extras.asked(number, "listen")
        assert not extras.ended(by_broker=False)
    assert extras.may_ask("listen")


def test_other_numbers_are_other_messages() -> None:
    extras = Extras()
    extras.asked(1, "listen")
    assert extras.answered(2) is None
