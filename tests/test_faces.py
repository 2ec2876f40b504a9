import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import ModelError
from facemask_edge.faces import create_detector, packaged_model
from facemask_edge.faces.yunet import YuNet, suppressed
from facemask_edge.values import Box, Frame, Image

MODELS = ["face_detector_320_int8.tflite", "face_detector_512_int8.tflite"]


def whole_faces() -> Iterator[tuple[Frame, list[Box]]]:
    """Frames of the sample in which every face is in view as a whole, with the faces."""
    truth = json.loads(SAMPLE.with_suffix(".json").read_text())
    boxes: dict[int, list[Box]] = {}
    for person in truth["people"]:
        for frame, *box in person["boxes"]:
            boxes.setdefault(frame, []).append(Box(*box))
    for frame in Recording(SAMPLE):
        faces = boxes.get(frame.index, [])
        if faces and all(face.visible_part(frame.width, frame.height) == 1 for face in faces):
            yield frame, faces


@pytest.fixture(scope="module")
def some_frame() -> Image:
    return next(whole_faces())[0].image


@pytest.mark.parametrize("model", MODELS)
def test_every_whole_face_of_the_sample_is_found_once(model: str) -> None:
    detector = YuNet(model, min_score=0.6)
    frames = list(whole_faces())[::6]
    assert len(frames) >= 5
    for frame, faces in frames:
        found = [face.box for face in detector.detect(frame.image)]
        for face in faces:
            assert sum(face.overlap(box) > 0.4 for box in found) == 1, frame.index


def test_an_empty_picture_has_no_face() -> None:
    for grey in (0, 128, 255):
        assert YuNet(MODELS[0], min_score=0.3).detect(np.full((480, 640, 3), grey, np.uint8)) == []


def test_nothing_of_a_larger_frame_is_left_for_the_next_one(some_frame: Image) -> None:
    small = np.full((60, 80, 3), 128, np.uint8)
    detector = YuNet(MODELS[0], min_score=0.3)
    assert detector.detect(some_frame)
    assert detector.detect(small) == []


def test_a_picture_smaller_than_the_input_is_not_scaled(some_frame: Image) -> None:
    small = np.ascontiguousarray(cv2.resize(some_frame, (320, 240), interpolation=cv2.INTER_AREA)).astype(np.uint8)
    inside = np.zeros((320, 320, 3), np.uint8)
    inside[:240] = small
    detector = YuNet(MODELS[0], min_score=0.6)
    assert detector.detect(small) == detector.detect(inside)


def test_boxes_are_in_the_pixels_of_the_picture(some_frame: Image) -> None:
    detector = YuNet(MODELS[0], min_score=0.6)
    doubled = cv2.resize(some_frame, None, fx=2, fy=2).astype(np.uint8)
    for face, large in zip(detector.detect(some_frame), detector.detect(doubled), strict=True):
        half = Box(large.box.x / 2, large.box.y / 2, large.box.width / 2, large.box.height / 2)
        assert face.box.overlap(half) > 0.8


def test_of_overlapping_boxes_the_best_is_kept_and_the_others_beside_it_too() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [20, 0, 10, 10], [9, 0, 10, 10]], np.float32)
    assert suppressed(boxes, np.array([0.7, 0.9, 0.5, 0.6], np.float32)) == [1, 3, 2]
    assert suppressed(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) == []


@pytest.mark.parametrize(
    ("width", "height", "min_face_height", "size"),
    [(640, 480, 32, 320), (320, 240, 12, 320), (1280, 720, 48, 320), (1280, 720, 32, 512), (3840, 2160, 20, 512)],
)
def test_the_input_size_follows_from_the_frame_and_the_smallest_face(
    width: int, height: int, min_face_height: int, size: int
) -> None:
    assert packaged_model(width, height, min_face_height) == f"face_detector_{size}_int8.tflite"


def test_faces_below_the_limit_are_found_too_to_continue_a_track() -> None:
    config = Config().detector
    weak = create_detector(config, MODELS[0])
    sure = YuNet(MODELS[0], min_score=config.min_score)
    frames = [frame.image.copy() for frame in Recording(SAMPLE)][::10]
    assert sum(len(weak.detect(image)) for image in frames) > sum(len(sure.detect(image)) for image in frames)


def test_a_model_that_is_no_detector_is_refused() -> None:
    with pytest.raises(ModelError, match="not a YuNet"):
        YuNet("mask_classifier_int8.tflite", min_score=0.6)
