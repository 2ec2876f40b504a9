from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from facemask_edge.compliance import Compliance
from facemask_edge.person import SHARP
from facemask_edge.schedule import RECHECKS, REFUSALS
from facemask_edge.values import Label, Look
from tests.judging import BUDGET, clear, new_compliance, play, play_looks, track


def test_what_is_no_face_is_soon_looked_at_as_rarely_as_the_decided() -> None:
    compliance = new_compliance()
    looked = [0.1 * frame for frame in range(100) if look_if_chosen(compliance, 0.1 * frame)]
    first = 3 * REFUSALS
    assert looked[:first] == pytest.approx(np.arange(first) / 10)
    # As any decided face, but for a frame where floats say so.
    assert np.diff(looked[first - 1 :]) == pytest.approx(0.5, abs=0.11)


def test_who_was_no_face_and_is_decided_about_is_looked_at_at_once_again() -> None:
    compliance = new_compliance()
    for frame in range(30):
        look_if_chosen(compliance, 0.1 * frame)
    play(compliance, [{"a": 0.01}] * 8, start=3.0)
    # The mask is taken off: the look that says so makes the next ones urgent.
    play(compliance, [{"a": 0.99}], start=4.0)
    assert compliance.worth_classifying([track()], 4.1, BUDGET)


def look_if_chosen(compliance: Compliance, timestamp: float) -> bool:
    """Judge a bare thing that is no face, if it is worth it."""
    face = track()
    chosen = compliance.worth_classifying([face], timestamp, BUDGET)
    compliance.update([face], {one.id: clear(0.99) for one in chosen}, timestamp, lambda _: False)
    return bool(chosen)


def test_new_faces_come_first_then_the_one_not_looked_at_for_longest_within_the_budget() -> None:
    compliance = new_compliance(recheck_interval=0.5)
    old, older, oldest = track("old"), track("older"), track("oldest")
    decided = [old, older, oldest]
    for index in range(10):
        compliance.update(decided, {face.id: clear(0.01) for face in decided}, 0.1 * index)
    compliance.update(decided, {"old": clear(0.01), "older": clear(0.01)}, 1.0)
    compliance.update(decided, {"old": clear(0.01)}, 1.1)
    new, newer = track("new"), track("newer")
    everybody = [*decided, new, newer]
    assert compliance.worth_classifying(everybody, 2.0, 1) == [new]
    assert compliance.worth_classifying(everybody, 2.0, 2) == [new, newer]
    assert compliance.worth_classifying(everybody, 2.0, 9) == [new, newer, oldest]
    compliance.update(everybody, {"new": clear(0.01), "oldest": clear(0.01)}, 2.0)
    assert compliance.worth_classifying(everybody, 2.1, 9) == [new, newer, older]
    assert compliance.worth_classifying(decided, 2.1, 0) == []


def test_decided_faces_are_looked_at_again_only_after_the_interval() -> None:
    compliance = new_compliance(recheck_interval=0.5)
    play(compliance, [{"a": 0.01}] * 10)
    assert compliance.worth_classifying([track()], 1.0, BUDGET) == []
    assert compliance.worth_classifying([track()], 1.5, BUDGET) == [track()]


def test_a_decided_face_that_is_contradicted_is_urgent_until_it_agrees_again() -> None:
    compliance = new_compliance(recheck_interval=10)
    play(compliance, [{"a": 0.01}] * 10 + [{"a": 0.99}])
    assert compliance.worth_classifying([track()], 1.1, BUDGET) == [track()]
    play(compliance, [{"a": 0.01}], start=1.1)
    assert compliance.worth_classifying([track()], 1.2, BUDGET) == []


def test_a_face_that_never_decides_is_looked_at_ever_more_rarely() -> None:
    compliance = new_compliance(recheck_interval=0.5, min_observations=3)
    poster = track("poster")
    looked = []
    for index in range(100):
        chosen = compliance.worth_classifying([poster], 0.1 * index, BUDGET)
        compliance.update([poster], {face.id: clear(0.5) for face in chosen}, 0.1 * index)
        looked.append(len(chosen))
    assert sum(looked[:9]) == 9
    assert 15 <= sum(looked[9:]) <= 19


def test_a_crowd_is_decided_soon_and_costs_little_from_then_on() -> None:
    compliance = new_compliance()
    crowd = [track(str(number)) for number in range(100)]
    looked = []
    for index in range(150):
        chosen = compliance.worth_classifying(crowd, index / 15, BUDGET)
        compliance.update(crowd, {face.id: clear(0.01) for face in chosen}, index / 15)
        looked.append(len(chosen))
        if index == 44:
            assert all(verdict.label is Label.MASK for verdict in compliance.verdicts())
    assert max(looked) == BUDGET
    assert set(looked[45:]) == {RECHECKS}
    assert {person.observations for person in compliance.verdicts()} == {4, 5}


@pytest.mark.parametrize("others", [0, 9, 30])
def test_who_turns_round_after_a_while_is_judged_soon(others: int) -> None:
    compliance = new_compliance()
    tracks = [track("late"), *(track(str(number)) for number in range(others))]

    def look_of(name: str, now: float) -> Look:
        return clear(0.01) if name != "late" else clear(0.99 if now >= 4 else 0.5)

    events, _ = play_looks(compliance, tracks, look_of, seconds=8)
    assert [event.track.id for event in events] == ["late"]
    assert events[0].timestamp <= 5.0


def test_looks_that_tell_nothing_contradict_nobody_and_starve_nobody() -> None:
    compliance = new_compliance()
    tracks = [track("off"), *(track(str(number)) for number in range(12))]

    def look_of(name: str, now: float) -> Look:
        if name == "off":
            return clear(0.99 if now >= 10 else 0.01)
        return clear(0.01) if now < 3 else Look(0.52, sharpness=0.02)

    events, looked = play_looks(compliance, tracks, look_of, seconds=20)
    assert [event.track.id for event in events] == ["off"]
    assert events[0].timestamp < 12.5
    assert sum(looked[60:120]) <= 2 * 60


def test_with_a_budget_of_one_neither_urgent_nor_decided_faces_starve() -> None:
    compliance = new_compliance()
    decided = track("decided")
    play_looks(compliance, [decided], lambda *_: clear(0.01), seconds=2)
    wavering = [track(str(number)) for number in range(5)]

    def look_of(name: str, now: float) -> Look:
        # Those that waver tell something each time, once for and once against.
        return clear(0.99 if name == "decided" or int(now * 15) % 2 else 0.01)

    events, _ = play_looks(compliance, [decided, *wavering], look_of, seconds=20, start=2.0, budget=1)
    assert "decided" in {event.track.id for event in events}
    assert min(verdict.observations for verdict in compliance.verdicts()) > 10


@pytest.mark.parametrize(
    ("budget", "fps", "others", "wavering"), [(1, 3, 2, 0), (1, 8, 4, 0), (1, 15, 9, 0), (2, 8, 4, 1)]
)
def test_who_turns_round_is_judged_though_somebody_decided_is_always_due(
    budget: int, fps: int, others: int, wavering: int
) -> None:
    compliance = new_compliance()
    names = ["late", *(f"wavering {number}" for number in range(wavering)), *(str(number) for number in range(others))]

    def look_of(name: str, now: float) -> Look:
        if name == "late":
            return clear(0.99 if now >= 20 else 0.5)
        return clear(0.9 if int(now * fps) % 2 else 0.1) if name.startswith("wavering") else clear(0.01)

    events, _ = play_looks(compliance, [track(name) for name in names], look_of, seconds=30, fps=fps, budget=budget)
    assert [event.track.id for event in events] == ["late"]
    assert events[0].timestamp <= 22


@pytest.mark.parametrize(("fps", "size"), [(4, 5), (5, 6), (8, 10)])
def test_with_few_looks_some_of_a_group_are_judged_instead_of_nobody(fps: int, size: int) -> None:
    # In view for four seconds, with one look a frame.
    names = [str(number) for number in range(size)]
    events, _ = play_looks(
        new_compliance(), [track(name) for name in names], lambda *_: clear(0.99), seconds=4, fps=fps, budget=1
    )
    assert len({event.track.id for event in events}) >= size / 2


def test_who_takes_the_mask_off_amid_new_people_is_reported() -> None:
    compliance, events = new_compliance(), []
    stays = track("stays")
    for index in range(4 * 40):
        now = index / 4
        # Two new people a second, each in view for four seconds: more than four looks a second can decide about.
        people = [track(str(number)) for number in range(80) if number / 2 <= now < number / 2 + 4]
        chosen = compliance.worth_classifying([*people, stays], now, 1)
        looks = {one.id: clear(0.01 if one.id == "stays" and now < 20 else 0.99) for one in chosen}
        events += compliance.update([*people, stays], looks, now)
    started = {event.track.id: event.timestamp for event in events if event.event_type == "violation_start"}
    assert 20 < started["stays"] < 24
    assert len(started) > 30


def test_the_newest_is_begun_with_first_but_nobody_waits_for_ever() -> None:
    compliance = new_compliance()
    first, second = track("first"), track("second")
    compliance.update([first], {}, 0.0)
    assert compliance.worth_classifying([first, second], 0.1, 1) == [second]
    turns = [compliance.worth_classifying([first, second], now, 1) for now in (2.0, 2.1, 2.2)]
    assert sorted(face.id for (face,) in turns) == ["first", "second", "second"]


@pytest.mark.parametrize("sharpness", [0.1, 0.04, 0.02])
def test_weak_looks_that_agree_decide_soon(sharpness: float) -> None:
    events, _ = play_looks(new_compliance(), [track("a")], lambda *_: Look(0.99, sharpness=sharpness), seconds=3)
    assert [event.event_type for event in events] == ["violation_start"]
    assert events[0].timestamp <= 3 * SHARP / sharpness / 15 + 0.01


def test_what_can_hardly_be_seen_is_looked_at_rarely() -> None:
    _, looked = play_looks(new_compliance(), [track("a")], lambda *_: Look(0.99, sharpness=0.001), seconds=10)
    assert sum(looked[30:]) < 20


@pytest.mark.parametrize("people", [1, 2, 9])
def test_closer_looks_are_announced_by_who_is_nearly_decided(people: int) -> None:
    compliance = new_compliance()
    faces, masked = [track(str(number)) for number in range(people)], track("masked")
    looks = {face.id: clear(0.99) for face in faces} | {"masked": clear(0.01)}
    announced = []
    for index in range(6):
        compliance.update([*faces, masked], looks, index / 10)
        announced.append(compliance.closer_looks_ahead([*faces, masked]))
    assert announced == [0, people, 0, 0, 0, 0]


def test_where_one_look_decides_each_new_face_may_take_a_closer_one() -> None:
    compliance = new_compliance(min_observations=1)
    faces = [track(str(number)) for number in range(3)]
    assert compliance.closer_looks_ahead(faces) == 3
    compliance.update(faces, {"0": clear(0.01), "1": clear(0.6)}, 0.0)
    assert compliance.closer_looks_ahead(faces) == 2


def test_no_time_is_kept_for_whom_no_closer_look_is_taken_at() -> None:
    compliance = new_compliance()
    face, new = track("a"), track("new")
    compliance.update([face], {"a": clear(0.99)}, 0.0)
    compliance.update([face], {"a": clear(0.99)}, 0.1)
    assert compliance.closer_looks_ahead([face, new]) == 1
    # Half out of the frame, or not in view.
    assert compliance.closer_looks_ahead([new]) == 0
    for index in range(9):
        compliance.update([face], {"a": clear(0.5)}, 0.2 + index / 10)
    assert compliance.closer_looks_ahead([face, new]) == 0


def test_who_wavers_for_ever_costs_newcomers_nothing() -> None:
    compliance, random = new_compliance(), np.random.default_rng(0)
    stands, reported = track("stands"), set[str]()
    for index in range(600):
        now = index / 5
        newcomer = track(f"{index // 25}")
        tracks = [stands, newcomer] if index % 25 < 10 else [stands]
        weak = Look(0.99 if random.random() < 0.5 else 0.01, sharpness=0.02)
        chosen = compliance.worth_classifying(tracks, now, 1)
        looks = {one.id: weak if one is stands else clear(0.99) for one in chosen}
        reported |= {event.track.id for event in compliance.update(tracks, looks, now)}
    assert len(reported - {"stands"}) == 24


def test_weak_contradictions_come_after_new_people() -> None:
    compliance = new_compliance()
    decided, new = track("decided"), track("new")
    play(compliance, [{"decided": 0.01}] * 4)
    compliance.update([decided], {"decided": Look(0.99, sharpness=0.03)}, 0.5)
    assert compliance.worth_classifying([decided, new], 0.6, 9) == [new, decided]
    compliance.update([decided], {"decided": clear(0.99)}, 0.7)
    assert compliance.worth_classifying([decided, new], 0.8, 9) == [decided, new]


def test_who_is_nearest_to_a_decision_comes_first_and_who_made_no_progress_after_new_people() -> None:
    compliance = new_compliance()
    wavering, begun, nearer, new = (track(name) for name in ("wavering", "begun", "nearer", "new"))
    for index in range(11):
        # As often bare as masked, but for one look.
        compliance.update([wavering], {"wavering": clear(0.99 if index % 2 else 0.01)}, index / 10)
    compliance.update([begun, nearer], {"begun": clear(0.01), "nearer": clear(0.99)}, 1.0)
    compliance.update([begun, nearer], {"nearer": clear(0.99)}, 1.1)
    assert compliance.worth_classifying([new, wavering, begun, nearer], 1.2, 9) == [nearer, begun, new, wavering]


@pytest.mark.parametrize(("fps", "budget"), [(4, 1), (8, 1), (4, 2)])
@pytest.mark.parametrize("sharpness", [0.05, 0.03, 0.015, 0.0045])
def test_who_is_clearly_seen_is_reported_before_blurred_people(fps: int, budget: int, sharpness: float) -> None:
    compliance = new_compliance()
    reported = set[str]()
    for index in range(60 * fps):
        now = index / fps
        # In the background always six, each for ten seconds; close to the camera one every five seconds, for three.
        background = [track(f"blurred {number}") for number in range(42) if 0 <= now + 10 - number * 10 / 6 < 10]
        near = [track(f"near {index // (5 * fps)}")] if now % 5 < 3 else []
        chosen = compliance.worth_classifying([*background, *near], now, budget)
        looks = {one.id: Look(0.99, 0.5 if one.id.startswith("near") else sharpness) for one in chosen}
        reported |= {event.track.id for event in compliance.update([*background, *near], looks, now)}
    assert len({name for name in reported if name.startswith("near")}) == 12


def test_of_a_group_that_takes_its_masks_off_some_are_reported_soon_instead_of_all_late() -> None:
    names = [str(number) for number in range(10)]
    events, _ = play_looks(
        new_compliance(),
        [track(name) for name in names],
        lambda _, now: clear(0.99 if now >= 30 else 0.01),
        seconds=38,
        fps=4,
        budget=1,
    )
    assert len(events) >= 3
    assert events[0].timestamp < 33


def bare_from(moment: float) -> Callable[[str, float], Look]:
    """Of somebody, the looks after the mask was taken off; all others wear one."""
    return lambda name, now: clear(0.99 if name == "1" and now >= moment else 0.01)


@pytest.mark.parametrize(("fps", "people", "most"), [(15, 30, 2.5), (15, 3, 1.0), (5, 30, 7.5), (5, 3, 2.0)])
def test_a_mask_that_is_taken_off_is_noticed_as_soon_as_the_documents_say(fps: int, people: int, most: float) -> None:
    tracks = [track(str(number)) for number in range(people)]
    seconds = []
    for step in range(40):
        off = 8 + step / 7
        events, _ = play_looks(new_compliance(), tracks, bare_from(off), seconds=off + 10, fps=fps)
        seconds.append(events[0].timestamp - off)
    assert 0.9 * most < max(seconds) <= most


def test_what_was_no_face_and_is_one_now_is_as_near_to_a_decision_as_others() -> None:
    compliance = new_compliance()
    refused, new = track("refused"), track("new")
    for index in range(4):
        compliance.update([refused], {"refused": clear(0.99)}, index / 10, lambda _: False)
    assert compliance.worth_classifying([new, refused], 0.4, 9) == [refused, new]


@pytest.mark.parametrize("sharpness", [0.05, 0.03])
def test_weak_looks_that_contradict_a_decision_change_it_soon(sharpness: float) -> None:
    events, _ = play_looks(
        new_compliance(), [track("a")], lambda _, now: Look(0.99 if now >= 5 else 0.01, sharpness=sharpness), seconds=9
    )
    (start,) = events
    assert 5 < start.timestamp < 8.2


@pytest.mark.parametrize("repeated", [0, 1])
def test_frames_that_may_cost_nothing_are_no_turn(repeated: int) -> None:
    compliance = new_compliance()
    decided = [track(str(number)) for number in range(40)]
    play_looks(compliance, decided, lambda *_: clear(0.01), seconds=20)
    tracks, events = [*decided, track("new")], []
    for index in range(150):
        # Each picture comes twice, and the second one is no evidence.
        now, budget = 20 + index / 15, int(index % 2 != repeated)
        looks = {
            face.id: clear(0.99 if face.id == "new" else 0.01)
            for face in compliance.worth_classifying(tracks, now, budget)
        }
        events += compliance.update(tracks, looks, now)
    assert [event.track.id for event in events] == ["new"]


def test_faces_of_a_low_score_are_looked_at_as_others_are() -> None:
    face = replace(track(), score=0.5)
    events, _ = play_looks(new_compliance(), [face], lambda *_: clear(0.99), seconds=2)
    assert len(events) == 1
    assert events[0].timestamp < 0.5


def test_who_was_seen_badly_and_is_seen_clearly_now_is_reported() -> None:
    compliance, random = new_compliance(), np.random.default_rng(0)
    arrivals = np.cumsum(random.exponential(1.5, 60))
    reported = set[str]()
    for index in range(int((arrivals[-1] + 6) * 8)):
        now = index / 8
        # Each walks towards the camera for six seconds, and is bare; from afar they look a little like masked ones.
        ages = {str(number): now - arrival for number, arrival in enumerate(arrivals) if 0 <= now - arrival < 6}
        tracks = [track(name) for name in ages]
        looks = {
            one.id: Look(random.uniform(0.05, 0.6), sharpness=0.05) if ages[one.id] < 3 else clear(0.98)
            for one in compliance.worth_classifying(tracks, now, 2)
        }
        reported |= {event.track.id for event in compliance.update(tracks, looks, now)}
    assert len(reported) == 60


def test_looks_that_told_nothing_put_nobody_behind_new_people() -> None:
    compliance = new_compliance()
    begun, new = track("begun"), track("new")
    # Seen clearly once, then turned away.
    play(compliance, [{"begun": 0.99}, *[{"begun": 0.5}] * 4])
    assert compliance.worth_classifying([new, begun], 0.5, 9) == [begun, new]


def test_what_was_no_face_at_a_closer_look_comes_after_new_people() -> None:
    compliance = new_compliance()
    refused, new = track("refused"), track("new")
    play(compliance, [{"refused": 0.99}] * 3, is_face=lambda _: False)
    assert compliance.worth_classifying([refused, new], 0.3, 9) == [new, refused]
