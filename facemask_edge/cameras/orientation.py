"""How a camera hangs: what turns and mirrors its pictures until they are upright, as faces must be to be found."""

from dataclasses import dataclass
from typing import Self

import cv2

from facemask_edge.buffers import Buffers
from facemask_edge.config import CameraConfig
from facemask_edge.values import Image

HALF = 180
LEFT_AND_RIGHT, TOP_AND_BOTTOM, BOTH = 1, 0, -1
"""What OpenCV's ``flip`` lets change places."""


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

    def apply(self, image: Image, buffers: Buffers) -> Image:
        """A picture of its own, upright; itself where it is already.

        Args:
            image: uint8, height x width x 3, BGR.
            buffers: Where its memory comes from.
        """
        hflip, vflip = self._mirrors
        # A quarter is mirroring behind what OpenCV's transpose does.
        if self.rotation % HALF:
            height, width = image.shape[:2]
            image = cv2.transpose(image, buffers.picture(height, width))  # type: ignore[assignment] # always uint8
            hflip = not hflip
        if not (hflip or vflip):
            return image
        height, width = image.shape[:2]
        changing = BOTH if hflip and vflip else LEFT_AND_RIGHT if hflip else TOP_AND_BOTTOM
        return cv2.flip(image, changing, buffers.picture(width, height))  # type: ignore[return-value] # likewise

    def split(self) -> tuple["Orientation", "Orientation"]:
        """What a sensor can do by itself, which is to mirror, and what remains to be done after that.

        Mirroring left and right after a quarter is mirroring top and bottom before it.
        """
        first, second = self._mirrors
        if self.rotation % HALF:
            first, second = second, first
        return Orientation(hflip=first, vflip=second), Orientation(rotation=self.rotation % HALF)

    @property
    def _mirrors(self) -> tuple[bool, bool]:
        """What changes places after a quarter turn or none: left and right; top and bottom. Half a turn is both."""
        is_half = self.rotation >= HALF
        return self.hflip != is_half, self.vflip != is_half
