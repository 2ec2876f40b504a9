"""What is tried with a real V4L2 device: runs in the virtual machine, see ``test_v4l2.py``."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import cv2
import pytest

from facemask_edge.cameras import open_camera
from facemask_edge.cameras.camera import Camera
from facemask_edge.cameras.status import CameraState
from facemask_edge.check.cameras import check_cameras
from facemask_edge.config import CameraConfig, Config
from facemask_edge.pipeline import Models
from facemask_edge.values import Frame
from tests.subscriber import wait_until

DEVICE = Path("/dev/video0")
DRIVER, NAME = Path("/sys/bus/platform/drivers/vivid"), "vivid.0"
SLOW = 60.0
"""Seconds: the machine has no speed of its own."""
NOTICED = 5.0
"""Seconds within which an unplugged camera is to be noticed."""


@pytest.fixture(autouse=True)
def plugged_in() -> Iterator[None]:
    """The camera is there when a test begins and when it ends."""
    yield
    if not DEVICE.exists():
        (DRIVER / "bind").write_text(NAME)


def frames_of(camera: Camera, count: int) -> list[Frame]:
    """The next frames; fewer when they do not come."""
    frames: list[Frame] = []
    give_up = time.monotonic() + SLOW
    for frame in camera:
        if frame is not None:
            frames.append(frame)
        if len(frames) == count or time.monotonic() > give_up:
            break
    return frames


def state_within(camera: Camera, state: CameraState, seconds: float) -> bool:
    return wait_until(lambda: camera.status is not None and camera.status.state is state, seconds)


@pytest.mark.parametrize("source", ["0", str(DEVICE)])
def test_frames_come_in_the_size_that_is_asked_for(source: str) -> None:
    with closing(open_camera(CameraConfig(source=source, width=320, height=180, fps=15))) as camera:
        frames = frames_of(camera, 10)
        assert len(frames) == 10
        assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}
        assert camera.status is not None
        assert camera.status.state is CameraState.OK


def test_a_size_that_it_does_not_have_gives_the_next_one(caplog: pytest.LogCaptureFixture) -> None:
    with (
        closing(open_camera(CameraConfig(name="door", source="0", width=641, height=361))) as camera,
        caplog.at_level("INFO"),
    ):
        (frame,) = frames_of(camera, 1)
    assert (frame.width, frame.height) == (640, 360)
    assert "camera door: 640 x 360" in caplog.text


def test_unplugged_it_is_noticed_and_plugged_in_again_it_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    with closing(open_camera(CameraConfig(name="door", source=str(DEVICE), width=320, height=180))) as camera:
        assert frames_of(camera, 3)
        (DRIVER / "unbind").write_text(NAME)
        assert not DEVICE.exists()
        assert state_within(camera, CameraState.LOST, NOTICED)
        assert camera.is_alive
        # Tried in vain meanwhile.
        assert wait_until(lambda: "it cannot be opened" in caplog.text, SLOW)
        before = camera.status
        (DRIVER / "bind").write_text(NAME)
        assert state_within(camera, CameraState.OK, SLOW)
        assert before is not None
        assert camera.status is not None
        assert camera.status.losses == 1
        assert frames_of(camera, 3)[-1].index > before.frames


def test_plugged_in_after_the_start_it_is_found() -> None:
    (DRIVER / "unbind").write_text(NAME)
    with closing(open_camera(CameraConfig(source=str(DEVICE), width=320, height=180))) as camera:
        assert state_within(camera, CameraState.LOST, SLOW)
        (DRIVER / "bind").write_text(NAME)
        assert frames_of(camera, 1)


def test_one_that_another_program_uses_is_said_to_be_lost() -> None:
    other = cv2.VideoCapture(0, cv2.CAP_V4L2)
    try:
        assert other.read()[0]
        with closing(open_camera(CameraConfig(source="0", width=320, height=180))) as camera:
            assert state_within(camera, CameraState.LOST, SLOW)
            other.release()
            assert frames_of(camera, 1)
    finally:
        other.release()


def test_the_doctor_takes_a_picture() -> None:
    config = Config.model_validate({"cameras": [{"name": "door", "source": "0", "width": 320, "height": 180}]})
    (finding,) = check_cameras(config, Models(config), None)
    assert "320 x 180" in finding.says
