import json
from typing import Any

import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.classifier import CROP_MARGIN, MaskClassifier, cut_face
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import ModelError
from facemask_edge.values import Box, Image

SIZE = (224, 224)


def gradient(height: int, width: int) -> Image:
    """A picture in which every pixel tells its place: blue is its column, green its row."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def test_a_face_is_cut_out_as_a_square_with_a_margin_around_its_middle() -> None:
    box = Box(80, 60, 40, 50)
    crop = cut_face(gradient(200, 250), box, SIZE)
    side = CROP_MARGIN * 50
    assert crop.shape == (224, 224, 3)
    assert crop[:, 0, 0].mean() == pytest.approx(100 - side / 2, abs=1)
    assert crop[:, -1, 0].mean() == pytest.approx(100 + side / 2, abs=1.5)
    assert crop[0, :, 1].mean() == pytest.approx(85 - side / 2, abs=1)


@pytest.mark.parametrize(
    ("box", "corner"),
    [(Box(-20, -10, 40, 50), (0, 0)), (Box(230, 170, 40, 50), (190, 140)), (Box(-5, 90, 40, 50), (0, 85))],
)
def test_at_the_border_the_square_is_moved_and_not_padded(box: Box, corner: tuple[int, int]) -> None:
    crop = cut_face(gradient(200, 250), box, SIZE)
    assert crop[0, 0, 0] == pytest.approx(corner[0], abs=1)
    assert crop[0, 0, 1] == pytest.approx(corner[1], abs=1)


def test_a_face_larger_than_the_frame_takes_what_there_is() -> None:
    crop = cut_face(gradient(100, 250), Box(50, -20, 140, 150), SIZE)
    assert crop.shape == (224, 224, 3)
    assert crop[0, :, 1].max() <= 1
    assert crop[-1, :, 1].min() >= 98


def test_people_of_the_sample_are_told_apart() -> None:
    people: list[dict[str, Any]] = json.loads(SAMPLE.with_suffix(".json").read_text())["people"]
    wanted: dict[int, list[tuple[Box, bool]]] = {}
    for person in people:
        middle = person["boxes"][len(person["boxes"]) // 2]
        wanted.setdefault(middle[0], []).append((Box(*middle[1:]), person["mask"]))
    classifier = MaskClassifier("mask_classifier_int8.tflite")
    judged = 0
    for frame in Recording(SAMPLE):
        for box, is_masked in wanted.get(frame.index, []):
            assert (classifier.probability(frame.image, box) < 0.5) == is_masked
            judged += 1
    assert judged == len(people)


def test_a_model_that_is_no_classifier_is_refused() -> None:
    with pytest.raises(ModelError, match=r"has the labels \['face'\]"):
        MaskClassifier("face_detector_320_int8.tflite")
