"""How a camera hangs: what turns and mirrors its pictures until they are upright, as faces must be to be found."""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from facemask_edge.config import CameraConfig
from facemask_edge.values import Image

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
