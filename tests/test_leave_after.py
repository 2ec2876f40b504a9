import pytest

from facemask_edge.leave_after import LeaveAfter


def taken(intervals: list[float]) -> list[float]:
    leave_after, timestamp = LeaveAfter(1.5), 0.0
    told = [leave_after.take(timestamp)]
    for interval in intervals:
        timestamp += interval
        told.append(leave_after.take(timestamp))
    assert leave_after.seconds == told[-1]
    return told


@pytest.mark.parametrize("interval", [0.03, 0.4, 0.9])
def test_what_is_between_two_frames_comes_on_top(interval: float) -> None:
    told = taken([interval] * 10)
    # Until it is known, nothing.
    assert told[:3] == [1.5] * 3
    assert told[3:] == [pytest.approx(1.5 + interval)] * 8


@pytest.mark.parametrize(("fps", "turned"), [(2, 1.1), (3, 1.1), (5, 1.3), (10, 1.45), (30, 1.5)])
@pytest.mark.parametrize("begins", [0.0, 0.3, 0.7])
def test_who_turns_away_for_a_moment_has_not_left_however_rare_frames_are(
    fps: int, turned: float, begins: float
) -> None:
    leave_after, seen = LeaveAfter(1.5), 0.0
    for index in range(10 * fps):
        timestamp = index / fps
        leaves = leave_after.take(timestamp)
        assert timestamp - seen <= leaves + 1e-6
        if not 5 + begins / fps <= timestamp < 5 + turned + begins / fps:
            seen = timestamp


def test_rare_frames_make_it_longer_and_quick_ones_short_again() -> None:
    told = taken([2.0] * 5 + [0.1] * 5)
    # Until it is known that they are rare, one was late.
    assert told[:3] == [1.5, 3.5, 3.5]
    assert told[3:6] == [pytest.approx(5.0)] * 3
    assert told[-1] == pytest.approx(1.6)


@pytest.mark.parametrize("before", [1, 2, 5, 9])
def test_a_long_time_without_frames_changes_nothing(before: int) -> None:
    told = taken([0.1] * before + [60.0, 0.1, 60.0, 0.1])
    assert min(told) == 1.5
    assert max(told) == pytest.approx(1.6)


def test_a_shorter_pause_cuts_no_longer_one_short() -> None:
    told = taken([0.1] * 9 + [3.0] + [0.1] * 3 + [0.4] + [0.1] * 30)
    assert told[10:21] == [pytest.approx(4.6)] * 11
    assert told[25:] == [pytest.approx(1.6)] * len(told[25:])


@pytest.mark.parametrize("pause", [0.4, 1.4, 3.0, 4.4])
def test_a_pause_does_not_count_as_out_of_view(pause: float) -> None:
    told = taken([0.1] * 9 + [pause] + [0.1] * 20)
    assert told[3:10] == [pytest.approx(1.6)] * 7
    # For who was last seen before it, and not longer.
    assert told[10:25] == [pytest.approx(1.6 + pause)] * 15
    assert told[28:] == [pytest.approx(1.6)] * 3
