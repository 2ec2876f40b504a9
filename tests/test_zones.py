from facemask_edge.tracking import FaceTracker
from facemask_edge.values import Box, Face, Track
from facemask_edge.zones import Zones

LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
TOP = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)]


def face_at(x: float, y: float) -> Face:
    return Face(Box(x - 10, y - 10, 20, 20), 0.9)


def test_without_zones_every_face_counts() -> None:
    faces = [face_at(5, 5), face_at(95, 40)]
    assert Zones([], []).counting(faces, 100, 50) == faces


def test_only_faces_inside_a_zone_and_outside_the_ignored_ones_count() -> None:
    upper_left, lower_left, right = face_at(20, 10), face_at(20, 40), face_at(80, 40)
    faces = [upper_left, lower_left, right]
    assert Zones([LEFT], []).counting(faces, 100, 50) == [upper_left, lower_left]
    assert Zones([LEFT], [TOP]).counting(faces, 100, 50) == [lower_left]
    assert Zones([], [LEFT]).counting(faces, 100, 50) == [right]
    assert Zones([LEFT, TOP], []).counting(faces, 100, 50) == [upper_left, lower_left]


def test_zones_are_fractions_of_the_frame() -> None:
    face = face_at(60, 10)
    assert Zones([LEFT], []).counting([face], 100, 50) == []
    assert Zones([LEFT], []).counting([face], 200, 50) == [face]


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


def test_who_comes_in_where_somebody_just_went_out_is_somebody_else() -> None:
    zones, tracker = Zones([LEFT], [], memory=1.5), FaceTracker(min_score=0.6, lifespan=1.5)
    size, ids = (640, 480), set[str]()
    for index in range(75):
        now = index / 15
        # Over the edge at 320 px one goes out after a second, the other one comes in after two.
        walkers = [Face(Box(x - 30, 200, 60, 60), 0.9) for x in (220 + 100 * now, 520 - 100 * now)]
        tracks = tracker.update(zones.not_ignored(walkers, *size), now, size)
        staying = zones.staying(tracks, now, *size)
        ids |= {track.id for track in staying}
        assert len(staying) <= 1 or abs(walkers[0].box.x - walkers[1].box.x) < 60
    assert len(ids) == 2


def test_an_ignored_zone_has_a_sharp_edge() -> None:
    # What hangs there must not get the id of who stood before it.
    zones = Zones([], [LEFT], memory=1.5)
    assert zones.not_ignored([face_at(51, 20), face_at(49, 20)], 100, 50) == [face_at(51, 20)]


def test_without_zones_every_track_counts() -> None:
    tracks = [track_at(5, 5), track_at(95, 40, "b")]
    assert Zones([], []).staying(tracks, 0.0, 100, 50) == tracks
