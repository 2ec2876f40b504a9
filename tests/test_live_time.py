from itertools import pairwise

import pytest

from facemask_edge.live_time import LiveTime


def judged(seconds: float, fps: float = 15, frames: int = 300) -> list[float]:
    """The times of the frames that a device judges which needs so many seconds for one."""
    live, times = LiveTime(), []
    for index in range(frames):
        timestamp = 7 + index / fps
        if not live.is_dropped(timestamp):
            live.judged(timestamp, seconds)
            times.append(timestamp)
    return times


@pytest.mark.parametrize("seconds", [0.001, 0.06])
def test_who_keeps_up_judges_every_frame(seconds: float) -> None:
    assert len(judged(seconds)) == 300


@pytest.mark.parametrize("seconds", [0.1, 0.13, 0.4, 1.0])
def test_who_does_not_judges_as_many_as_there_is_time_for(seconds: float) -> None:
    times = judged(seconds)
    assert len(times) == pytest.approx(20 / seconds, abs=2)
    # Always the newest: no two are further apart than one takes and a frame.
    assert max(later - earlier for earlier, later in pairwise(times)) <= seconds + 1.01 / 15


def test_pictures_of_a_slow_folder_are_all_judged() -> None:
    assert len(judged(0.5, fps=1, frames=20)) == 20
