from collections.abc import Callable
from contextlib import suppress

import pytest

from facemask_edge.page.login import (
    IDLE,
    LOCKED,
    LONGEST_SESSION,
    MOST_ADDRESSES,
    MOST_FAILURES,
    MOST_FAILURES_OF_ALL,
    MOST_SESSIONS,
    LockedOutError,
    Login,
    WrongPasswordError,
)

PASSWORD = "open sesame"  # noqa: S105 - of this test
HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """Goes on when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def login(clock: Clock) -> Login:
    return Login(PASSWORD, clock)


def fail(login: Login, addresses: Callable[[int], str], times: int) -> None:
    for number in range(times):
        with pytest.raises(WrongPasswordError):
            login.enter(addresses(number), "wrong")


def seconds_locked(login: Login, address: str) -> float | None:
    """How long the right password is not looked at; None where it is."""
    try:
        login.enter(address, PASSWORD)
    except LockedOutError as error:
        return error.seconds
    return None


def test_who_knows_the_password_has_a_session_of_their_own(login: Login) -> None:
    tokens = {login.enter(HOME, PASSWORD) for _ in range(5)}
    assert len(tokens) == 5
    assert all(len(token) >= 32 and login.is_open(token) for token in tokens)


@pytest.mark.parametrize("password", ["", "open sesam", "open sesame ", "OPEN SESAME", "\ud800", "ö", "x" * 60_000])
def test_whoever_does_not_has_none(password: str, login: Login) -> None:
    with pytest.raises(WrongPasswordError):
        login.enter(HOME, password)


@pytest.mark.parametrize("password", ["ünïcode pässword", "x" * 60_000, "tab\tand\x0bmore"])
def test_a_password_may_be_any_text(password: str) -> None:
    login = Login(password)
    assert login.is_open(login.enter(HOME, password))


@pytest.mark.parametrize("token", ["", "guessed", "\ud800", "ö" * 5_000])
def test_a_token_that_was_never_given_opens_nothing(token: str, login: Login) -> None:
    login.enter(HOME, PASSWORD)
    assert not login.is_open(token)
    login.leave(token)


def test_after_five_wrong_passwords_not_even_the_right_one_is_looked_at(login: Login, clock: Clock) -> None:
    fail(login, lambda _: HOME, MOST_FAILURES)
    assert seconds_locked(login, HOME) == LOCKED
    clock.now += 100
    assert seconds_locked(login, HOME) == LOCKED - 100
    assert seconds_locked(login, ELSEWHERE) is None


def test_who_goes_on_while_locked_out_is_not_locked_out_for_longer(login: Login, clock: Clock) -> None:
    fail(login, lambda _: HOME, MOST_FAILURES)
    for _ in range(50):
        clock.now += LOCKED / 51
        with pytest.raises(LockedOutError):
            login.enter(HOME, "wrong")
    clock.now += LOCKED / 51
    assert seconds_locked(login, HOME) is None


def test_the_lock_out_ends_and_then_there_are_five_again(login: Login, clock: Clock) -> None:
    fail(login, lambda _: HOME, MOST_FAILURES)
    clock.now += LOCKED
    fail(login, lambda _: HOME, MOST_FAILURES)
    assert seconds_locked(login, HOME) == LOCKED


def test_wrong_passwords_of_long_ago_are_forgotten(login: Login, clock: Clock) -> None:
    fail(login, lambda _: HOME, MOST_FAILURES - 1)
    clock.now += LOCKED
    fail(login, lambda _: HOME, MOST_FAILURES - 1)
    assert seconds_locked(login, HOME) is None


def test_whoever_waits_a_little_between_guesses_is_locked_out_all_the_same(login: Login, clock: Clock) -> None:
    for _ in range(MOST_FAILURES):
        clock.now += LOCKED - 1
        fail(login, lambda _: HOME, 1)
    assert seconds_locked(login, HOME) == LOCKED


def test_the_right_password_forgets_the_wrong_ones_of_its_address_only(login: Login) -> None:
    for address in (HOME, ELSEWHERE):
        fail(login, lambda _, address=address: address, MOST_FAILURES - 1)  # type: ignore[misc]
    login.enter(HOME, PASSWORD)
    fail(login, lambda _: HOME, MOST_FAILURES - 1)
    assert seconds_locked(login, HOME) is None
    fail(login, lambda _: ELSEWHERE, 1)
    assert seconds_locked(login, ELSEWHERE) == LOCKED


def test_who_has_many_addresses_guesses_no_faster(login: Login, clock: Clock) -> None:
    fail(login, lambda number: f"198.51.100.{number}", MOST_FAILURES_OF_ALL)
    assert seconds_locked(login, HOME) == LOCKED
    clock.now += LOCKED
    assert seconds_locked(login, HOME) is None


def test_a_right_password_does_not_forget_the_wrong_ones_of_all_addresses(login: Login) -> None:
    fail(login, lambda number: f"198.51.100.{number}", MOST_FAILURES_OF_ALL - 1)
    login.enter(HOME, PASSWORD)
    fail(login, lambda _: ELSEWHERE, 1)
    assert seconds_locked(login, "192.0.2.3") == LOCKED


def test_who_has_many_addresses_does_not_keep_out_who_came_in_before(login: Login) -> None:
    login.enter(HOME, PASSWORD)
    fail(login, lambda number: f"198.51.100.{number}", MOST_FAILURES_OF_ALL)
    assert seconds_locked(login, ELSEWHERE) == LOCKED
    assert seconds_locked(login, HOME) is None
    # From there, too, there are five guesses and no more.
    fail(login, lambda _: HOME, MOST_FAILURES)
    assert seconds_locked(login, HOME) == LOCKED


def test_what_is_remembered_of_addresses_is_bounded(login: Login, clock: Clock) -> None:
    for number in range(3 * MOST_ADDRESSES):
        # All together are locked out now and then.
        clock.now += LOCKED / MOST_FAILURES_OF_ALL
        with suppress(WrongPasswordError, LockedOutError):
            login.enter(f"10.0.{number // 250}.{number % 250}", "wrong")
    assert len(login._failures) <= MOST_ADDRESSES  # noqa: SLF001 - memory is seen from nowhere else
    assert "" in login._failures  # noqa: SLF001 - the count of all is not what is left out


@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        (lambda number: f"2001:db8:0:7::{number:x}", "2001:db8:0:8::1"),
        (lambda number: f"fe80::{number:x}%wlan0", "fe81::1%wlan0"),
        (lambda number: ["192.0.2.9", "::ffff:192.0.2.9"][number % 2], "::ffff:192.0.2.10"),
        (lambda _: "", "192.0.2.9"),
    ],
    ids=["64 bits of IPv6", "link-local", "IPv4 in IPv6", "unknown"],
)
def test_all_that_one_owner_may_have_counts_as_one_address(
    addresses: Callable[[int], str], other: str, login: Login
) -> None:
    fail(login, addresses, MOST_FAILURES)
    assert seconds_locked(login, addresses(MOST_FAILURES)) == LOCKED
    assert seconds_locked(login, other) is None


def test_a_session_ends_when_nobody_uses_it(login: Login, clock: Clock) -> None:
    token = login.enter(HOME, PASSWORD)
    for _ in range(3):
        clock.now += IDLE - 1
        assert login.is_open(token)
    clock.now += IDLE
    assert not login.is_open(token)
    clock.now -= IDLE
    assert not login.is_open(token)


def test_a_session_ends_in_any_case(login: Login, clock: Clock) -> None:
    token = login.enter(HOME, PASSWORD)
    begun = clock.now
    while clock.now + IDLE / 2 < begun + LONGEST_SESSION:
        clock.now += IDLE / 2
        assert login.is_open(token)
    clock.now = begun + LONGEST_SESSION
    assert not login.is_open(token)


def test_of_too_many_sessions_the_one_that_was_used_least_lately_ends(login: Login, clock: Clock) -> None:
    tokens = []
    for _ in range(MOST_SESSIONS):
        clock.now += 1
        tokens.append(login.enter(HOME, PASSWORD))
    assert login.is_open(tokens[0])
    tokens.append(login.enter(HOME, PASSWORD))
    assert [token for token in tokens if not login.is_open(token)] == [tokens[1]]


def test_who_leaves_has_no_session_any_more_and_others_keep_theirs(login: Login) -> None:
    mine, theirs = login.enter(HOME, PASSWORD), login.enter(ELSEWHERE, PASSWORD)
    login.leave(mine)
    assert not login.is_open(mine)
    assert login.is_open(theirs)


def test_no_password_and_no_token_is_kept_as_it_is(login: Login) -> None:
    token = login.enter(HOME, PASSWORD)
    kept = f"{vars(login)}"
    assert PASSWORD not in kept
    assert token not in kept
