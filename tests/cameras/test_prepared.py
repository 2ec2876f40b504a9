import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from facemask_edge.buffers import Buffers
from facemask_edge.cameras import open_camera
from facemask_edge.cameras.orientation import Orientation
from facemask_edge.cameras.prepared import PreparedCamera, prepared
from facemask_edge.config import CameraConfig, Polygon
from facemask_edge.demo import SAMPLE
from facemask_edge.privacy import PrivacyMasks
from facemask_edge.stage_times import StageTimes
from facemask_edge.values import Frame
from tests.test_daemon import RECORDINGS

if TYPE_CHECKING:
    from facemask_edge.cameras.camera import Camera

UPPER_HALF = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5)]
LOWER_HALF = [(0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0)]


def opened(**settings: object) -> PreparedCamera:
    return open_camera(CameraConfig.model_validate({"source": str(RECORDINGS[0]), **settings}))


def frames(**settings: object) -> Iterator[Frame]:
    camera = opened(**settings)
    for frame in camera:
        assert frame is not None
        yield frame
    camera.close()


def test_every_frame_is_black_where_nobody_may_look() -> None:
    for number, (masked, open_) in enumerate(zip(frames(privacy_masks=[UPPER_HALF]), frames(), strict=True)):
        assert not masked.image[: masked.height // 2].any(), number
        assert np.array_equal(masked.image[masked.height // 2 + 1 :], open_.image[open_.height // 2 + 1 :])


def test_masks_are_drawn_in_the_picture_that_is_upright() -> None:
    masked = next(frames(privacy_masks=[UPPER_HALF], rotation=90))
    assert not masked.image[: masked.height // 2].any()
    assert masked.image[masked.height // 2 + 1 :].any()
    assert masked.height > masked.width


@pytest.mark.parametrize("orientation", [Orientation(), Orientation(180, hflip=True, vflip=True)])
def test_a_camera_s_own_memory_is_not_painted_into(orientation: Orientation) -> None:
    memory = np.full((40, 60, 3), 9, np.uint8)
    shown = prepared(memory[:, :50], orientation, PrivacyMasks([UPPER_HALF]), Buffers())
    assert not shown[:20].any()
    assert memory.all()


@pytest.mark.parametrize("hflip", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("masks", [[], [UPPER_HALF]])
def test_a_picture_needs_no_new_memory(rotation: int, masks: list[Polygon], *, hflip: bool) -> None:
    image, lores = np.full((720, 1280, 3), 9, np.uint8), np.full((180, 320, 3), 9, np.uint8)
    # In the camera's own memory.
    frames: list[Frame | None] = [Frame(image[:], index / 15, index, lores=lores[:]) for index in range(6)]
    camera = PreparedCamera(cast("Camera", frames), Orientation(rotation, hflip), PrivacyMasks(masks), StageTimes())
    for shown in camera:
        assert shown is not None
        if shown.index == 2:
            tracemalloc.start()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 180 * 320


def test_the_smaller_picture_is_painted_where_it_lies() -> None:
    camera = open_camera(CameraConfig(name="door", source=str(SAMPLE)), detector_input=lambda *_: (320, 320))
    with closing(camera):
        frame = next(iter(camera.source))
    assert frame is not None
    assert frame.lores is not None
    assert frame.lores[:100].any()
    shown = prepared(frame.lores, Orientation(), PrivacyMasks([UPPER_HALF]), Buffers(), is_scaled=True)
    assert shown is frame.lores
    assert not shown[:120].any()
    assert shown[125:].any()


def test_other_masks_hold_from_the_next_frame_on() -> None:
    with closing(opened(rotation=180)) as camera:
        pictures = iter(camera)

        def black_parts() -> tuple[bool, bool]:
            frame = next(pictures)
            assert frame is not None
            half = frame.height // 2
            return not frame.image[:half].any(), not frame.image[half + 1 :].any()

        assert black_parts() == (False, False)
        camera.mask(PrivacyMasks([UPPER_HALF]))
        assert black_parts() == (True, False)
        camera.mask(PrivacyMasks([LOWER_HALF]))
        assert black_parts() == (False, True)
        camera.mask(PrivacyMasks([]))
        assert black_parts() == (False, False)
