from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config, PrivacyConfig, SnapshotsConfig
from facemask_edge.faces.thorough import ThoroughDetector
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.snapshot import MOST_BYTES, Shot, shown_part, snapshot
from facemask_edge.values import Box, Image, Track, Violation
from tests.test_daemon import RECORDINGS

BLURRED, OPEN = PrivacyConfig(), PrivacyConfig(blur_faces=False)
FULL = SnapshotsConfig(picture="full", width=4096)
PERSON = SnapshotsConfig(picture="person", width=4096)


def violation(box: Box) -> Violation:
    return Violation("violation_start", "id", Track("track", box, 0.9), 0.97, 5, 1.0)


def nothing(_: Image) -> list[Box]:
    return []


def decoded(jpeg: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image  # type: ignore[return-value] # always uint8


def inside(face: Box) -> tuple[slice, slice]:
    """The rows and columns of a picture that lie well inside a face."""
    box = face.rounded()
    rows = slice(box["y"] + 8, box["y"] + box["height"] - 8)
    return rows, slice(box["x"] + 8, box["x"] + box["width"] - 8)


@pytest.fixture(scope="module")
def shots() -> list[tuple[Image, list[Box], Violation]]:
    """The frames of the sample in which a violation starts, the faces followed in each, and the violation."""
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))

    def found() -> Iterator[tuple[Image, list[Box], Violation]]:
        for frame in Recording(RECORDINGS[0]):
            for event in pipeline.process(frame):
                if event.event_type == "violation_start":
                    yield frame.image, [verdict.track.box for verdict in pipeline.verdicts()], event

    return list(found())


def test_a_face_detector_of_another_kind_finds_no_face_any_more(
    shots: list[tuple[Image, list[Box], Violation]],
) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin has no wheel for this computer")
    finds = dlib.get_frontal_face_detector()
    thorough = ThoroughDetector()
    counts = {"before": 0, "after": 0}
    for image, faces, event in shots:
        for name, privacy in (("before", OPEN), ("after", BLURRED)):
            jpeg = snapshot(Shot("door", image.copy(), tuple(faces), event, ""), FULL, privacy, thorough.boxes)
            counts[name] += len(finds(decoded(jpeg)[..., ::-1].copy(), 1))
    assert counts["before"] >= len(shots) > 2
    assert counts["after"] == 0


def test_faces_that_nobody_follows_are_blurred_too(shots: list[tuple[Image, list[Box], Violation]]) -> None:
    image, faces, event = shots[0]
    with_tracks = snapshot(Shot("door", image.copy(), tuple(faces), event, ""), FULL, BLURRED, ThoroughDetector().boxes)
    without = snapshot(Shot("door", image.copy(), (), event, ""), FULL, BLURRED, ThoroughDetector().boxes)
    known, open_ = decoded(with_tracks).astype(int), image.astype(int)
    face = inside(faces[0])
    assert np.abs(decoded(without).astype(int)[face] - open_[face]).mean() > 5
    assert np.abs(known[face] - open_[face]).mean() > 5


def test_it_shows_the_person_down_to_the_knees_or_all() -> None:
    image = np.full((720, 1280, 3), 90, np.uint8)
    event = violation(Box(600, 200, 40, 50))
    shown = [
        decoded(snapshot(Shot("door", image.copy(), (), event, ""), config, BLURRED, nothing))
        for config in (PERSON, FULL, SnapshotsConfig(picture="full"))
    ]
    assert [each.shape for each in shown] == [(450, 200, 3), (720, 1280, 3), (360, 640, 3)]


@pytest.mark.parametrize(
    "face",
    [
        Box(600, 200, 40, 50),
        Box(600.3, 200.7, 39.9, 50.1),
        Box(-20, -20, 40, 50),
        Box(1260, 700, 40, 50),
        Box(300, 100, 900, 900),
        Box(900, 900, 40, 50),
    ],
)
def test_what_is_said_to_be_shown_is_what_is_shown(face: Box) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (720, 1280), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    grey = cv2.normalize(smooth, np.empty_like(noise), 0, 255, cv2.NORM_MINMAX)
    image = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    for config in (PERSON, FULL):
        part = shown_part(config, face, 1280, 720)
        shown = decoded(snapshot(Shot("door", image.copy(), (), violation(face), ""), config, OPEN, None))
        assert (part.width, part.height) == (shown.shape[1], shown.shape[0])
        rows, columns = slice(int(part.y), int(part.y + part.height)), slice(int(part.x), int(part.x + part.width))
        beside = {
            (down, across): np.median(np.abs(shown - np.roll(image.astype(int), (down, across), (0, 1))[rows, columns]))
            for down in (-1, 0, 1)
            for across in (-1, 0, 1)
        }
        assert min(beside, key=lambda shift: beside[shift]) == (0, 0), "not by one pixel"
        assert beside[0, 0] < 5


def test_what_somebody_asked_for_shows_all() -> None:
    shot = Shot("door", np.full((480, 640, 3), 90, np.uint8), (), None, "")
    assert decoded(snapshot(shot, PERSON, BLURRED, nothing)).shape == (480, 640, 3)


def test_the_owner_may_want_faces_as_they_are(shots: list[tuple[Image, list[Box], Violation]]) -> None:
    image, faces, event = shots[0]

    def never(_: Image) -> list[Box]:
        raise AssertionError("nobody needs to look for faces")

    shown = decoded(snapshot(Shot("door", image.copy(), tuple(faces), event, ""), FULL, OPEN, never)).astype(int)
    face = inside(faces[0])
    assert np.abs(shown[face] - image[face]).mean() < 5


@pytest.mark.parametrize("size", [(2160, 3840), (480, 640), (3, 2)])
def test_no_picture_is_larger_than_brokers_take(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    event = violation(Box(size[1] / 2, size[0] / 2, size[1] / 10, size[0] / 10))
    jpeg = snapshot(Shot("door", image, (), event, ""), FULL, OPEN, nothing)
    assert len(jpeg) <= MOST_BYTES
    assert decoded(jpeg).size


def test_a_person_whom_the_tracker_foretells_outside_the_picture_is_no_fault() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    jpeg = snapshot(Shot("door", image, (), violation(Box(900, 900, 40, 50)), ""), PERSON, BLURRED, nothing)
    assert decoded(jpeg).size
