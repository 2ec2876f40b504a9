from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from converter.augmentation import compressed
from converter.classifier_data import find_pictures, readable
from converter.duplicates import (
    apart_where_one_camera,
    copies_of,
    copy_finder,
    groups_on_both_sides,
    near_duplicate_groups,
    perceptual_hashes,
)
from facemask_edge.values import Image
from tests.converter.pictures import face
from tests.converter.portraits import astronaut, grace_hopper

pytestmark = pytest.mark.converter


def _turned(image: Image, angle: float) -> Image:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    return np.asarray(cv2.warpAffine(image, turn, (width, height)), dtype=np.uint8)


def _noisy(image: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, 25, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "shrunk": lambda image: np.asarray(cv2.resize(image, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA), np.uint8),
    "compressed": lambda image: compressed(image, 25),
    "mirrored": lambda image: image[:, ::-1],
    "upside down": lambda image: image[::-1, ::-1],
    "a quarter turned": np.rot90,
    "turned by 12 degrees": lambda image: _turned(image, 12),
    "turned by -23 degrees, mirrored": lambda image: _turned(image[:, ::-1].copy(), -23),
    "blurred": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.uint8),
    "noisy": _noisy,
    "cropped": lambda image: image[8:-8, 8:-8],
    "brighter": lambda image: np.asarray(np.clip(image * 1.2 + 10, 0, 255), np.uint8),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("portrait", [astronaut, grace_hopper])
def test_a_changed_copy_is_found(portrait: Callable[[], Image], change: str) -> None:
    # Square, as a quarter turn of an oblong one is squeezed otherwise.
    image = portrait()[:500, :500]
    others = [face(masked=True, seed=3), (astronaut if portrait is grace_hopper else grace_hopper)()]
    copy = np.ascontiguousarray(CHANGES[change](image))
    groups = near_duplicate_groups(np.array([perceptual_hashes(each) for each in (image, *others, copy)]))
    assert groups[0] == groups[-1]
    assert len(set(groups)) == 3


def test_copies_of_copies_are_one_group() -> None:
    bits = np.zeros((3, 1, 143), np.bool_)
    bits[1, 0, :20] = True
    bits[2, 0, :40] = True
    hashes = np.packbits(bits, axis=-1)
    assert len(set(near_duplicate_groups(hashes))) == 1
    assert len(set(near_duplicate_groups(hashes[::2]))) == 2


def test_random_hashes_are_no_copies() -> None:
    hashes = np.packbits(np.random.default_rng(0).random((500, 2, 143)) < 0.5, axis=-1)
    assert len(set(near_duplicate_groups(hashes))) == 500


def test_copies_of_reported_pictures_are_found() -> None:
    image, other = astronaut(), grace_hopper()
    hashes = np.array([perceptual_hashes(each) for each in (other, image[:, ::-1].copy())])
    assert copies_of(hashes, perceptual_hashes(image)[np.newaxis]).tolist() == [False, True]
    assert copies_of(hashes, np.zeros((0, 32, 18), np.uint8)).tolist() == [False, False]


def test_asked_one_by_one_the_same_copies_are_found() -> None:
    random = np.random.default_rng(0)
    reported = random.integers(0, 256, (40, 32, 18), np.uint8)
    asked = random.integers(0, 256, (60, 32, 18), np.uint8)
    for place in range(30):
        # As it is, turned, and the one that is reported on turned; with more and more other bits.
        there, here = ((0, 0), (0, 7), (9, 0))[place % 3]
        asked[place, here] = reported[place, there]
        for bit in range(2 * place):
            asked[place, here, bit // 8] ^= 1 << bit % 8
    is_copy = copy_finder(reported)
    found = [is_copy(one) for one in asked]
    assert found == [bool(copies_of(one[np.newaxis], reported)[0]) for one in asked]
    assert 3 <= sum(found) < 30
    assert not copy_finder(reported[:0])(asked[0])


def test_a_leak_is_counted() -> None:
    assert groups_on_both_sides([1, 1, 2, 3, 3], [True, False, True, False, False]) == {1}


@pytest.mark.shared_data
def test_the_derived_pictures_find_their_origins(shared: Path) -> None:
    pictures = [
        picture
        for picture in find_pictures(shared / "data" / "masks4095")
        if picture.path.parent.name == "without_mask" and not picture.path.name.startswith("0_0_")
    ]
    good, hashes, _ = readable(pictures)
    groups = near_duplicate_groups(hashes)
    derived = [picture.path.name.startswith("augmented_image_") for picture in good]
    origins = {group for group, is_derived in zip(groups, derived, strict=True) if not is_derived}
    found = sum(group in origins for group, is_derived in zip(groups, derived, strict=True) if is_derived)
    assert sum(derived) == 260
    assert found >= 230
    # No chain of look-alikes runs through the set.
    assert max(Counter(groups).values()) <= 15


def test_frames_of_a_fixed_camera_stand_alone_and_nothing_else_changes() -> None:
    groups = [7] * 12 + [1, 1, 2] + [3] * 3
    is_scene = [True] * 15 + [False] * 3
    apart = apart_where_one_camera(groups, is_scene)
    assert len(set(apart[:12])) == 12
    assert apart[12:] == groups[12:]
    assert not set(apart[:12]) & set(groups)
    # Others that look like them stay together.
    assert apart_where_one_camera([*groups, 7, 7], [*is_scene, False, False])[-2:] == [7, 7]


@pytest.mark.parametrize("groups", [[7] * 9, [7] * 12 + list(range(20, 40)), []])
def test_a_few_copies_are_no_fixed_camera(groups: list[int]) -> None:
    assert apart_where_one_camera(groups, [True] * len(groups)) == groups
