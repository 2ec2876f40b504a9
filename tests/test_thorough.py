import itertools

import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.faces.thorough import OVERLAP, ThoroughDetector, parts
from facemask_edge.faces.yunet import YuNet
from facemask_edge.values import Box, Image
from tests.test_daemon import RECORDINGS


@pytest.mark.parametrize("length", [1, 100, 512, 513, 640, 896, 897, 1280, 1920, 3840])
def test_the_parts_cover_all_and_share_enough_for_a_face(length: int) -> None:
    starts = parts(length, 512)
    assert starts[0] == 0
    assert starts[-1] == max(length - 512, 0)
    assert all(0 < after - before <= 512 - OVERLAP for before, after in itertools.pairwise(starts))


def far_away(across: int, down: int) -> tuple[Image, Box]:
    """A picture of a large hall, in which somebody stands far away at a place."""
    frame = next(itertools.islice(Recording(RECORDINGS[0]), 60, None)).image
    face = YuNet("face_detector_320_int8.tflite", min_score=0.6).detect(frame)[0].box
    scale = 17 / face.height
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    hall = np.full((1080, 1920, 3), 120, np.uint8)
    hall[down : down + small.shape[0], across : across + small.shape[1]] = small
    return hall, Box(across + scale * face.x, down + scale * face.y, scale * face.width, scale * face.height)


@pytest.mark.parametrize(("across", "down"), [(200, 100), (480, 470), (1700, 900), (900, 500)])
def test_it_finds_a_face_that_is_too_small_for_the_frame_loop(across: int, down: int) -> None:
    hall, face = far_away(across, down)

    def is_found(boxes: list[Box]) -> bool:
        x, y = face.centre
        return any(abs(box.centre[0] - x) < 8 and abs(box.centre[1] - y) < 8 for box in boxes)

    assert not is_found([one.box for one in YuNet("face_detector_512_int8.tflite", min_score=0.6).detect(hall)])
    assert is_found(ThoroughDetector().boxes(hall))
