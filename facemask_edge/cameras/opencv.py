"""Cameras that OpenCV reads: USB (V4L2) by index or device, RTSP and all else that FFmpeg knows by URL.

OpenCV's ``isOpened()`` stays true after the stream died; only what ``read()`` says is trusted.
"""

import socket
import time
from urllib.parse import urlsplit

import cv2

from facemask_edge.cameras.capture import MOST_PIXELS, OPEN_TIMEOUT, READ_TIMEOUT, CameraLostError, Picture
from facemask_edge.cameras.lag import Lag
from facemask_edge.cameras.waiting_time import waiting_time
from facemask_edge.config import CameraConfig
from facemask_edge.native import silence_opencv

RTSP_PORT = 554
MOST_LAG = 2.0
"""Seconds that a picture may have waited in the network's buffers."""
MOST_WITHOUT_TIME = 3
"""Pictures of a stream that are discarded at the most when it is opened: the first one's time is always 0, over RTSP
the second one's, too, and that of all pictures where none have any."""
LATE = 0.95
"""Part of the time limit after which a picture came because of it."""


class OpencvCapture:
    """A camera that is open.

    Args:
        config: The camera; format, width, height and fps are wishes that only USB cameras heed.

    Raises:
        CameraLostError: It cannot be opened.
    """

    def __init__(self, config: CameraConfig) -> None:
        # What a camera lacks is said here, in the daemon's own words.
        silence_opencv()
        self._is_stream = "://" in config.source
        opened = time.monotonic()
        self._capture = _open_url(config.source) if self._is_stream else _open_device(config)
        if not self._capture.isOpened():
            self._capture.release()
            raise CameraLostError("it cannot be opened; is it there, and may this user read it?")
        # What came meanwhile is read first.
        self._lag = Lag(min(time.monotonic() - opened, MOST_LAG / 2))
        if self._is_stream:
            self._discard_what_has_no_time()

    def read(self) -> Picture:
        """As ``Capture``."""
        asked, waited, worked = time.monotonic(), waiting_time(), time.thread_time()
        is_there, grabbed = self._capture.grab(), time.monotonic()
        waited, worked = waiting_time() - waited, time.thread_time() - worked
        found, image = self._capture.retrieve() if is_there else (False, None)
        # After its time limit FFmpeg gives one that it had kept: what it shows is as old as the wait was long.
        if not found or grabbed - asked > LATE * READ_TIMEOUT:
            raise CameraLostError("it gives no picture any more")
        # FFmpeg decodes what it was given at once: that is what it worked on.
        came, behind = grabbed - worked, 0.0
        if self._is_stream:
            behind = self._lag.seconds(self._seconds(), came, waited)
            if behind > MOST_LAG:
                raise CameraLostError(
                    f"its pictures are {behind:.0f} s late: it sends more than this device can decode; use a sub-stream"
                )
        return Picture(image, received=came - behind)  # type: ignore[arg-type] # always uint8

    def close(self) -> None:
        """As ``Capture``."""
        self._capture.release()

    def _discard_what_has_no_time(self) -> None:
        for _ in range(MOST_WITHOUT_TIME):
            if not self._capture.grab() or self._seconds() > 0.0:
                return

    def _seconds(self) -> float:
        """The newest picture's time in the stream."""
        return self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


def _open_url(url: str) -> cv2.VideoCapture:
    if url.startswith("rtsp://"):
        _reach(url)
    timeouts = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
        round(OPEN_TIMEOUT * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC,
        round(READ_TIMEOUT * 1000),
        # More would only keep more pictures in memory.
        cv2.CAP_PROP_N_THREADS,
        1,
    ]
    capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG, timeouts)
    width, height = (round(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > MOST_PIXELS:
        capture.release()
        raise CameraLostError(f"its pictures have {width} x {height} pixels, too many")
    if not capture.isOpened():
        raise CameraLostError(
            "it was reached but gives no video; check path, user name and password of its address, or start it again"
        )
    return capture


def _reach(url: str) -> None:
    """Find out why a camera cannot be reached: OpenCV does not say."""
    try:
        parts = urlsplit(url)
        socket.create_connection((parts.hostname or "", parts.port or RTSP_PORT), OPEN_TIMEOUT).close()
    except TimeoutError:
        raise CameraLostError("it does not answer") from None
    except ValueError:
        raise CameraLostError("its address is none that can be asked for") from None
    except OSError as error:
        raise CameraLostError(f"it cannot be reached: {error.strerror or type(error).__name__}") from None


def _open_device(config: CameraConfig) -> cv2.VideoCapture:
    device = int(config.source) if config.source.isdecimal() else config.source
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    wishes = {
        # First: it decides which sizes and rates there are.
        cv2.CAP_PROP_FOURCC: None if config.format is None else cv2.VideoWriter.fourcc(*config.format),
        cv2.CAP_PROP_FRAME_WIDTH: config.width,
        cv2.CAP_PROP_FRAME_HEIGHT: config.height,
        cv2.CAP_PROP_FPS: config.fps,
    }
    for name, wish in wishes.items():
        if wish is not None:
            capture.set(name, wish)
    return capture
