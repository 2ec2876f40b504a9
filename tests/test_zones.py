import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from facemask_edge.config import Polygon
from facemask_edge.tracking import FaceTracker
from facemask_edge.values import Box, Face, Track
from facemask_edge.zones import Zones

RIGHT = [(0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0)]
LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
TOP = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)]


def face_at(x: float, y: float) -> Face:
    return Face(Box(x - 10, y - 10, 20, 20), 0.9)


def faces_that_count(zones: Zones, faces: Sequence[Face], width: int, height: int) -> list[Face]:
    kept, _ = zones.parted(faces, width, height)
    return zones.counting(kept, width, height)


def test_without_zones_every_face_counts() -> None:
    faces = [face_at(5, 5), face_at(95, 40)]
    assert faces_that_count(Zones([], []), faces, 100, 50) == faces


def test_only_faces_inside_a_zone_and_outside_the_ignored_ones_count() -> None:
    upper_left, lower_left, right = face_at(20, 10), face_at(20, 40), face_at(80, 40)
    faces = [upper_left, lower_left, right]
    assert faces_that_count(Zones([LEFT], []), faces, 100, 50) == [upper_left, lower_left]
    assert faces_that_count(Zones([LEFT], [TOP]), faces, 100, 50) == [lower_left]
    assert faces_that_count(Zones([], [LEFT]), faces, 100, 50) == [right]
    assert faces_that_count(Zones([LEFT, TOP], []), faces, 100, 50) == [upper_left, lower_left]


def test_zones_are_fractions_of_the_frame() -> None:
    face = face_at(60, 10)
    assert faces_that_count(Zones([LEFT], []), [face], 100, 50) == []
    assert faces_that_count(Zones([LEFT], []), [face], 200, 50) == [face]


def track_at(x: float, y: float, name: str = "a") -> Track:
    return Track(name, face_at(x, y).box, 0.9)


def test_who_counted_counts_half_a_face_beyond_the_edge() -> None:
    zones = Zones([LEFT], [], memory=1.5)
    # Who was never inside does not count there.
    assert zones.staying([track_at(59, 20)], 0.0, 100, 50) == []
    assert zones.staying([track_at(49, 20)], 0.1, 100, 50) == [track_at(49, 20)]
    assert zones.staying([track_at(59, 20), track_at(59, 40, "b")], 0.2, 100, 50) == [track_at(59, 20)]
    # Nor who is farther away.
    assert zones.staying([track_at(61, 20)], 0.2, 100, 50) == []
    # Also after it was hidden for a moment, and no longer.
    assert zones.staying([track_at(59, 20)], 1.6, 100, 50) == [track_at(59, 20)]
    assert zones.staying([track_at(59, 20)], 3.2, 100, 50) == []


def test_who_is_at_the_edge_of_an_ignored_zone_is_not_forgotten_there() -> None:
    zones = Zones([LEFT], [], memory=1.5)
    assert zones.staying([track_at(49, 20)], 0.0, 100, 50)
    for tenth in range(1, 40):
        # Nor does somebody count for being there who did not before.
        assert zones.staying([track_at(59, 40, "b")], tenth / 10, 100, 50, aside=["a", "b"]) == []
    assert zones.staying([track_at(59, 20)], 4.0, 100, 50) == [track_at(59, 20)]


def test_who_counts_beyond_an_edge_still_does_when_other_zones_are_drawn() -> None:
    zones = Zones([LEFT], [], memory=1.5)
    zones.staying([track_at(49, 20)], 0.0, 100, 50)
    zones.redraw([LEFT], [TOP])
    assert zones.staying([track_at(59, 40)], 0.1, 100, 50) == [track_at(59, 40)]
    zones.redraw([RIGHT], [])
    assert zones.staying([track_at(39, 40)], 0.2, 100, 50) == []


WIDE = (640, 480)


def ids_that_count(zones: Zones, views: Sequence[Sequence[Face]], fps: float) -> list[list[str]]:
    """Frame by frame, the ids of the tracks that count."""
    tracker, told = FaceTracker(min_score=0.6, lifespan=1.5), []
    for index, faces in enumerate(views):
        now = index / fps
        kept, ignored = zones.parted(faces, *WIDE)
        tracks = tracker.update(kept, now, WIDE, ignored)
        told.append([track.id for track in zones.staying(tracks, now, *WIDE)])
    return told


def ids_of(zones: Zones, views: Sequence[Mapping[str, Face]], fps: float) -> dict[str, set[str]]:
    """By name of who is in view, the ids of their tracks that count."""
    tracker, told = FaceTracker(min_score=0.6, lifespan=1.5), dict[str, set[str]]()
    for index, people in enumerate(views):
        now, names = index / fps, {face.box: name for name, face in people.items()}
        kept, ignored = zones.parted([*people.values()], *WIDE)
        for track in zones.staying(tracker.update(kept, now, WIDE, ignored), now, *WIDE):
            told.setdefault(names[track.box], set()).add(track.id)
    return told


def large_face_at(x: float, y: float = 230) -> Face:
    return Face(Box(x - 30, y - 30, 60, 60), 0.9)


@pytest.mark.parametrize(("inside", "ignored"), [([LEFT], []), ([], [RIGHT])])
@pytest.mark.parametrize(("fps", "speed"), [(4, 100), (8, 100), (15, 100), (4, 200), (8, 200)])
def test_who_comes_in_where_somebody_just_went_out_is_somebody_else(
    inside: list[Polygon], ignored: list[Polygon], fps: int, speed: float
) -> None:
    # Over the edge at 320 px one goes out after a second, and stands; the other one comes in half a second later.
    views = [
        [large_face_at(min(320 + speed * (now - 1), 500)), large_face_at(320 - speed * (now - 1.5), 200)]
        for now in (index / fps for index in range(int((1.5 + 280 / speed) * fps)))
    ]
    told = ids_that_count(Zones(inside, ignored, memory=1.5), views, fps)
    assert max(map(len, told)) <= 2
    assert len({name for names in told for name in names}) == 2
    assert told[0] != told[-1]


@pytest.mark.parametrize(("fps", "speed"), [(15, 150), (8, 300), (4, 150), (4, 300)])
def test_who_walks_past_an_ignored_poster_stays_the_same(fps: int, speed: float) -> None:
    zones = Zones([], [[(0.38, 0.3), (0.62, 0.3), (0.62, 0.7), (0.38, 0.7)]], memory=1.5)
    # Whoever is before the poster hides it.
    views = [
        [large_face_at(x), *([large_face_at(320)] if abs(x - 320) > 36 else [])]
        for x in (50 + speed * index / fps for index in range(int(540 / speed * fps)))
    ]
    told = ids_that_count(zones, views, fps)
    assert len({name for names in told for name in names}) == 1
    assert told[-1]


@pytest.mark.parametrize("fps", [4, 8, 15])
def test_who_is_behind_a_counter_for_long_comes_out_as_the_same(fps: int) -> None:
    zones = Zones([], [[(0.3, 0.0), (0.7, 0.0), (0.7, 1.0), (0.3, 1.0)]], memory=1.5)
    views = [[large_face_at(100 + 80 * index / fps)] for index in range(5 * fps)]
    told = ids_that_count(zones, views, fps)
    assert told[0] == told[-1]
    assert told.count([]) > 2.5 * fps


@pytest.mark.parametrize("fps", [8, 15, 30])
def test_who_sways_over_the_edge_of_an_ignored_screen_is_none_of_its_faces(fps: int) -> None:
    zones = Zones([], [[(0.44, 0.2), (0.75, 0.2), (0.75, 0.8), (0.44, 0.8)]], memory=1.5)
    random, views = np.random.default_rng(0), []
    shown = [large_face_at(x, y) for x, y in ((315, 215), (330, 250), (320, 200), (345, 230))]
    for index in range(20 * fps):
        now = index / fps
        person = large_face_at(275 + 12 * math.sin(2 * now) + random.normal(0, 2))
        # In the order of the detector's scores, which changes.
        views.append([[person, shown[int(2 * now) % 4]], [shown[int(2 * now) % 4], person]][index % 2])
    told = ids_that_count(zones, views, fps)
    assert len({name for names in told for name in names}) == 1


def test_a_poster_that_appears_beside_somebody_who_is_missed_is_not_that_person() -> None:
    zones = Zones([], [[(0.44, 0.3), (0.56, 0.3), (0.56, 0.7), (0.44, 0.7)]], memory=1.5)
    # For half a second only the poster is found.
    views = [[large_face_at(260)]] * 15 + [[large_face_at(320)]] * 8 + [[large_face_at(260), large_face_at(320)]] * 15
    told = ids_that_count(zones, views, 15)
    assert told[-1] == told[0]
    assert told[15] == []


@pytest.mark.parametrize("fps", [4, 8, 15])
def test_who_turns_away_beside_an_ignored_screen_is_none_of_its_faces(fps: int) -> None:
    zones = Zones([], [[(0.44, 0.2), (0.75, 0.2), (0.75, 0.8), (0.44, 0.8)]], memory=1.5)
    person, shown = large_face_at(250), [large_face_at(310 + 40 * number) for number in range(4)]
    # Three other faces a second, farther and farther away; the person looks away for more than a second.
    views = [
        [*([person] if now % 2.5 < 1.2 else []), shown[int(3 * now) % 4]]
        for now in (index / fps for index in range(9 * fps))
    ]
    told = ids_that_count(zones, views, fps)
    assert len({name for names in told for name in names}) == 1


def test_who_looks_back_when_a_face_of_an_ignored_screen_vanishes_is_not_that_face() -> None:
    zones = Zones([], [[(0.44, 0.2), (0.75, 0.2), (0.75, 0.8), (0.44, 0.8)]], memory=1.5)
    shown = large_face_at(305)
    views = [[large_face_at(258), shown]] * 15 + [[shown]] * 8 + [[large_face_at(280)]] * 5
    told = ids_that_count(zones, views, 15)
    assert told[0] == told[-1]


@pytest.mark.parametrize("apart", [35, 50, 70])
@pytest.mark.parametrize("fps", [4, 8, 15])
def test_who_appears_beside_somebody_who_went_in_is_somebody_else(fps: int, apart: float) -> None:
    zones = Zones([], [RIGHT], memory=1.5)
    # A member of staff goes in and stands there; after a second a customer is found at the counter.
    views = [
        [large_face_at(min(230 + 150 * now, 350)), *([large_face_at(350 - apart, 245)] if now > 1.8 else [])]
        for now in (index / fps for index in range(3 * fps))
    ]
    told = ids_that_count(zones, views, fps)
    assert len(told[0]) == len(told[-1]) == 1
    assert told[0] != told[-1]


@pytest.mark.parametrize("fps", [8, 15, 30])
@pytest.mark.parametrize("seed", range(6))
def test_who_appears_beside_somebody_who_went_in_and_is_missed_is_somebody_else(fps: int, seed: int) -> None:
    zones, random, views = Zones([], [RIGHT], memory=1.5), np.random.default_rng(seed), []
    for index in range(4 * fps):
        now = index / fps
        # In a tenth of the frames the member of staff is missed.
        staff = {"staff": large_face_at(min(230 + 150 * now, 350))} if random.random() < 0.9 else {}
        customer = {"customer": large_face_at(300, 245)} if now > 1.2 else {}
        views.append(staff | customer)
    told = ids_of(zones, views, fps)
    assert (len(told["staff"]), len(told["customer"])) == (1, 1)
    assert told["staff"] != told["customer"]


@pytest.mark.parametrize("fps", [8, 15, 30])
@pytest.mark.parametrize("away", [0.5, 1.0])
def test_who_looks_away_while_somebody_comes_out_beside_them_is_not_that_one(fps: int, away: float) -> None:
    zones, views = Zones([], [RIGHT], memory=1.5), []
    for index in range(9 * fps):
        now = index / fps
        # The member of staff was never seen anywhere else, and comes out past the customer.
        staff = {"staff": large_face_at(max(420 - 80 * max(now - 4, 0), 170), 210)}
        customer = {} if abs(now - 5.2) < away / 2 else {"customer": large_face_at(280)}
        views.append(staff | customer)
    told = ids_of(zones, views, fps)
    assert (len(told["staff"]), len(told["customer"])) == (1, 1)
    assert told["staff"] != told["customer"]


@pytest.mark.parametrize("begins", [2.0, 2.04, 2.08, 2.12, 2.16, 2.2])
@pytest.mark.parametrize("stays", [0.1, 0.3, 0.6])
def test_who_steps_into_an_ignored_zone_from_standing_and_back_stays_the_same(begins: float, stays: float) -> None:
    zones, views = Zones([], [RIGHT], memory=1.5), []
    for index in range(6 * 4):
        passed = index / 4 - begins
        # Half a second there, and half a second back.
        there = max(0.0, min(1.0, 2 * passed, 2 * (1 + stays - passed)))
        views.append([large_face_at(270 + 100 * there)])
    told = ids_that_count(zones, views, 4)
    assert [] in told
    assert len({name for names in told for name in names}) == 1


@pytest.mark.parametrize("fps", [15, 30])
@pytest.mark.parametrize("seed", range(6))
def test_who_stands_before_a_poster_and_is_missed_now_and_then_is_not_the_poster(fps: int, seed: int) -> None:
    zones = Zones([], [[(0.47, 0.42), (0.56, 0.42), (0.56, 0.54), (0.47, 0.54)]], memory=1.5)
    random, views = np.random.default_rng(seed), []
    for index in range(8 * fps):
        now = index / fps
        # Stands for two seconds where the poster is hidden in part, then walks past it.
        x = min(100 + 150 * now, 290) if now < 3.3 else 290 + 150 * (now - 3.3)
        jitter = random.normal(0, 1.2, 2)
        seen = random.random() > 0.03 and x < 600
        views.append({"person": large_face_at(x + jitter[0], 230 + jitter[1])} if seen else {})
        if abs(x - 330) > 30 and random.random() > 0.05:
            views[-1]["poster"] = Face(Box(312, 208, 36, 45), 0.9)
    told = ids_of(zones, views, fps)
    assert set(told) == {"person"}
    assert len(told["person"]) == 1


def test_who_came_out_of_an_ignored_zone_is_followed_as_anybody_else() -> None:
    zones = Zones([], [RIGHT], memory=1.5)
    # Walks out to the left, is hidden for a while and comes back a little lower.
    views = (
        [[large_face_at(500 - 150 * index / 15, 150)] for index in range(25)]
        + [[]] * 12
        + [[large_face_at(220, 220)]] * 5
    )
    told = ids_that_count(zones, views, 15)
    assert told[24] == told[-1]
    assert len(told[-1]) == 1


def test_an_ignored_zone_has_a_sharp_edge() -> None:
    zones = Zones([], [LEFT], memory=1.5)
    # Nor does who counted a moment ago.
    told = ids_that_count(zones, [[large_face_at(x)] for x in (321, 319, 320, 321)], 15)
    assert [len(names) for names in told] == [1, 0, 0, 1]


# Of several, the one that reaches farthest around the face counts.
@pytest.mark.parametrize(("ignored", "inside"), [([LEFT], 20), ([TOP], 10), ([LEFT, TOP], 20), ([TOP, LEFT], 20)])
def test_at_the_edge_of_an_ignored_zone_is_within_half_a_face(ignored: Sequence[Polygon], inside: int) -> None:
    zones = Zones([], ignored)
    # The middle is at (30, 40).
    large, small = (Face(Box(30 - side / 2, 40 - side / 2, side, side), 0.9) for side in (2 * inside, 2 * inside - 1))
    assert zones.at_the_edge(large, 100, 100)
    assert not zones.at_the_edge(small, 100, 100)


def test_without_zones_every_track_counts() -> None:
    tracks = [track_at(5, 5), track_at(95, 40, "b")]
    assert Zones([], []).staying(tracks, 0.0, 100, 50) == tracks
