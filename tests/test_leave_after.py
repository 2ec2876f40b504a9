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


def test_frames_that_follow_each_other_quickly_leave_it_as_it_is() -> None:
    assert set(taken([0.03] * 10)) == set(taken([0.4] * 10)) == {1.5}


def test_rare_frames_make_it_longer_and_quick_ones_short_again() -> None:
    told = taken([2.0] * 5 + [0.1] * 5)
    # Until it is known that they are rare, one was late.
    assert told[:3] == [1.5, 3.5, 3.5]
    assert told[3:6] == [pytest.approx(5.0)] * 3
    assert told[-1] == 1.5


@pytest.mark.parametrize("before", [1, 2, 5, 9])
def test_a_long_time_without_frames_changes_nothing(before: int) -> None:
    assert set(taken([0.1] * before + [60.0, 0.1, 60.0, 0.1])) == {1.5}


def test_a_shorter_pause_cuts_no_longer_one_short() -> None:
    told = taken([0.1] * 9 + [3.0] + [0.1] * 3 + [0.4] + [0.1] * 30)
    assert told[10:21] == [pytest.approx(4.5)] * 11
    assert told[24:] == [1.5] * len(told[24:])


@pytest.mark.parametrize("pause", [0.4, 1.4, 3.0, 4.4])
def test_a_pause_does_not_count_as_out_of_view(pause: float) -> None:
    told = taken([0.1] * 9 + [pause] + [0.1] * 20)
    assert told[:10] == [1.5] * 10
    # For who was last seen before it, and not longer.
    assert told[10:25] == [pytest.approx(1.5 + pause)] * 15
    assert told[27:] == [1.5] * 4
