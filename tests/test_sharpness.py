"""Sharpness falls with blur, and hardly depends on anything else."""

import cv2
import numpy as np
import pytest

from facemask_edge.sharpness import sharpness
from facemask_edge.values import Box, Image
from tests.converter.portraits import ASTRONAUT_FACE, astronaut


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def test_it_falls_with_every_blur() -> None:
    image = astronaut()
    sigmas = [part * ASTRONAUT_FACE.height for part in (0.02, 0.04, 0.07, 0.11)]
    found = [sharpness(image, ASTRONAUT_FACE), *(sharpness(blurred(image, sigma), ASTRONAUT_FACE) for sigma in sigmas)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.3
    assert found[-1] < 0.1


@pytest.mark.parametrize("scale", [0.3, 0.5, 2])
def test_a_face_in_focus_is_sharp_at_any_size(scale: float) -> None:
    image = astronaut()
    scaled = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    box = Box(
        *(scale * side for side in (ASTRONAUT_FACE.x, ASTRONAUT_FACE.y, ASTRONAUT_FACE.width, ASTRONAUT_FACE.height))
    )
    assert sharpness(scaled, box) == pytest.approx(sharpness(image, ASTRONAUT_FACE), rel=0.35)


def test_light_changes_little() -> None:
    image = astronaut()
    dark = (image * 0.4).astype(np.uint8)
    assert sharpness(dark, ASTRONAUT_FACE) == pytest.approx(sharpness(image, ASTRONAUT_FACE), rel=0.15)


def test_what_lies_outside_or_shows_nothing_is_not_sharp() -> None:
    image = astronaut()
    height, width = image.shape[:2]
    assert sharpness(image, Box(width + 5, 10, 40, 40)) == 0
    assert sharpness(image, Box(width - 2, 10, 40, 40)) == 0
    assert sharpness(np.full((60, 60, 3), 128, np.uint8), Box(0, 0, 60, 60)) == 0
    assert sharpness(image, Box(width - 30, height - 30, 80, 80)) > 0
