from itertools import product

import numpy as np
import pytest

from facemask_edge.buffers import Buffers
from facemask_edge.cameras.orientation import Orientation

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
EVERY = [Orientation(*way) for way in product((0, 90, 180, 270), (False, True), (False, True))]


def test_a_quarter_turn_brings_the_left_side_to_the_top() -> None:
    turned = Orientation(rotation=90).apply(PICTURE, Buffers())
    assert turned.shape == (3, 2, 3)
    assert np.array_equal(turned[0], PICTURE[::-1, 0])


@pytest.mark.parametrize("orientation", EVERY, ids=str)
def test_what_the_camera_does_and_what_remains_make_the_whole(orientation: Orientation) -> None:
    by_camera, remaining = orientation.split()
    assert by_camera.rotation == 0
    assert not remaining.hflip
    assert not remaining.vflip
    buffers = Buffers()
    whole = orientation.apply(PICTURE, buffers)
    assert np.array_equal(remaining.apply(by_camera.apply(PICTURE, buffers), buffers), whole)


@pytest.mark.parametrize("orientation", EVERY, ids=str)
def test_a_picture_is_turned_first_and_then_mirrored(orientation: Orientation) -> None:
    turned = np.rot90(PICTURE, -orientation.rotation // 90)
    expected = turned[:: -1 if orientation.vflip else 1, :: -1 if orientation.hflip else 1]
    assert np.array_equal(orientation.apply(PICTURE, Buffers()), expected)
