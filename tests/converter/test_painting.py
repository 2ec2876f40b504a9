import numpy as np
import pytest

from converter import painting
from facemask_edge.classifier import MaskClassifier
from tests.converter.portraits import ASTRONAUT_FACE, astronaut

PAINTERS = [painting.mask, painting.hand, painting.beard, painting.mask_below_chin]


@pytest.mark.parametrize("paint", PAINTERS)
def test_paint_stays_near_the_face_and_leaves_the_original_alone(paint: painting.Painter) -> None:
    image = astronaut()
    painted = paint(image, ASTRONAUT_FACE, np.random.default_rng(0))
    assert np.array_equal(image, astronaut())
    rows, columns = np.nonzero((painted != image).any(axis=2))
    assert rows.size > 500
    assert rows.min() > ASTRONAUT_FACE.y + 0.3 * ASTRONAUT_FACE.height
    assert rows.max() < ASTRONAUT_FACE.y + 1.5 * ASTRONAUT_FACE.height
    assert columns.min() > ASTRONAUT_FACE.x - 0.2 * ASTRONAUT_FACE.width
    assert columns.max() < ASTRONAUT_FACE.x + 1.2 * ASTRONAUT_FACE.width


@pytest.mark.parametrize("paint", PAINTERS)
def test_paint_repeats_by_seed(paint: painting.Painter) -> None:
    first, again, other = (paint(astronaut(), ASTRONAUT_FACE, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_painted_mask_looks_like_one_to_the_device() -> None:
    classifier = MaskClassifier("mask_classifier_int8.tflite")
    image = astronaut()
    assert classifier.probability(image, ASTRONAUT_FACE) > 0.9
    seen = [
        classifier.probability(painting.mask(image, ASTRONAUT_FACE, np.random.default_rng(seed)), ASTRONAUT_FACE)
        for seed in range(20)
    ]
    assert sum(probability < 0.5 for probability in seen) >= 16
