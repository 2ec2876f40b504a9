"""The Raspberry Pi's own camera, by picamera2: the image signal processor makes the detector's small picture, too.

A frame is not copied: it lies in the camera's own memory, which the camera gets back when nobody looks at it any more.

Read in picamera2 0.3.38 and relied on: ``capture_request(wait=SECONDS)`` raises ``TimeoutError``, after which
``stop()`` would wait for the abandoned job for ever, but ``close()`` ends the event loop first; the lores stream is
never larger than the main one, on a Pi 4 always YUV, and each of its rows may be padded; a control that a camera lacks
is a ``RuntimeError``.
"""

import gc
import importlib
import os
from collections import deque
from contextlib import ExitStack
from types import ModuleType
from typing import Any, Protocol

import cv2
import numpy as np

from facemask_edge.cameras.capture import READ_TIMEOUT, CameraLostError, Picture
from facemask_edge.cameras.orientation import Orientation
from facemask_edge.config import CameraConfig
from facemask_edge.values import Image

DEFAULT_SIZE = (1280, 720)
BUFFERS = 6
"""One is judged, one waits for that, one is read, one is kept by picamera2, and the camera fills two."""
MICROSECONDS = 1_000_000
USUAL_DURATION = 33_333
"""Of a frame, in microseconds, as picamera2 has it for videos."""
LONGEST_AUTOMATIC = 1 / 12
"""Seconds, as picamera2 has it for previews."""
BGR = "RGB888"
"""picamera2 names the last byte in memory first."""
FROM_YUV = {"YUV420": cv2.COLOR_YUV2BGR_I420, "NV12": cv2.COLOR_YUV2BGR_NV12}
"""What a camera may insist on."""
MISSING = (
    "picamera2 is not there: sudo apt install python3-picamera2 --no-install-recommends, and make the virtual "
    "environment with --system-site-packages"
)


class PicameraCapture:
    """A camera at the Pi's own connector, which is open.

    Args:
        config: The camera; without width and height it gives 1280 x 720.
        orientation: How the camera is to mirror its pictures; it cannot turn them.
        lores: Width and height in pixels that the picture for the detector has at the most; None where nobody detects.

    Raises:
        CameraLostError: It cannot be opened.
    """

    def __init__(self, config: CameraConfig, orientation: Orientation, lores: tuple[int, int] | None) -> None:
        picamera2, libcamera = _imported()
        # Its objects refer to each other: files and memory of one that was closed stay until they are looked for.
        gc.collect()
        self._mapped = picamera2.MappedArray
        self._returned: deque[ExitStack] = deque()
        """What nobody looks at any more. Given back by the thread that reads: picamera2's lock must not be taken
        wherever the last reference to a frame happens to be dropped."""
        self._camera = _opened(picamera2.Picamera2, camera_number(config.source))
        try:
            self._start(config, orientation, lores, libcamera)
        except BaseException as error:
            self._camera.close()
            if isinstance(error, (RuntimeError, ValueError, OSError)):
                raise CameraLostError(f"it does not start: {_cause(error)}") from error
            raise

    def read(self) -> Picture:
        """As ``Capture``."""
        try:
            return self._next()
        except TimeoutError:
            raise CameraLostError("it gives no picture any more; is its cable loose?") from None
        # A request that cannot be given back any more.
        except RuntimeError as error:
            raise CameraLostError(f"it fails: {error}") from error

    def _next(self) -> Picture:
        while self._returned:
            self._returned.popleft().close()
        request = self._camera.capture_request(wait=READ_TIMEOUT)
        with ExitStack() as held:
            held.callback(request.release)
            lores = self._converted(request, "lores") if "lores" in self._formats else None
            if self._formats["main"] != BGR:
                return Picture(self._converted(request, "main"), lores)
            shared = held.enter_context(self._mapped(request, "main", write=False)).array
            return Picture(np.asarray(_Shared(shared, held.pop_all(), self._returned)), lores)

    def close(self) -> None:
        """As ``Capture``."""
        self._camera.close()

    def _start(
        self,
        config: CameraConfig,
        orientation: Orientation,
        lores: tuple[int, int] | None,
        libcamera: ModuleType,
    ) -> None:
        size = picamera_size(config)
        camera = self._camera
        camera.configure(
            camera.create_video_configuration(
                main={"format": BGR, "size": size},
                lores=None if lores is None else {"format": "YUV420", "size": _fitted(size, lores)},
                # The sensor's own picture is of no use here, and would be held as long as the others.
                raw=None,
                # As cvtColor takes YUV to be, whatever the size.
                colour_space=libcamera.ColorSpace.Smpte170m(),
                transform=libcamera.Transform(hflip=orientation.hflip, vflip=orientation.vflip),
                buffer_count=BUFFERS,
                controls=_controls(config, camera.camera_controls, libcamera),
            )
        )
        # What it has settled for.
        names = ["main", "lores"] if lores else ["main"]
        self._formats = {name: camera.stream_configuration(name)["format"] for name in names}
        self._widths = {name: camera.stream_configuration(name)["size"][0] for name in names}
        unknown = set(self._formats.values()) - {BGR, *FROM_YUV}
        if unknown:
            raise ValueError(f"its pictures are {', '.join(sorted(unknown))}, which are not known here")
        camera.start()

    def _converted(self, request: "_Request", name: str) -> Image:
        with self._mapped(request, name, write=False) as mapped:
            bgr: Image = cv2.cvtColor(mapped.array, FROM_YUV[self._formats[name]])
        # Rows may be padded.
        return bgr[:, : self._widths[name]]


class _Request(Protocol):
    """What picamera2 gives for a picture of all streams."""

    def release(self) -> None:
        """The camera may use its memory again."""
        ...


class _Shared:
    """The camera's memory, for numpy: whoever holds the array, or a part of it, holds this."""

    def __init__(self, array: Image, held: ExitStack, returned: deque[ExitStack]) -> None:
        self.__array_interface__ = array.__array_interface__
        self._held = held
        self._returned = returned

    def __del__(self) -> None:
        self._returned.append(self._held)


def picamera_size(config: CameraConfig) -> tuple[int, int]:
    """Width and height in pixels of the pictures that are asked for."""
    return (config.width, config.height) if config.width and config.height else DEFAULT_SIZE


def camera_number(source: str) -> int:
    """Which camera a source means: ``picamera`` is the first one, ``picamera:1`` the second."""
    return int(source.partition(":")[2] or 0)


def _opened(kind: Any, number: int) -> Any:  # noqa: ANN401 - picamera2 has no type information
    """The camera of that number.

    Raises:
        CameraLostError: It cannot be opened.
    """
    camera = kind.__new__(kind)
    try:
        camera.__init__(number)
    # Older ones end in an IndexError where there is no such camera.
    except (RuntimeError, IndexError, OSError) as error:
        is_open = camera.is_open
        camera.close()
        # One that was never open leaves its pipe, and a camera that is away is tried again for ever.
        if not is_open:
            camera.notifymeread.close()
            os.close(camera.notifyme_w)
        raise CameraLostError(f"it cannot be opened: {_cause(error)}") from error
    return camera


def _imported() -> tuple[ModuleType, ModuleType]:
    """The modules picamera2 and libcamera.

    Raises:
        CameraLostError: They are not there, or not usable.
    """
    # Else it tells on stderr of each camera that is opened.
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:WARN")
    try:
        # Only where such a camera is configured are they there.
        return importlib.import_module("picamera2"), importlib.import_module("libcamera")
    except ModuleNotFoundError as error:
        raise CameraLostError(MISSING if error.name in {"picamera2", "libcamera"} else f"{MISSING} ({error})") from None
    # apt's is compiled for apt's numpy: "numpy.dtype size changed".
    except (ImportError, ValueError) as error:
        raise CameraLostError(f"picamera2 does not fit this virtual environment: {error}") from error


def _cause(error: BaseException) -> BaseException:
    """What picamera2 wraps into "did not complete"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _fitted(size: tuple[int, int], limit: tuple[int, int]) -> tuple[int, int]:
    """The largest even size of the same shape within a limit, as YUV has to be; never larger than the other one."""
    scale = min(limit[0] / size[0], limit[1] / size[1], 1.0)
    width, height = (min(round(side * scale / 2) * 2, side - side % 2) for side in size)
    return width, height


def _controls(config: CameraConfig, available: dict[str, Any], libcamera: ModuleType) -> dict[str, Any]:
    """What a configuration asks for, in the words of libcamera."""
    exposure = config.exposure
    controls: dict[str, Any] = {}
    if config.fps is not None:
        controls["FrameDurationLimits"] = (round(MICROSECONDS / config.fps),) * 2
    elif exposure.mode == "long" or exposure.time is not None:
        # Else no picture is exposed for longer than a thirtieth of a second.
        controls["FrameDurationLimits"] = (
            USUAL_DURATION,
            max(round((exposure.time or LONGEST_AUTOMATIC) * MICROSECONDS), USUAL_DURATION),
        )
    if exposure.mode != "normal":
        controls["AeExposureMode"] = getattr(libcamera.controls.AeExposureModeEnum, exposure.mode.capitalize())
    if exposure.compensation:
        controls["ExposureValue"] = exposure.compensation
    if exposure.time is not None:
        controls["ExposureTime"] = round(exposure.time * MICROSECONDS)
    if exposure.gain is not None:
        controls["AnalogueGain"] = exposure.gain
    # Camera Module 3 would stay where its lens was left.
    if "AfMode" in available:
        controls["AfMode"] = libcamera.controls.AfModeEnum.Continuous
    return controls
