import cv2
import numpy as np
import pytest

from converter import augmentation
from converter.augmentation import (
    AROUND_BOX,
    WITHIN_PICTURE,
    compressed,
    jittered,
    plain_crop,
    scaled,
    seen_from_afar,
    varied_crop,
)
from facemask_edge.classifier import cut_face
from facemask_edge.values import Box, Image
from tests.converter.pictures import face

pytestmark = pytest.mark.converter


def _detail(image: Image) -> float:
    return float(cv2.Laplacian(image, cv2.CV_64F).var())


def _noise(side: int) -> Image:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(224, 224), (40, 300), (300, 40), (7, 9)])
@pytest.mark.parametrize("box", [None, Box(2, 1, 4, 5), Box(-3, -3, 8, 8)])
def test_crops_have_the_networks_size(shape: tuple[int, int], box: Box | None) -> None:
    image = np.full((*shape, 3), 100, dtype=np.uint8)
    for crop in (plain_crop(image, box), varied_crop(image, box, np.random.default_rng(0))):
        assert crop.shape == (224, 224, 3)
        assert crop.dtype == np.uint8


def test_a_plain_crop_is_the_devices() -> None:
    image, box = _noise(120), Box(20, 30, 40, 50)
    assert np.array_equal(plain_crop(image, box), cut_face(image, box, (224, 224)))


def test_variation_repeats_by_seed() -> None:
    image = face(masked=True, seed=0)
    first, again, other = (varied_crop(image, None, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_variation_leaves_the_picture_alone() -> None:
    image = face(masked=True, seed=0)
    before = image.copy()
    varied_crop(image, None, np.random.default_rng(0))
    assert np.array_equal(image, before)


def test_scaling_down_and_up_loses_detail() -> None:
    crop = _noise(224)
    near = cv2.resize(scaled(crop, 160), (224, 224))
    far = cv2.resize(scaled(crop, 14), (224, 224))
    assert _detail(np.asarray(far, dtype=np.uint8)) < _detail(np.asarray(near, dtype=np.uint8)) / 100


def test_most_crops_are_seen_from_afar() -> None:
    crop = _noise(224)
    random = np.random.default_rng(0)
    # Even at 160 px this noise loses more than half of its detail.
    lost = [_detail(seen_from_afar(crop, random)) < _detail(crop) / 2 for _ in range(100)]
    assert sum(lost) >= 75


def test_compression_leaves_traces() -> None:
    crop = face(masked=False, seed=0)
    assert not np.array_equal(compressed(crop, 40), crop)
    assert compressed(crop, 40).shape == crop.shape


@pytest.mark.parametrize("box", [Box(100, 60, 40, 50), None])
def test_some_crops_show_a_part_of_the_face(box: Box | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As detectors find one at times; of a picture that is one face some show a part, too."""
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    usual, whole = (WITHIN_PICTURE, Box(0, 0, 300, 200)) if box is None else (AROUND_BOX, box)
    cut: list[Box] = []

    def noted(image: Image, box: Box, size: tuple[int, int]) -> Image:
        cut.append(box)
        return cut_face(image, box, size)

    monkeypatch.setattr(augmentation, "cut_face", noted)
    for seed in range(300):
        varied_crop(image, box, np.random.default_rng(seed))
    reach = usual.shift * max(whole.width, whole.height)
    far = sum(any(abs(x - y) > reach for x, y in zip(one.centre, whole.centre, strict=True)) for one in cut)
    assert 0.08 < far / len(cut) < 0.18


def test_a_jittered_box_stays_near() -> None:
    image, box = np.zeros((200, 300, 3), dtype=np.uint8), Box(100, 60, 40, 50)
    random = np.random.default_rng(0)
    for _ in range(100):
        moved = jittered(box, AROUND_BOX, image, random)
        assert 0.85 <= moved.width / box.width <= 1.2
        assert moved.width / moved.height == pytest.approx(box.width / box.height)
        assert abs(moved.centre[0] - box.centre[0]) <= 5
        assert abs(moved.centre[1] - box.centre[1]) <= 5
