from collections.abc import Mapping, Sequence
from itertools import count

from facemask_edge.compliance import Compliance
from facemask_edge.config import ComplianceConfig
from facemask_edge.values import Box, Label, Track, Violation


def track(name: str = "a", height: float = 100) -> Track:
    return Track(name, Box(10, 20, 0.8 * height, height), 0.9)


def new_compliance(**settings: float) -> Compliance:
    numbers = count()
    config = ComplianceConfig.model_validate(settings)
    return Compliance(config, new_id=lambda: f"id-{next(numbers)}")


def play(
    compliance: Compliance,
    looks: Sequence[Mapping[str, float | None]],
    *,
    start: float = 0.0,
    step: float = 0.1,
) -> list[Violation]:
    """Feed frames: each says who is in view, with a probability or None where the classifier would not look."""
    events = []
    for index, look in enumerate(looks):
        tracks = [track(name) for name in look]
        probabilities = {name: value for name, value in look.items() if value is not None}
        events += compliance.update(tracks, probabilities, start + index * step)
    return events


def summary(events: Sequence[Violation]) -> list[tuple[str, str | None]]:
    return [(event.event_type, event.reason) for event in events]


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
    looks: list[Mapping[str, float | None]] = [*[{"a": 0.99}] * 10, *[{"a": 0.01}] * 10, *[{"a": 0.99}] * 80]
    quick = play(new_compliance(cooldown=0), looks)
    assert summary(quick)[:3] == [("violation_start", None), ("violation_end", "mask_on"), ("violation_start", None)]
    slow = play(new_compliance(cooldown=5), looks)
    assert summary(slow) == summary(quick)
    assert slow[2].timestamp - slow[1].timestamp >= 5 > quick[2].timestamp - quick[1].timestamp
    assert slow[2].id != slow[0].id


def test_a_short_absence_ends_nothing() -> None:
    events = play(new_compliance(leave_after=1), [{"a": 0.99}] * 10 + [{}] * 8 + [{"a": 0.99}] * 10)
    assert summary(events) == [("violation_start", None)]


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
    looks: list[Mapping[str, float | None]] = [{"a": 0.7}] * 30
    assert summary(play(new_compliance(threshold=0.5), looks)) == [("violation_start", None)]
    assert play(new_compliance(threshold=0.9), looks) == []


def test_small_faces_are_not_judged_and_larger_ones_weigh_more() -> None:
    compliance = new_compliance(min_face_height=40)
    assert compliance.worth_classifying([track(height=39)], 0.0) == []
    looks = {}
    for height in (40, 80):
        compliance = new_compliance(min_face_height=40)
        events: list[Violation] = []
        while not events:
            events = compliance.update([track(height=height)], {"a": 0.99}, 0.0)
        looks[height] = events[0].observations
    assert looks[40] > looks[80]


def test_undecided_faces_come_first_then_the_longest_unseen_within_the_budget() -> None:
    compliance = new_compliance(classifications_per_frame=2, recheck_interval=0.5)
    old, older = track("old"), track("older")
    for index in range(10):
        compliance.update([older, old], {"older": 0.01, "old": 0.01}, 0.1 * index)
    compliance.update([older, old], {"old": 0.01}, 1.0)
    new, newer = track("new"), track("newer")
    assert compliance.worth_classifying([old, older, new, newer], 2.0) == [new, newer]
    compliance.update([old, older, new], {"new": 0.01}, 2.0)
    assert compliance.worth_classifying([old, older, new, newer], 2.1) == [newer, new]
    assert compliance.worth_classifying([old, older], 2.1) == [older, old]


def test_decided_faces_are_looked_at_again_only_after_the_interval() -> None:
    compliance = new_compliance(recheck_interval=0.5)
    play(compliance, [{"a": 0.01}] * 10)
    assert compliance.worth_classifying([track()], 1.0) == []
    assert compliance.worth_classifying([track()], 1.5) == [track()]


def test_a_decided_face_that_wavers_is_urgent_again() -> None:
    compliance = new_compliance(recheck_interval=10)
    play(compliance, [{"a": 0.01}] * 10 + [{"a": 0.99}])
    assert compliance.worth_classifying([track()], 1.1) == [track()]
