from pathlib import Path

import numpy as np
import pytest

from facemask_edge.annotate import annotate
from facemask_edge.closer_look import FACE_SIDE, closer_view, is_face
from facemask_edge.config import Config, DetectorConfig
from facemask_edge.demo import SAMPLE
from facemask_edge.faces import FaceDetector, create_detector
from facemask_edge.values import Box, Image
from facemask_edge.video import write_picture
from tests.judge_recordings import judged
from tests.test_faces import MODELS, whole_faces

GREY = 128


@pytest.fixture(scope="module", params=MODELS)
def detector(request: pytest.FixtureRequest) -> FaceDetector:
    return create_detector(DetectorConfig(), request.param)


def test_every_face_of_the_sample_is_one_at_a_closer_look(detector: FaceDetector) -> None:
    frames = list(whole_faces())[::6]
    assert len(frames) >= 5
    for frame, faces in frames:
        for face in faces:
            assert is_face(detector, frame.image, face), frame.index


def test_a_face_beside_what_was_found_confirms_nothing(detector: FaceDetector) -> None:
    frame, (face, *_) = next(whole_faces())
    for across, down in ((1.2, 0), (-1.2, 0), (0, 1.2), (0, -1.2)):
        beside = Box(face.x + across * face.width, face.y + down * face.height, face.width, face.height)
        assert not is_face(detector, frame.image, beside)


def test_a_find_at_the_edge_of_the_frame_may_be_none(detector: FaceDetector) -> None:
    grey = np.full((480, 640, 3), GREY, np.uint8)
    boxes = [Box(-20, -10, 60, 70), Box(600, 440, 60, 70), Box(300, 200, 600, 700), Box(300, 200, 3, 4)]
    for box in [*boxes, Box(0, 0, 0, 0), Box(-900, -900, 50, 60), Box(2000, 10, 50, 60), Box(0, 0, 50_000, 50_000)]:
        assert not is_face(detector, grey, box)


@pytest.mark.parametrize(("height", "width"), [(200, 160), (80, 40), (20, 30)])
def test_the_face_is_as_large_as_asked_for_in_the_middle_of_the_view(height: int, width: int) -> None:
    image = np.full((600, 800, 3), GREY, np.uint8)
    image[100 : 100 + height, 300 : 300 + width] = 255
    view, seen = closer_view(image, Box(300, 100, width, height), side=FACE_SIDE, size=(320, 256))
    assert view.shape == (256, 320, 3)
    assert max(seen.width, seen.height) == pytest.approx(FACE_SIDE)
    assert seen.centre == pytest.approx((160, 128))
    rows, columns = (view[..., 0] > (GREY + 255) / 2).nonzero()
    left, top = float(columns.min()), float(rows.min())
    white = Box(left, top, float(columns.max()) + 1 - left, float(rows.max()) + 1 - top)
    assert white.overlap(seen) > 0.9


def test_what_lies_outside_the_frame_is_black() -> None:
    image = np.full((100, 100, 3), GREY, np.uint8)
    view, _ = closer_view(image, Box(0, 0, 80, 80), side=80, size=(320, 320))
    assert (view[:100, :100] == 0).all()
    assert (view[140:180, 140:180] == GREY).all()


def test_overlap_is_intersection_over_union() -> None:
    box = Box(0, 0, 10, 10)
    assert box.overlap(box) == 1
    assert box.overlap(Box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box.overlap(Box(20, 20, 5, 5)) == box.overlap(Box(0, 0, 0, 0)) == 0


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    """Nothing is a face at a closer look; the boxes that were looked at."""
    boxes: list[Box] = []

    def never(_detector: FaceDetector, _image: Image, box: Box) -> bool:
        boxes.append(box)
        return False

    for module in ("pipeline", "annotate"):
        monkeypatch.setattr(f"facemask_edge.{module}.is_face", never)
    return boxes


def test_what_is_no_face_is_not_reported_and_seldom_looked_at(asked: list[Box]) -> None:
    assert judged(SAMPLE, Config()) == []
    # Twelve seconds of a bare face in view at the most; a look in every third frame would be 120.
    assert 0 < len(asked) < 40


def test_what_is_no_face_in_a_picture_stays_undetermined(asked: list[Box], tmp_path: Path) -> None:
    frame = next(frame for frame, faces in whole_faces() if len(faces) > 1)
    picture = tmp_path / "door.png"
    write_picture(picture, frame.image)
    lines = annotate([picture], tmp_path / "out", Config()).read_text()
    assert asked
    assert '"no_mask"' not in lines
    assert '"undetermined"' in lines
