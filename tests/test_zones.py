from facemask_edge.values import Box, Face
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
