import numpy as np
import pytest

from facemask_edge.tracking import FaceTracker
from facemask_edge.values import Box, Face

SIZE = 640, 480


def face(x: float, score: float = 0.9) -> Face:
    return Face(Box(x, 100, 80, 100), score)


def test_a_walking_face_keeps_its_id_and_its_detected_box() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    ids = set()
    for index in range(20):
        walking = face(10.0 + 12 * index)
        (track,) = tracker.update([walking], index / 15, SIZE)
        assert (track.box, track.score) == (walking.box, walking.score)
        ids.add(track.id)
    assert len(ids) == 1


def test_two_faces_have_two_ids_whatever_their_order() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    left, right = tracker.update([face(0), face(300)], 0.0, SIZE)
    again_right, again_left = tracker.update([face(301), face(1)], 0.1, SIZE)
    assert left.id != right.id
    assert (again_left.id, again_right.id) == (left.id, right.id)


def test_an_unlikely_face_continues_a_track_but_never_starts_one() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    assert tracker.update([face(0, 0.4)], 0.0, SIZE) == []
    (started,) = tracker.update([face(0, 0.8)], 0.1, SIZE)
    (continued,) = tracker.update([face(2, 0.4)], 0.2, SIZE)
    assert continued.id == started.id


def test_a_face_that_is_missed_for_a_moment_keeps_its_id_and_after_the_lifespan_gets_a_new_one() -> None:
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    (first,) = tracker.update([face(0)], 0.0, SIZE)
    assert tracker.update([], 0.5, SIZE) == []
    (second,) = tracker.update([face(0)], 0.9, SIZE)
    for index in range(20):
        tracker.update([], 1.0 + index / 10, SIZE)
    (third,) = tracker.update([face(0)], 3.0, SIZE)
    assert second.id == first.id
    assert third.id != first.id


def ids_of(
    paths: dict[str, list[Box | None]], *, fps: float, lifespan: float = 1.5, seed: int = 0
) -> dict[str, list[str]]:
    """The ids that each person's face gets, frame by frame; None hides it. Boxes vary as a detector's do."""
    random = np.random.default_rng(seed)
    tracker = FaceTracker(min_score=0.6, lifespan=lifespan)
    ids: dict[str, list[str]] = {person: [] for person in paths}
    for index in range(max(map(len, paths.values()))):
        shown = [(person, path[index]) for person, path in paths.items() if index < len(path)]
        faces = {}
        for person, box in random.permutation(np.array(shown, dtype=object)):
            if box is not None:
                x, y, width, height = random.normal(0, 0.03, 4) * box.height
                faces[person] = Face(Box(box.x + x, box.y + y, box.width + width, box.height + height), 0.9)
        tracks = {track.box: track.id for track in tracker.update(list(faces.values()), index / fps, SIZE)}
        for person, seen in faces.items():
            if seen.box in tracks:
                ids[person].append(tracks[seen.box])
    return ids


def walk(start: float, speed: float, *, seconds: float, fps: float, size: float = 60) -> list[Box]:
    return [Box(start + speed * index / fps, 100, 0.8 * size, size) for index in range(round(seconds * fps))]


@pytest.mark.parametrize("fps", [60, 30, 15, 8])
@pytest.mark.parametrize("speed", [60, 80, 160, 240])
def test_two_people_who_cross_keep_their_ids(speed: float, fps: float) -> None:
    seconds = 440 / speed
    front, back = (walk(x, by, seconds=seconds, fps=fps) for x, by in ((20, speed), (480, -speed)))
    # The one behind is hidden while a third of the face or more is.
    hidden = [abs(one.x - other.x) < 0.67 * one.width for one, other in zip(front, back, strict=True)]
    seen = [None if is_hidden else box for box, is_hidden in zip(back, hidden, strict=True)]
    for seed in range(5):
        ids = ids_of({"front": [*front], "back": seen}, fps=fps, seed=seed)
        assert ids["front"][0] == ids["front"][-1] != ids["back"][0] == ids["back"][-1]


def test_a_fast_face_at_a_low_frame_rate_keeps_its_id() -> None:
    # Forty pixels a frame, as wide as the face: two boxes that follow each other hardly overlap.
    ids = ids_of({"a": [*walk(0, 200, seconds=3, fps=5, size=50)]}, fps=5)["a"]
    assert len(ids) > 10
    assert len(set(ids)) == 1


@pytest.mark.parametrize(("fps", "heights"), [(5, 6), (6, 7), (8, 6), (8, 8), (10, 8), (15, 10)])
def test_who_walks_quickly_by_keeps_the_id_from_the_first_step_on(fps: float, heights: float) -> None:
    seconds = 640 / (60 * heights)
    path: list[Box | None] = [*walk(0, 60 * heights, seconds=seconds, fps=fps)]
    assert len(path) >= 4
    assert len(set(ids_of({"walker": path}, fps=fps)["walker"])) == 1


def test_who_walks_on_behind_something_keeps_the_id() -> None:
    path: list[Box | None] = [*walk(0, 120, seconds=4, fps=10)]
    path[15:25] = [None] * 10
    assert len(set(ids_of({"a": path}, fps=10)["a"])) == 1


def test_another_face_elsewhere_or_of_another_size_is_another_person() -> None:
    here = walk(0, 0, seconds=1, fps=10)
    for there in (Box(300, 100, 48, 60), Box(0, 100, 96, 120)):
        ids = ids_of({"a": [*here, *[None] * 5], "b": [*[None] * 14, *[there] * 5]}, fps=10)
        assert not set(ids["a"]) & set(ids["b"])


def test_ids_are_never_shared_within_a_frame() -> None:
    random = np.random.default_rng(0)
    tracker = FaceTracker(min_score=0.6, lifespan=1.0)
    for index in range(300):
        faces = [
            Face(Box(float(x), float(y), 40, 50), float(score))
            for x, y, score in random.uniform((0, 0, 0.3), (80, 80, 1), (random.integers(6), 3))
        ]
        ids = [track.id for track in tracker.update(faces, index / 10, SIZE)]
        assert len(ids) == len(set(ids))


def test_who_leaves_by_an_edge_and_who_comes_in_there_are_two_people() -> None:
    out, into = (walk(x, speed, seconds=1, fps=10) for x, speed in ((500, 120), (615, -120)))
    ids = ids_of({"a": [*out], "b": [*[None] * 13, *into]}, fps=10)
    assert not set(ids["a"]) & set(ids["b"])


@pytest.mark.parametrize("size", [60, 80, 100])
@pytest.mark.parametrize("fps", [10, 30])
@pytest.mark.parametrize("gap", [0.3, 0.5])
def test_who_comes_in_where_somebody_left_just_now_is_another(size: float, fps: float, gap: float) -> None:
    # Last seen with six tenths of the face in the frame; the boxes of both overlap there.
    edge = SIZE[0] - 0.6 * 0.8 * size
    out = walk(edge - 120, 120, seconds=1, fps=fps, size=size)
    into = walk(edge, -120, seconds=1, fps=fps, size=size)
    for seed in range(3):
        ids = ids_of({"a": [*out], "b": [*[None] * (len(out) + round(gap * fps)), *into]}, fps=fps, seed=seed)
        assert not set(ids["a"]) & set(ids["b"])


@pytest.mark.parametrize("fps", [5, 15, 30, 60])
@pytest.mark.parametrize("away", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("fragment", [Box(345, 175, 29, 48), Box(285, 175, 36, 58), Box(325, 175, 45, 62)])
def test_a_face_of_which_hardly_anything_was_seen_before_it_was_hidden_keeps_its_id(
    fps: int, away: float, fragment: Box
) -> None:
    whole = Box(285, 175, 89, 108)
    tracker = FaceTracker(min_score=0.6, lifespan=1.5)
    seen = [Face(whole, 0.9)] * fps + [Face(fragment, 0.45)] + [None] * round(away * fps) + [Face(whole, 0.9)] * 5
    ids = {
        track.id
        for index, face in enumerate(seen)
        for track in tracker.update([face] if face else [], index / fps, SIZE)
    }
    assert len(ids) == 1


@pytest.mark.parametrize("missed", [1, 2])
@pytest.mark.parametrize("speed", [1.0, 1.4])
def test_who_comes_quickly_towards_the_camera_keeps_the_id(speed: float, missed: int) -> None:
    # A face of a quarter of a metre, 640 px a metre in a metre's distance, at 15 frames a second.
    distances = [4 - speed * index / 15 for index in range(round((4 - 0.9) / speed * 15))]
    boxes = [Box(320 - 64 / away, 240 - 80 / away, 128 / away, 160 / away) for away in distances]
    for gap in range(20, len(boxes) - 5):
        tracker, ids = FaceTracker(min_score=0.6, lifespan=1.5), set()
        for index, box in enumerate(boxes):
            found = [] if gap <= index < gap + missed else [Face(box, 0.9)]
            ids |= {track.id for track in tracker.update(found, index / 15, SIZE)}
        assert len(ids) == 1, distances[gap]


def start_ids(walked: list[tuple[float, Box | None]], *, lifespan: float = 1.5) -> list[str]:
    """The ids of a face at uneven times; None hides it."""
    tracker = FaceTracker(min_score=0.6, lifespan=lifespan)
    ids = []
    for timestamp, box in walked:
        found = [] if box is None else [Face(box, 0.9)]
        ids += [track.id for track in tracker.update(found, timestamp, SIZE)]
    return ids


@pytest.mark.parametrize("speed", [40, 100, 200])
def test_frames_that_come_in_bursts_lose_nobody(speed: float) -> None:
    # A network camera's buffer: five frames at once, then none for a third of a second.
    arrivals = [burst / 3 + 0.012 * index for burst in range(9) for index in range(5)]
    shown = [index / 15 for index in range(45)]
    path: list[tuple[float, Box | None]] = [
        (at, Box(20 + speed * when, 100, 48, 60)) for at, when in zip(arrivals, shown, strict=True)
    ]
    assert len(set(start_ids(path))) == 1
    uneven = [(0.133 * (index // 2) + 0.015 * (index % 2), index / 15) for index in range(45)]
    assert len(set(start_ids([(at, Box(20 + speed * when, 100, 48, 60)) for at, when in uneven]))) == 1


@pytest.mark.parametrize("speed", [120, 220])
@pytest.mark.parametrize("away", [0.4, 0.8, 1.2])
def test_who_stops_and_turns_round_keeps_the_id(speed: float, away: float) -> None:
    walking: list[Box | None] = [*walk(20, speed, seconds=1, fps=15)]
    hidden: list[Box | None] = [None] * round(15 * away)
    path = [*walking, *hidden, *[walking[-1]] * 10]
    assert len(set(start_ids([(index / 15, box) for index, box in enumerate(path)]))) == 1


@pytest.mark.parametrize("fps", [8, 15, 30])
@pytest.mark.parametrize("heights", [1.0, 1.8, 2.5])
@pytest.mark.parametrize("down", [0.4, 0.6, 0.8])
def test_who_bends_down_and_comes_up_again_keeps_the_id(down: float, heights: float, fps: float) -> None:
    path: list[tuple[float, Box | None]] = []
    for index in range(round(6 * fps)):
        bending, rising = index / fps - 2, index / fps - 2.5 - down
        depth = smooth(min(max(bending / down, 0), 1)) - smooth(min(max(rising / down, 0), 1))
        # With the head bent the face cannot be seen.
        path.append((index / fps, Box(268, 120 + 80 * heights * depth, 64, 80) if depth <= 0.6 else None))
    assert sum(box is None for _, box in path) > 0.7 * fps
    assert len(set(start_ids(path))) == 1


def smooth(part: float) -> float:
    """Of a movement that starts and ends at rest."""
    return part * part * (3 - 2 * part)


@pytest.mark.parametrize("fps", [8, 15, 30])
@pytest.mark.parametrize("speed", [120, 200, 300])
@pytest.mark.parametrize("lost_at", [250, 350, 450])
def test_who_turns_away_while_stopping_keeps_the_id(lost_at: float, speed: float, fps: float) -> None:
    path: list[tuple[float, Box | None]] = []
    for index in range(round(fps * (lost_at / speed + 2))):
        away = index / fps - lost_at / speed
        slowing = min(max(away, 0), 0.6)
        x = min(speed * index / fps, lost_at) + speed * (slowing - slowing**2 / 1.2)
        path.append((index / fps, None if 0 <= away < 1.2 else Box(x, 150, 64, 80)))
    assert len(set(start_ids(path))) == 1


@pytest.mark.parametrize("fps", [8, 15, 30])
@pytest.mark.parametrize("speed", [0, 120])
@pytest.mark.parametrize("beside", [1.0, 1.2, 1.4])
def test_who_appears_beside_somebody_who_is_missed_in_that_frame_is_another(
    beside: float, speed: float, fps: int
) -> None:
    there = walk(150, speed, seconds=2, fps=fps)
    missed: list[Box | None] = [*there[:fps], None, *there[fps + 1 :]]
    newcomer: list[Box | None] = [None] * fps
    newcomer += [Box(box.x - beside * 60, box.y, box.width, box.height) for box in there[fps:]]
    ids = ids_of({"there": missed, "newcomer": newcomer}, fps=fps)
    assert len(set(ids["there"])) == len(set(ids["newcomer"])) == 1
    assert ids["there"][0] != ids["newcomer"][0]


@pytest.mark.parametrize("hidden", [0.4, 0.8, 1.1])
@pytest.mark.parametrize("fps", [5, 6, 8, 10, 15, 30])
def test_who_is_in_view_keeps_the_id_while_somebody_beside_them_is_hidden(fps: float, hidden: float) -> None:
    # They come together, stand head to head for a while, and part again.
    way = 240 / 120
    exchanged = 0
    for seed in range(20):
        times = (np.arange(round((2 * way + hidden) * fps)) + seed / 20) / fps
        apart = 25 + 120 * np.maximum(np.maximum(way - times, times - way - hidden), 0)
        nearer: list[Box | None] = [Box(320 - away, 100, 60, 75) for away in apart]
        farther: list[Box | None] = [None if away == 25 else Box(310 + away, 105, 56, 70) for away in apart]
        ids = ids_of({"nearer": nearer, "farther": farther}, fps=fps, seed=seed)
        exchanged += len(set(ids["nearer"])) > 1
    assert exchanged <= 2


def test_a_face_that_comes_nearer_or_is_half_hidden_keeps_the_id() -> None:
    near, half = Box(100, 100, 80, 100), Box(104, 104, 72, 60)
    boxes: list[Box | None] = [*[near] * 5, *[half] * 5, *[near] * 5]
    assert len(set(start_ids([(index / 15, box) for index, box in enumerate(boxes)]))) == 1


def test_after_a_long_time_without_frames_everybody_is_new() -> None:
    box = Box(100, 100, 80, 100)
    first, second = start_ids([(0.0, box), (600.0, box)])
    assert first != second


def test_a_hundred_faces_are_followed_one_by_one() -> None:
    random = np.random.default_rng(0)
    tracker = FaceTracker(min_score=0.6, lifespan=1.5)
    places = [(100.0 * (number % 10), 45.0 * (number // 10)) for number in range(100)]
    ids = []
    for index in range(20):
        faces = [Face(Box(x + random.normal(0, 1), y + random.normal(0, 1), 32, 40), 0.9) for x, y in places]
        ids.append([track.id for track in tracker.update(faces, index / 15, (1000, 480))])
    assert len(set(ids[0])) == 100
    assert all(each == ids[0] for each in ids)
