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
    beside, away = face_at(59, 20), face_at(61, 20)
    assert zones.near([beside, away], 100, 50) == [beside]
    # Who was never inside does not count there.
    assert zones.staying([track_at(59, 20)], 0.0, 100, 50) == []
    assert zones.staying([track_at(49, 20)], 0.1, 100, 50) == [track_at(49, 20)]
    assert zones.staying([track_at(59, 20), track_at(59, 40, "b")], 0.2, 100, 50) == [track_at(59, 20)]
    # Also after it was hidden for a moment, and no longer.
    assert zones.staying([track_at(59, 20)], 1.6, 100, 50) == [track_at(59, 20)]
    assert zones.staying([track_at(59, 20)], 3.2, 100, 50) == []


def test_an_ignored_zone_has_a_sharp_edge() -> None:
    # What hangs there must not get the id of who stood before it.
    zones = Zones([], [LEFT], memory=1.5)
    assert zones.near([face_at(51, 20), face_at(49, 20)], 100, 50) == [face_at(51, 20)]


def test_without_zones_every_track_counts() -> None:
    tracks = [track_at(5, 5), track_at(95, 40, "b")]
    assert Zones([], []).staying(tracks, 0.0, 100, 50) == tracks
