import pytest

from facemask_edge.cameras.lag import Lag


def test_a_stream_that_keeps_up_does_not_lag() -> None:
    lag = Lag()
    found = [lag.seconds(1.0 + index / 15, 100.0 + index / 15 + (index % 3) * 0.02) for index in range(300)]
    assert max(found) < 0.1


def test_a_stream_that_is_decoded_at_half_its_rate_lags_more_and_more() -> None:
    lag = Lag()
    found = [lag.seconds(1.0 + index / 15, 100.0 + index / 7.5) for index in range(150)]
    assert found[-1] == pytest.approx(0.9 * 149 / 15, rel=0.2)


def test_a_clock_that_goes_a_little_slower_is_no_lag() -> None:
    lag = Lag()
    found = [lag.seconds(1.0 + index / 15, 100.0 + 1.02 * index / 15) for index in range(30_000)]
    assert max(found) < 0.5


def test_a_stream_that_begins_anew_is_not_late() -> None:
    lag = Lag()
    found = [lag.seconds(1.0 + index % 120 / 15, 100.0 + index / 15) for index in range(600)]
    assert max(found) < 0.1


def test_a_stream_that_begins_anew_can_lag_then() -> None:
    lag = Lag()
    lag.seconds(50.0, 100.0)
    found = [lag.seconds(1.0 + index / 15, 101.0 + index / 7.5) for index in range(150)]
    assert found[-1] > 5


def test_a_stream_without_a_time_says_nothing() -> None:
    lag = Lag()
    assert {lag.seconds(0.0, 100.0 + index) for index in range(100)} == {0.0}


@pytest.mark.parametrize("clock", [0.7, 0.9, 1.2])
def test_where_pictures_are_waited_for_the_clock_may_be_wrong(clock: float) -> None:
    lag = Lag()
    found = [lag.seconds(1.0 + clock * index / 15, 100.0 + index / 15, waited=0.05) for index in range(1_000)]
    assert max(found) == 0.0


def test_what_a_network_held_up_is_late_until_it_is_made_up_for() -> None:
    lag = Lag(1.0)
    for index in range(150):
        lag.seconds(1.0 + index / 15, 100.0 + index / 15, waited=0.05)
    # A device that needs all of its time.
    held_up = [
        lag.seconds(11.0 + index / 15, 113.0 + index / 15, waited=3.0 if index == 0 else 0.0) for index in range(15)
    ]
    assert held_up == pytest.approx([3.0] * 15, abs=0.15)
    assert lag.seconds(15.0, 114.0) == 0.0


def test_the_first_picture_may_have_waited_until_one_is_waited_for() -> None:
    lag = Lag(1.0)
    found = [lag.seconds(1.0 + index / 15, 100.0 + index / 100) for index in range(9)]
    assert found[0] == 1.0
    assert found[-1] == pytest.approx(1.0 - 8 / 15 + 0.08, abs=0.01)
    assert lag.seconds(1.6, 100.14, waited=0.06) == 0.0
    assert lag.seconds(1.6 + 1 / 15, 100.24) == pytest.approx(0.1 - 1 / 15, abs=0.01)


def test_the_first_that_is_waited_for_is_late_where_a_network_held_it_up() -> None:
    lag = Lag()
    for index in range(150):
        # A device that is just quick enough.
        lag.seconds(1.0 + index / 15, 100.0 + index / 15, waited=0.02)
    held_up = [lag.seconds(11.0, 111.5, waited=1.5), *(lag.seconds(11.0 + i / 15, 111.5 + i / 20) for i in range(1, 9))]
    assert held_up == pytest.approx([1.5 - max(i / 15 - i / 20, 0) for i in range(9)], abs=0.1)
