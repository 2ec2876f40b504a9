from contextlib import closing

import pytest

from facemask_edge.cameras import open_camera
from facemask_edge.config import CameraConfig
from tests.subscriber import wait_until


def test_a_usb_camera_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    config = CameraConfig(name="door", source="42", format="MJPG", width=640, height=480, fps=10)
    with closing(open_camera(config)):
        assert wait_until(lambda: "camera door: it cannot be opened; is it there" in caplog.text)


def test_an_rtsp_camera_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with closing(open_camera(CameraConfig(name="door", source="rtsp://user:secret@127.0.0.1:9/x"))):
        assert wait_until(lambda: "camera door: it cannot be reached: Connection refused" in caplog.text)
        assert "secret" not in caplog.text
