import numpy as np
import pytest

from facemask_edge.privacy import BLOCKS, PrivacyMasks, pixelate
from facemask_edge.values import Box, Image

LEFT_HALF = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
MIDDLE = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
STAR = [(0.5, 0.0), (0.8, 1.0), (0.0, 0.4), (1.0, 0.4), (0.2, 1.0)]
"""It crosses itself: its middle is enclosed twice."""


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


def test_what_is_masked_is_black_and_nothing_else() -> None:
    image = noise(100, 200)
    before = image.copy()
    PrivacyMasks([LEFT_HALF]).blacken(image)
    assert not image[:, :100].any()
    assert np.array_equal(image[:, 102:], before[:, 102:])


def test_masks_that_overlap_leave_nothing_open() -> None:
    image = noise(100, 200)
    PrivacyMasks([LEFT_HALF, MIDDLE]).blacken(image)
    assert not image[25:75, 50:150].any()
    assert not image[:, :100].any()


def test_nor_does_one_that_crosses_itself() -> None:
    image = noise(100, 200)
    PrivacyMasks([STAR]).blacken(image)
    assert not image[45:55, 90:110].any()


def test_masks_follow_the_size_of_the_picture() -> None:
    masks = PrivacyMasks([LEFT_HALF])
    for height, width in ((100, 200), (48, 64), (100, 200)):
        image = noise(height, width)
        masks.blacken(image)
        assert not image[:, : width // 2].any()
        assert image[:, width // 2 + 1 :].all()


@pytest.mark.parametrize("size", [10, 40, 300])
def test_of_a_face_a_few_blocks_are_left(size: int) -> None:
    image = noise(600, 600)
    pixelate(image, [Box(200, 200, size, 1.25 * size)])
    # Ears, hair and chin, too.
    around = image[200 - size // 4 : 200 + size, 200 - size // 5 : 200 + size]
    assert len(np.unique(around.reshape(-1, 3), axis=0)) <= BLOCKS * (BLOCKS + 2)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 1_000


def test_two_faces_whose_blocks_have_equal_means_cannot_be_told_apart() -> None:
    face = Box(36, 48, 40, 40)
    plain = np.full((160, 160, 3), 100, np.uint8)
    striped = plain.copy()
    striped[:, ::2] += 40
    striped[:, 1::2] -= 40
    seen = [image.copy() for image in (plain, striped)]
    for image in seen:
        pixelate(image, [face])
    middle = np.s_[60:80, 45:65]
    assert np.abs(seen[0][middle].astype(int) - seen[1][middle]).max() <= 3


@pytest.mark.parametrize(
    "face", [Box(-20, -20, 50, 50), Box(180, 80, 50, 50), Box(-500, 0, 10, 10), Box(10, 10, 0, 0), Box(5, 5, 0.2, 0.1)]
)
def test_a_face_may_lie_at_the_edge_or_be_none(face: Box) -> None:
    image = noise(100, 200)
    pixelate(image, [face])
    assert image.shape == (100, 200, 3)


@pytest.mark.parametrize("x", [-30.0, -50.0, -62.0])
def test_a_face_of_which_little_is_to_be_seen_has_no_finer_blocks(x: float) -> None:
    image = noise(100, 200)
    pixelate(image, [Box(x, 20, 50, 50)])
    # 80 x 82 pixels around it, 20 of them a block; 15 more than the face on each side.
    seen = image[5:75, : int(x + 65)]
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) <= -(-seen.shape[1] // 20) * 5
