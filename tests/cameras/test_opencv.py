import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facemask_edge.cameras import open_camera
from facemask_edge.cameras.capture import CameraLostError
from facemask_edge.cameras.opencv import OpencvCapture
from facemask_edge.config import CameraConfig
from facemask_edge.video import video_writer
from tests.busy import work
from tests.faults.camera_faults import RtspServer, skip_without_rtsp
from tests.motion_jpeg import grey
from tests.subscriber import wait_until
from tests.transport_stream import sent, transport_stream

OPENCVS = cv2.VideoCapture


def test_a_usb_camera_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    config = CameraConfig(name="door", source="42", format="MJPG", width=640, height=480, fps=10)
    with closing(open_camera(config)):
        assert wait_until(lambda: "camera door: it cannot be opened; is it there" in caplog.text)


def test_an_rtsp_camera_that_is_not_there_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with closing(open_camera(CameraConfig(name="door", source="rtsp://user:secret@127.0.0.1:9/x"))):
        assert wait_until(lambda: "camera door: it cannot be reached: Connection refused" in caplog.text)
        assert "secret" not in caplog.text


def ages(source: str, *, seconds: float, between: float, most: float = math.inf) -> list[tuple[float, float]]:
    """Of a stream's pictures, how old the camera says they are and how old they are, in seconds.

    Args:
        source: Its address.
        seconds: For which it is read.
        between: Seconds of work between two pictures.
        most: Until one is said to be older.
    """
    found: list[tuple[float, float]] = []
    with closing(OpencvCapture(CameraConfig(name="door", source=source))) as capture:
        until = time.monotonic() + seconds
        while time.monotonic() < until and (not found or found[-1][0] <= most):
            picture = capture.read()
            now = time.monotonic()
            assert picture.received is not None
            found.append((now - picture.received, now - sent(picture.image)))
            work(between)
    return found


def test_a_stream_that_is_read_in_time_is_not_old() -> None:
    with transport_stream() as source:
        told = ages(source, seconds=4, between=0.01)
    assert max(said for said, _ in told[30:]) < 0.1


def test_pictures_that_wait_in_the_network_are_as_old_as_they_are() -> None:
    with transport_stream() as source:
        told = ages(source, seconds=3, between=0.0)
        of_its_own = min(age for _, age in told)
    with transport_stream() as source:
        told = ages(source, seconds=30, between=0.08, most=1.4)
    assert told[-1][0] > 1.4
    # What FFmpeg had kept when it opened the stream is known up to a second.
    unknown = [age - of_its_own - said for said, age in told]
    assert min(unknown) > -0.2
    assert max(unknown) < 1.0
    assert max(unknown) - min(unknown) < 0.4


def test_pictures_of_rtsp_are_as_far_apart_as_they_were_taken(tmp_path: Path) -> None:
    skip_without_rtsp()
    video = tmp_path / "video.webm"
    with video_writer(video, 15) as write:
        for level in range(0, 240, 4):
            write(grey(level, 320, 240))
    server = RtspServer(video)
    server.start((320, 240))
    try:
        with closing(OpencvCapture(CameraConfig(name="door", source=server.url))) as capture:
            # Quickly: these had come before.
            received = [capture.read().received or 0.0 for _ in range(8)]
    finally:
        server.kill()
    assert np.diff(received) == pytest.approx(1 / 15, abs=0.02)


class SlowDecoder:
    """OpenCV's, but that it needs 30 ms for a picture and 100 for one of 15, as for a key frame."""

    def __init__(self, *arguments: Any) -> None:
        self._capture = OPENCVS(*arguments)
        self._grabbed = 0

    def __getattr__(self, name: str) -> object:
        """All else."""
        return getattr(self._capture, name)

    def grab(self) -> bool:
        is_there = self._capture.grab()
        self._grabbed += 1
        work(0.1 if self._grabbed % 15 == 0 else 0.03)
        return is_there


def test_a_picture_is_no_older_for_taking_longer_to_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", SlowDecoder)
    with transport_stream() as source:
        told = ages(source, seconds=9, between=0.0)
    unknown = np.array([age - said for said, age in told])
    # What FFmpeg keeps changes slowly; what each of five key frames takes more would be 70 ms.
    steps = np.diff(unknown)[-75:].reshape(5, 15)
    assert np.abs(np.median(steps, axis=0)).max() < 0.02


def test_a_stream_that_falls_too_far_behind_is_opened_anew() -> None:
    with transport_stream() as source, pytest.raises(CameraLostError, match="2 s late: it sends more than this device"):
        ages(source, seconds=30, between=0.13)


def test_a_camera_whose_clock_goes_slow_is_not_late() -> None:
    with transport_stream(clock=0.75) as source:
        told = ages(source, seconds=12, between=0.01)
    assert max(said for said, _ in told[30:]) < 0.1
    assert max(age for _, age in told[30:]) < 0.5
