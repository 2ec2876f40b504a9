"""Live cameras through OpenCV: USB (V4L2) by index or device, RTSP and HTTP by URL.

A thread keeps only the newest frame, so latency never grows into a queue. OpenCV's ``isOpened()`` stays true after
the stream died; only what ``read()`` says is trusted.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator

import cv2

from facemask_edge.config import CameraConfig
from facemask_edge.redaction import without_password
from facemask_edge.values import Frame, Image

OPEN_TIMEOUT = 5.0
CLOSE_TIMEOUT = 0.5
"""Seconds to wait for a camera that is closed: what hangs in a driver ends with the process."""
READ_TIMEOUT = 5.0
WAIT_FOR_FRAME = 1.0
"""Seconds after which the frame loop gets its turn back, frame or not."""
LONGEST_BACKOFF = 30.0
logger = logging.getLogger(__name__)


class LiveCamera:
    """A camera that is opened, and opened again when it is lost, by a thread of its own.

    Args:
        config: The camera; width, height and fps are wishes that only USB cameras heed.
    """

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self._newest: tuple[Image, float, int] | None = None
        self._fresh = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._capture, name=f"camera {config.name}", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame | None]:
        """The newest frame each time; None when there was no new one for a second."""
        while not self._closing.is_set():
            with self._fresh:
                self._fresh.wait_for(lambda: self._newest is not None or self._closing.is_set(), WAIT_FOR_FRAME)
                newest, self._newest = self._newest, None
            yield None if newest is None else Frame(*newest)

    def close(self) -> None:
        """Stop the thread; a read that hangs in the driver ends with the process."""
        self._closing.set()
        with self._fresh:
            self._fresh.notify_all()
        self._thread.join(CLOSE_TIMEOUT)

    def _capture(self) -> None:
        backoff = 1.0
        index = 0
        while not self._closing.is_set():
            capture = self._open()
            started = index
            while not self._closing.is_set():
                found, image = capture.read()
                if not found:
                    break
                with self._fresh:
                    self._newest = (image, time.monotonic(), index)  # type: ignore[assignment]
                    self._fresh.notify()
                index += 1
            capture.release()
            backoff = 1.0 if index > started else min(2 * backoff, LONGEST_BACKOFF)
            pause = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            if not self._closing.is_set():
                what = "lost" if index > started else "cannot be opened"
                source = without_password(self._config.source)
                logger.warning("camera %s (%s) %s; trying again in %.0f s", self._config.name, source, what, pause)
            self._closing.wait(pause)

    def _open(self) -> cv2.VideoCapture:
        source = self._config.source
        if "://" in source:
            timeouts = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                round(OPEN_TIMEOUT * 1000),
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                round(READ_TIMEOUT * 1000),
            ]
            return cv2.VideoCapture(source, cv2.CAP_FFMPEG, timeouts)
        device = int(source) if source.isdecimal() else source
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        wishes = {
            cv2.CAP_PROP_FRAME_WIDTH: self._config.width,
            cv2.CAP_PROP_FRAME_HEIGHT: self._config.height,
            cv2.CAP_PROP_FPS: self._config.fps,
        }
        for name, wish in wishes.items():
            if wish is not None:
                capture.set(name, wish)
        return capture
