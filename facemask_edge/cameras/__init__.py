"""Cameras: each yields frames, from a recording every one of them, from a live camera only the newest."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from facemask_edge.cameras.capture import READ_TIMEOUT, WAIT_FOR_FRAME, Capture
from facemask_edge.cameras.status import CameraStatus
from facemask_edge.config import CameraConfig
from facemask_edge.errors import InputError
from facemask_edge.values import Frame

# Read by OpenCV when it first needs them, and so set before any video is opened. Its V4L2 waits ten seconds for a
# picture; over UDP, which FFmpeg falls back to, a device listens; and FFmpeg writes to stderr what a user cannot act
# on, with the camera's address.
os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(round(READ_TIMEOUT))
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
NETWORK_HANGS = 300.0
"""Seconds after which a network camera's thread will not come back: looking up its name may take minutes by itself."""


class Camera(Protocol):
    """A source of frames.

    Iterating yields a Frame, or None when a bounded wait brought none (a live camera that is slow or lost); it ends
    when a recording ends. Opening a recording that cannot be read raises ``InputError``; a live camera that is not
    there is tried again for ever.
    """

    def __iter__(self) -> Iterator[Frame | None]:
        """The frames."""
        ...

    @property
    def status(self) -> CameraStatus | None:
        """How it is now; None of a recording."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether frames can come: False when what reads them has ended, or hangs."""
        ...

    def close(self) -> None:
        """Let go of the device; iterating ends."""
        ...


def is_live(source: str) -> bool:
    """Whether a source is a camera that never ends: a USB index, a device or a URL; everything else is a path."""
    return source.isdecimal() or source.startswith("/dev/") or "://" in source


def open_camera(config: CameraConfig, *, wait: float = WAIT_FOR_FRAME) -> Camera:
    """Open the camera that a configuration describes.

    Args:
        config: The camera.
        wait: Seconds that a live camera waits for a frame.

    Raises:
        InputError: It is a recording or folder that cannot be read.
    """
    if is_live(config.source):
        from facemask_edge.cameras.live import DRIVER_HANGS, LiveCamera  # noqa: PLC0415 - a recording needs none of its threads

        hangs = NETWORK_HANGS if "://" in config.source else DRIVER_HANGS
        return LiveCamera(config.name, lambda: _open_capture(config), wait=wait, hangs=hangs)
    from facemask_edge.cameras.recording import PictureFolder, Recording  # noqa: PLC0415 - likewise

    path = Path(config.source)
    try:
        return PictureFolder(path) if path.is_dir() else Recording(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _open_capture(config: CameraConfig) -> Capture:
    """Open a live camera.

    Raises:
        CameraLostError: It cannot be opened.
    """
    from facemask_edge.cameras.opencv import OpencvCapture  # noqa: PLC0415 - as above

    if config.source.startswith(("http://", "https://")):
        from facemask_edge.cameras.motion_jpeg import MotionJpegCapture, OtherStreamError  # noqa: PLC0415 - as above

        with suppress(OtherStreamError):
            return MotionJpegCapture(config.source)
    return OpencvCapture(config)
