from facemask_edge.tracking import FaceTracker
from facemask_edge.values import Box, Face


def face(x: float, score: float = 0.9) -> Face:
    return Face(Box(x, 100, 80, 100), score)


def test_a_walking_face_keeps_its_id_and_its_detected_box() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    ids = set()
    for index in range(20):
        walking = face(10.0 + 12 * index)
        (track,) = tracker.update([walking], index / 15)
        assert (track.box, track.score) == (walking.box, walking.score)
        ids.add(track.id)
    assert len(ids) == 1


def test_two_faces_have_two_ids_whatever_their_order() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    left, right = tracker.update([face(0), face(300)], 0.0)
    again_right, again_left = tracker.update([face(301), face(1)], 0.1)
    assert left.id != right.id
    assert (again_left.id, again_right.id) == (left.id, right.id)


def test_an_unlikely_face_continues_a_track_but_never_starts_one() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    assert tracker.update([face(0, 0.4)], 0.0) == []
    (started,) = tracker.update([face(0, 0.8)], 0.1)
    (continued,) = tracker.update([face(2, 0.4)], 0.2)
    assert continued.id == started.id


def test_a_face_that_is_missed_for_a_moment_keeps_its_id_and_after_the_lifespan_gets_a_new_one() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    (first,) = tracker.update([face(0)], 0.0)
    assert tracker.update([], 0.5) == []
    (second,) = tracker.update([face(0)], 0.9)
    for index in range(20):
        tracker.update([], 1.0 + index / 10)
    (third,) = tracker.update([face(0)], 3.0)
    assert second.id == first.id
    assert third.id != first.id
