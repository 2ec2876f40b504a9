import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.check.picture import judged
from facemask_edge.demo import SAMPLE
from facemask_edge.picture_quality import looked_at
from facemask_edge.values import Image


@pytest.fixture(scope="module")
def scene() -> Image:
    """One in which people are to be seen."""
    return next(frame.image for frame in Recording(SAMPLE) if frame.index == 60)


def said(image: Image) -> str:
    finding = judged("camera", looked_at(image.astype(np.uint8)), faces=1)
    assert (finding.state == "ok") is (finding.advice == "")
    return f"{finding.state}: {finding.says}"


def test_a_good_picture_is_ok(scene: Image) -> None:
    assert said(scene).startswith("ok: 640 x 480, brightness 1")
    assert said(scene).endswith("1 face")


def test_a_picture_says_what_is_wrong_with_it(scene: Image) -> None:
    blurred = cv2.GaussianBlur(scene, (0, 0), 0.03 * scene.shape[0])
    assert said(np.asarray(blurred)).endswith("it is blurred")
    assert said(scene // 8).endswith("it is dark")
    assert said(255 - (255 - scene) // 8).endswith("it is glaring")
    assert said(np.full_like(scene, 90)).endswith("it shows nothing")


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (3000, 2, 3)])
def test_a_picture_of_any_size_is_looked_at(shape: tuple[int, int, int]) -> None:
    assert looked_at(np.zeros(shape, np.uint8)).sharpness == 0.0
