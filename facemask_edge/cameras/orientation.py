"""How a camera hangs: what turns and mirrors its pictures until they are upright, as faces must be to be found."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from facemask_edge.cameras.camera import Camera
from facemask_edge.cameras.status import CameraStatus
from facemask_edge.config import CameraConfig
from facemask_edge.values import Frame, Image

QUARTER, HALF, FULL = 90, 180, 360
TURNS = {QUARTER: cv2.ROTATE_90_CLOCKWISE, HALF: cv2.ROTATE_180, FULL - QUARTER: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True, slots=True)
class Orientation:
    """A picture is turned first, then mirrored."""

    rotation: int = 0
    """Degrees clockwise: 0, 90, 180 or 270."""
    hflip: bool = False
    """Left and right change places."""
    vflip: bool = False
    """Top and bottom change places."""

    @classmethod
    def of(cls, config: CameraConfig) -> Self:
        """How a camera is configured."""
        return cls(config.rotation, config.hflip, config.vflip)

    @property
    def is_upright(self) -> bool:
        """Whether there is nothing to do."""
        return self == Orientation()

    def apply(self, image: Image) -> Image:
        """A new picture, upright.

        Args:
            image: uint8, height x width x 3, BGR.
        """
        if self.rotation:
            image = cv2.rotate(image, TURNS[self.rotation])  # type: ignore[assignment] # always uint8
        if self.hflip or self.vflip:
            image = np.ascontiguousarray(image[:: -1 if self.vflip else 1, :: -1 if self.hflip else 1])
        return image

    def split(self) -> tuple["Orientation", "Orientation"]:
        """What a sensor can do by itself, which is to mirror, and what remains to be done after that.

        Half a turn is mirroring both ways; and mirroring left and right after a quarter is mirroring top and bottom
        before it.
        """
        is_half = self.rotation >= HALF
        first, second = self.hflip != is_half, self.vflip != is_half
        if self.rotation % HALF:
            first, second = second, first
        return Orientation(hflip=first, vflip=second), Orientation(rotation=self.rotation % HALF)


class TurnedCamera:
    """A camera whose frames are made upright.

    Args:
        camera: Gives them as they are.
        orientation: Of the camera.
    """

    def __init__(self, camera: Camera, orientation: Orientation) -> None:
        self._camera = camera
        self._orientation = orientation

    def __iter__(self) -> Iterator[Frame | None]:
        """As ``Camera``."""
        for frame in self._camera:
            yield None if frame is None else self._upright(frame)

    @property
    def status(self) -> CameraStatus | None:
        """As ``Camera``."""
        status = self._camera.status
        if status is None or status.size is None or not self._orientation.rotation % HALF:
            return status
        return dataclasses.replace(status, size=status.size[::-1])

    @property
    def is_alive(self) -> bool:
        """As ``Camera``."""
        return self._camera.is_alive

    def switch(self, *, on: bool) -> None:
        """As ``Camera``."""
        self._camera.switch(on=on)

    def close(self) -> None:
        """As ``Camera``."""
        self._camera.close()

    def _upright(self, frame: Frame) -> Frame:
        lores = None if frame.lores is None else self._orientation.apply(frame.lores)
        return dataclasses.replace(frame, image=self._orientation.apply(frame.image), lores=lores)
