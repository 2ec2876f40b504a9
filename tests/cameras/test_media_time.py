from collections.abc import Iterable

import numpy as np
import pytest

from facemask_edge.cameras.media_time import MediaTime

FPS = 10
RIGHT = [index / FPS for index in range(60)]


def times_of(reported: Iterable[float]) -> list[float]:
    media_time = MediaTime(FPS)
    return [0.0, *(media_time.advance(one) for one in list(reported)[1:])]


def test_what_is_right_stays_so() -> None:
    assert times_of(RIGHT) == RIGHT
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.06, 0.4, 60)) - 0.06
    assert times_of(uneven)[1:] == pytest.approx(uneven[1:])


@pytest.mark.parametrize("wrong", [0.0, 2.0])
def test_one_wrong_time_moves_no_other(wrong: float) -> None:
    times = times_of(wrong if index in (30, 45) else time for index, time in enumerate(RIGHT))
    assert times == pytest.approx(RIGHT, abs=0.06)


def test_a_container_that_begins_anew_goes_on() -> None:
    assert times_of([*RIGHT, *RIGHT, *RIGHT]) == pytest.approx(np.arange(180) / FPS)


def test_a_container_that_says_nothing_has_a_frame_each_tenth() -> None:
    assert times_of([0.0] * 60) == pytest.approx(RIGHT)


def test_equal_times_are_made_up_for() -> None:
    doubled = [time for time in RIGHT[::2] for _ in range(2)]
    times = times_of(doubled)
    assert np.diff(times).min() > 0
    assert times[-1] == pytest.approx(RIGHT[-1])
