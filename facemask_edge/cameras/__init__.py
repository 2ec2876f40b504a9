"""Cameras: each yields frames, from a recording every one of them, from a live camera only the newest."""

import os
import re
from contextlib import suppress
from functools import partial
from pathlib import Path

from facemask_edge.cameras.camera import Camera
from facemask_edge.cameras.capture import READ_TIMEOUT, WAIT_FOR_FRAME, Capture
from facemask_edge.cameras.orientation import HALF, Orientation
from facemask_edge.cameras.prepared import PreparedCamera
from facemask_edge.config import CameraConfig
from facemask_edge.errors import InputError
from facemask_edge.privacy import PrivacyMasks
from facemask_edge.scaling import DetectorInput
from facemask_edge.stage_times import StageTimes

# Read by OpenCV when it first needs them, and so set before any video is opened. Its V4L2 waits ten seconds for a
# picture; over UDP, which FFmpeg falls back to, a device listens; and FFmpeg writes to stderr what a user cannot act
# on, with the camera's address.
os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = str(round(READ_TIMEOUT))
os.environ["OPENCV_FFMPEG_LOGLEVEL"] = "-8"
os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
PICAMERA = r"picamera(:\d)?"
NETWORK_HANGS = 300.0
"""Seconds after which a network camera's thread will not come back: looking up its name may take minutes by itself."""


def is_picamera(source: str) -> bool:
    """Whether a source is a camera at the Raspberry Pi's own connector."""
    return re.fullmatch(PICAMERA, source) is not None


def is_live(source: str) -> bool:
    """Whether a source is a camera that never ends; everything else is a path."""
    return source.isdecimal() or source.startswith("/dev/") or "://" in source or is_picamera(source)


def open_camera(
    config: CameraConfig,
    *,
    wait: float = WAIT_FOR_FRAME,
    detector_input: DetectorInput | None = None,
    times: StageTimes | None = None,
) -> PreparedCamera:
    """Open the camera that a configuration describes.

    Args:
        config: The camera.
        wait: Seconds that a live camera waits for a frame.
        detector_input: How large a picture the face detector wants: whoever reads the camera scales for it, beside the
            judging; None where nobody detects.
        times: Gets the stage ``preparation`` where pictures are turned, mirrored or masked; None where nobody asks.

    Raises:
        InputError: It is a recording or folder that cannot be read.
        ModelError: The face detector cannot be used, whose input a camera is to scale for.
    """
    orientation = Orientation.of(config)
    if detector_input is not None and orientation.rotation % HALF:
        detector_input = _turned(detector_input)
    if is_live(config.source):
        from facemask_edge.cameras.live import DRIVER_HANGS, LiveCamera  # noqa: PLC0415 - a recording needs none of its threads

        hangs = NETWORK_HANGS if "://" in config.source else DRIVER_HANGS
        open_capture = partial(_open_capture, config)
        if is_picamera(config.source):
            from facemask_edge.cameras.picamera import picamera_size  # noqa: PLC0415 - as above

            mirrored, orientation = orientation.split()
            # Asked here: what is wrong with the detector's model is no fault of the camera.
            lores = None if detector_input is None else detector_input(*picamera_size(config))
            open_capture = partial(_open_picamera, config, mirrored, lores)
        camera: Camera = LiveCamera(config.name, open_capture, wait=wait, hangs=hangs, detector_input=detector_input)
    else:
        camera = _open_recording(Path(config.source), detector_input)
    return PreparedCamera(camera, orientation, PrivacyMasks(config.privacy_masks), times or StageTimes())


def _turned(detector_input: DetectorInput) -> DetectorInput:
    """For pictures that are scaled before they are turned by a quarter."""

    def turned(width: int, height: int) -> tuple[int, int]:
        upright_width, upright_height = detector_input(height, width)
        return upright_height, upright_width

    return turned


def _open_recording(path: Path, detector_input: DetectorInput | None) -> Camera:
    from facemask_edge.cameras.recording import PictureFolder, Recording  # noqa: PLC0415 - as above

    try:
        return PictureFolder(path) if path.is_dir() else Recording(path, detector_input)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _open_picamera(config: CameraConfig, mirrored: Orientation, lores: tuple[int, int] | None) -> Capture:
    from facemask_edge.cameras.picamera import PicameraCapture  # noqa: PLC0415 - as above

    return PicameraCapture(config, mirrored, lores)


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
