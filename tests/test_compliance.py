from dataclasses import replace

import numpy as np
import pytest

from facemask_edge.compliance import LONGEST_ASIDE
from facemask_edge.person import SHARP
from facemask_edge.values import Label, Look, Track, Violation
from tests.judging import BUDGET, InView, clear, new_compliance, play, summary, track


def test_a_bare_face_starts_once_and_ends_once_when_it_leaves() -> None:
    compliance = new_compliance(leave_after=0.5)
    events = play(compliance, [{"a": 0.99}] * 50 + [{}] * 10)
    assert summary(events) == [("violation_start", None), ("violation_end", "left")]
    start, end = events
    assert start.id == end.id == "id-0"
    assert start.observations == 3
    assert end.duration is not None
    assert abs(end.duration - (4.9 - start.timestamp)) < 1e-9
    assert end.timestamp == 4.9


def test_a_masked_face_starts_nothing() -> None:
    assert play(new_compliance(), [{"a": 0.02}] * 50 + [{}] * 30) == []


def test_one_certain_look_decides_nothing() -> None:
    compliance = new_compliance()
    assert play(compliance, [{"a": 0.99}, {"a": 0.99}, {}]) == []
    assert play(compliance, [{"a": None}], start=0.3) == []
    assert [verdict.label for verdict in compliance.verdicts()] == [Label.UNDETERMINED]


def test_what_is_no_face_at_a_closer_look_gathers_its_evidence_anew() -> None:
    compliance, asked = new_compliance(), []

    def at_the_second_time(face: Track) -> bool:
        asked.append(face.id)
        return len(asked) > 1

    (start,) = play(compliance, [{"a": 0.99}] * 50, is_face=at_the_second_time)
    assert asked == ["a", "a"]
    assert start.observations == 6


def test_a_closer_look_is_taken_at_nobody_but_who_becomes_bare() -> None:
    def never(_: Track) -> bool:
        pytest.fail("looked at closer")

    compliance = new_compliance()
    play(compliance, [{"a": 0.02, "b": 0.6}] * 8, is_face=never)
    play(compliance, [{"c": 0.99}] * 3, start=0.8)
    play(compliance, [{"c": 0.99}] * 20 + [{"c": 0.5}] * 5, start=1.1, is_face=never)


def test_a_closer_look_follows_the_look_that_decides() -> None:
    compliance, asked = new_compliance(), []

    def is_face(face: Track) -> bool:
        asked.append(face.id)
        return True

    everybody: dict[str, float | None] = {str(number): 0.99 for number in range(8)}
    counts = []
    for frame in range(6):
        play(compliance, [everybody], start=0.1 * frame, is_face=is_face)
        counts.append(len(asked))
    assert counts == [0, 0, 8, 8, 8, 8]
    assert compliance.open_violations == 8


def test_what_was_no_face_keeps_the_label_it_had() -> None:
    compliance = new_compliance()
    play(compliance, [{"a": 0.01}] * 5)
    assert play(compliance, [{"a": 0.99}] * 50, start=0.5, is_face=lambda _: False) == []
    assert [verdict.label for verdict in compliance.verdicts()] == [Label.MASK]


def test_uncertain_looks_stay_undetermined() -> None:
    compliance = new_compliance()
    assert play(compliance, [{"a": 0.55}, {"a": 0.45}] * 50) == []
    (verdict,) = compliance.verdicts()
    assert verdict.label is Label.UNDETERMINED
    assert verdict.probability is not None
    assert 0.45 < verdict.probability < 0.55
    assert verdict.observations == 100


def test_a_few_wrong_looks_change_no_decision() -> None:
    events = play(new_compliance(), [{"a": 0.99}] * 10 + [{"a": 0.01}] * 3 + [{"a": 0.99}] * 10)
    assert summary(events) == [("violation_start", None)]


def test_a_mask_that_is_put_on_ends_the_violation() -> None:
    events = play(new_compliance(), [{"a": 0.99}] * 10 + [{"a": 0.01}] * 20)
    assert summary(events) == [("violation_start", None), ("violation_end", "mask_on")]


def test_a_mask_that_is_taken_off_starts_one() -> None:
    events = play(new_compliance(), [{"a": 0.01}] * 10 + [{"a": 0.99}] * 20)
    assert summary(events) == [("violation_start", None)]


def test_the_cooldown_keeps_the_same_person_from_starting_again_at_once() -> None:
    looks: list[InView] = [*[{"a": 0.99}] * 10, *[{"a": 0.01}] * 10, *[{"a": 0.99}] * 80]
    quick = play(new_compliance(cooldown=0), looks)
    assert summary(quick)[:3] == [("violation_start", None), ("violation_end", "mask_on"), ("violation_start", None)]
    slow = play(new_compliance(cooldown=5), looks)
    assert summary(slow) == summary(quick)
    assert slow[2].timestamp - slow[1].timestamp >= 5 > quick[2].timestamp - quick[1].timestamp
    assert slow[2].id != slow[0].id


def test_a_short_absence_ends_nothing() -> None:
    events = play(new_compliance(leave_after=1), [{"a": 0.99}] * 10 + [{}] * 8 + [{"a": 0.99}] * 10)
    assert summary(events) == [("violation_start", None)]


@pytest.mark.parametrize("seconds", [2, 9, 60])
def test_who_is_aside_has_not_left_for_a_while(seconds: int) -> None:
    compliance = new_compliance(leave_after=1.0)
    events = play(compliance, [{"a": 0.99}] * 10)
    for index in range(seconds * 10):
        events += compliance.update([], {}, 1 + index / 10, aside=["a", "nobody that is known"])
        assert compliance.verdicts() == []
    events += play(compliance, [{"a": 0.99}] * 10, start=1.0 + seconds)
    reasons: list[str | None] = [event.reason for event in events]
    assert reasons == ([None] if seconds < LONGEST_ASIDE else [None, "left", None])
    # It was over when they were seen last.
    assert [event.timestamp for event in events[1:2]] == [0.9] * (len(events) > 1)


def test_who_is_aside_no_more_has_left() -> None:
    compliance = new_compliance(leave_after=1.0)
    events = play(compliance, [{"a": 0.99}] * 10)
    for index in range(30):
        events += compliance.update([], {}, 1 + index / 10, aside=["a"])
    assert len(events) == 1
    events += play(compliance, [{}] * 12, start=4.0)
    assert summary(events)[1:] == [("violation_end", "left")]
    assert events[1].timestamp == 0.9


def test_two_people_are_two_violations() -> None:
    events = play(new_compliance(), [{"a": 0.99, "b": 0.99, "c": 0.01}] * 10)
    assert [(event.event_type, event.track.id) for event in events] == [
        ("violation_start", "a"),
        ("violation_start", "b"),
    ]
    assert len({event.id for event in events}) == 2


def test_finishing_ends_what_is_open_when_it_was_last_seen() -> None:
    compliance = new_compliance()
    play(compliance, [{"a": 0.99}] * 10 + [{}])
    (end,) = compliance.finish("stopped")
    assert (end.event_type, end.reason, end.timestamp) == ("violation_end", "stopped", 0.9)
    assert compliance.finish("stopped") == []
    assert compliance.verdicts() == []


def test_probabilities_of_zero_and_one_are_bounded() -> None:
    events = play(new_compliance(), [{"a": 1.0}] * 10 + [{"a": 0.0}] * 20)
    assert summary(events) == [("violation_start", None), ("violation_end", "mask_on")]


def test_the_threshold_moves_the_decision() -> None:
    looks: list[InView] = [{"a": 0.7}] * 30
    assert summary(play(new_compliance(threshold=0.5), looks)) == [("violation_start", None)]
    assert play(new_compliance(threshold=0.9), looks) == []


def looks_needed(face: Track, look: Look, **settings: float) -> int:
    """How many looks of the same kind a bare face needs until it starts a violation."""
    compliance = new_compliance(**settings)
    for _ in range(100):
        events = compliance.update([face], {face.id: look}, 0.0)
        if events:
            return events[0].observations
    raise AssertionError(look)


def test_small_faces_are_not_judged_and_larger_ones_weigh_more() -> None:
    compliance = new_compliance(min_face_height=40)
    assert compliance.worth_classifying([track(height=39)], 0.0, BUDGET) == []
    small, large = (looks_needed(track(height=height), clear(0.99), min_face_height=40) for height in (40, 60))
    assert (small, large) == (5, 3)


def test_blurred_faces_and_unlikely_ones_weigh_less() -> None:
    face = track()
    assert looks_needed(face, clear(0.99)) == 3
    assert looks_needed(face, Look(0.99, sharpness=SHARP / 2)) == 6
    assert looks_needed(replace(face, score=0.4), clear(0.99)) == 6
    assert looks_needed(face, clear(0.8)) > 3
    nothing_to_see = play_one(face, Look(0.99, sharpness=0.0), 100)
    assert nothing_to_see == []


def play_one(face: Track, look: Look, frames: int) -> list[Violation]:
    compliance = new_compliance()
    return [event for index in range(frames) for event in compliance.update([face], {face.id: look}, 0.1 * index)]


def test_who_stands_there_for_an_hour_is_one_violation_with_one_end() -> None:
    random = np.random.default_rng(0)
    compliance = new_compliance()
    events: list[Violation] = []
    for index in range(5 * 3600):
        second = 0.2 * index
        # One look in a hundred is wrong, and the detector misses the face in one frame of twenty.
        in_view = [] if random.random() < 0.05 else [track()]
        chosen = compliance.worth_classifying(in_view, second, BUDGET)
        looks = {face.id: clear(0.03 if random.random() < 0.01 else 0.97) for face in chosen}
        events += compliance.update(in_view, looks, second)
    events += play(compliance, [{}] * 3, start=3601, step=1)
    assert summary(events) == [("violation_start", None), ("violation_end", "left")]
    assert events[1].duration is not None
    assert events[1].duration > 3590


def test_who_takes_the_mask_off_again_soon_starts_another_violation() -> None:
    compliance = new_compliance()
    looks: list[InView] = [*[{"a": 0.99}] * 10, *[{"a": 0.01}] * 40, *[{"a": 0.99}] * 40]
    events = play(compliance, looks)
    assert summary(events) == [("violation_start", None), ("violation_end", "mask_on"), ("violation_start", None)]
    assert events[0].id != events[2].id
    assert events[2].timestamp < 6.0


def test_while_it_is_doubtful_who_is_in_view_nothing_starts_and_no_mask_is_put_on() -> None:
    compliance = new_compliance()
    play(compliance, [{"bare": 0.99}] * 3)
    compliance.is_doubtful = True
    looks = [{"bare": 0.01, "new": 0.99, "gone": 0.99}] * 9
    assert play(compliance, looks, start=0.3) == []
    compliance.is_doubtful = False
    events = play(compliance, [{"bare": None, "new": None}], start=1.2)
    # Also who was seen in doubt only: it was the same scene all along.
    assert [(event.event_type, event.reason, event.track.id, event.timestamp) for event in events] == [
        ("violation_end", "mask_on", "bare", 1.2),
        ("violation_start", None, "new", 1.2),
        ("violation_start", None, "gone", pytest.approx(1.1)),
    ]
    # Whoever is not seen again is gone, doubtful or not.
    compliance.is_doubtful = True
    ends = play(compliance, [{}] * 20, start=1.3)
    assert [(end.reason, end.track.id, end.duration) for end in ends] == [("left", "new", 0.0), ("left", "gone", 0.0)]


def test_what_is_seen_while_it_is_doubtful_changes_no_decision() -> None:
    compliance = new_compliance()
    decided, new = track("decided"), track("new")
    play(compliance, [{"decided": 0.99}] * 4)
    compliance.is_doubtful = True
    assert compliance.worth_classifying([decided, new], 5.0, 9) == [new]
    compliance.is_doubtful = False
    assert compliance.worth_classifying([decided, new], 5.0, 9) == [decided, new]


def test_who_is_gone_when_a_long_doubt_is_over_was_there() -> None:
    compliance = new_compliance(leave_after=0.3)
    compliance.is_doubtful = True
    assert play(compliance, [{"a": 0.99}] * 4 + [{}] * 10) == []
    compliance.is_doubtful = False
    events = play(compliance, [{}] * 9, start=1.4)
    assert summary(events) == [("violation_start", None), ("violation_end", "left")]
    assert events[0].id == events[1].id
    assert [event.timestamp for event in events] == pytest.approx([0.3, 0.3])


def test_who_paces_over_the_edge_of_a_zone_does_not_start_again_before_the_cooldown_is_over() -> None:
    compliance = new_compliance(cooldown=10, leave_after=1)
    # Two seconds inside, two beyond, always under the same id.
    events = [
        event
        for lap in range(4)
        for event in play(compliance, [{"a": 0.99}] * 20 + [{}] * 20, start=4 * lap)
        if event.event_type == "violation_start"
    ]
    assert [event.timestamp < 1 for event in events] == [True, False]
    assert events[1].timestamp - events[0].timestamp > 10


def test_a_long_time_without_frames_ends_what_was_open() -> None:
    compliance = new_compliance()
    play(compliance, [{"a": 0.99}] * 10)
    events = play(compliance, [{"a": 0.99}] * 10, start=600)
    assert summary(events) == [("violation_end", "left"), ("violation_start", None)]
    assert events[0].timestamp == 0.9
    assert events[1].id != events[0].id


def test_how_violations_would_end_now_is_told_without_ending_them() -> None:
    compliance = new_compliance()
    assert compliance.ends_now("restart") == []
    (started,) = play(compliance, [{"a": 0.99, "b": 0.01}] * 20)
    (ended,) = compliance.ends_now("restart")
    assert (ended.id, ended.event_type, ended.reason) == (started.id, "violation_end", "restart")
    assert ended.duration == pytest.approx(1.9 - started.timestamp)
    assert summary(compliance.finish("stopped")) == [("violation_end", "stopped")]


def test_of_people_who_are_gone_nothing_stays_when_the_cooldown_is_over() -> None:
    compliance = new_compliance(cooldown=2, leave_after=1)
    for number in range(50):
        play(compliance, [{str(number): 0.99}] * 5 + [{}] * 5, start=number)
    play(compliance, [{}], start=60)
    assert not compliance._people  # noqa: SLF001 - it is to be seen nowhere else
    assert not compliance._quiet  # noqa: SLF001 - likewise
