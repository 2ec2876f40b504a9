import numpy as np
import pytest

from converter.augmentation import SIZE
from converter.classifier_data import BoxedFace
from converter.crops import MASK, NO_MASK, paper_example, paper_varied_example, plain_example, varied_example
from facemask_edge.classifier import cut_face
from facemask_edge.values import Box
from tests.converter.portraits import ASTRONAUT_FACE, astronaut

pytestmark = pytest.mark.converter


def test_a_plain_example_is_cut_where_the_device_finds_the_face() -> None:
    image, found = astronaut(), Box(172, 66, 90, 112)
    example = plain_example(image, BoxedFace(ASTRONAUT_FACE, NO_MASK, found))
    assert np.array_equal(example.crop, cut_face(image, found, SIZE))
    unfound = plain_example(image, BoxedFace(ASTRONAUT_FACE, NO_MASK))
    assert np.array_equal(unfound.crop, cut_face(image, ASTRONAUT_FACE, SIZE))


def test_some_bare_faces_get_a_painted_mask_and_masked_ones_nothing() -> None:
    image = astronaut()
    for label, wanted in ((NO_MASK, (0.10, 0.20)), (MASK, (1.0, 1.0))):
        face = BoxedFace(ASTRONAUT_FACE, label)
        labels = [varied_example(image, face, np.random.default_rng(seed)).label for seed in range(300)]
        assert wanted[0] <= labels.count(MASK) / 300 <= wanted[1]


def test_a_tiny_face_is_never_painted() -> None:
    image = np.full((20, 20, 3), 128, np.uint8)
    face = BoxedFace(Box(2, 2, 14, 16), NO_MASK)
    assert {varied_example(image, face, np.random.default_rng(seed)).label for seed in range(60)} == {NO_MASK}


def test_variation_repeats_by_seed() -> None:
    image, face = astronaut(), BoxedFace(ASTRONAUT_FACE, NO_MASK)
    for varied in (varied_example, paper_varied_example):
        first, again, other = (varied(image, face, np.random.default_rng(seed)).crop for seed in (3, 3, 4))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)


def test_the_papers_crop_is_the_whole_picture() -> None:
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 150:] = 255
    example = paper_example(image, BoxedFace(None, MASK))
    assert example.crop.shape == (224, 224, 3)
    assert example.crop[:, :112].max() == 0
    assert example.crop[:, 112:].min() == 255


def test_the_papers_variation_fills_with_the_nearest_pixels() -> None:
    image = np.full((50, 50, 3), 77, np.uint8)
    for seed in range(20):
        crop = paper_varied_example(image, BoxedFace(None, MASK), np.random.default_rng(seed)).crop
        assert np.unique(crop).tolist() == [77]
