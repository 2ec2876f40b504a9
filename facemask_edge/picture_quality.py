"""What a single picture of a camera tells about the camera: is it dark, glaring, blurred, or does it show nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from facemask_edge.sharpness import edge_contrast, gray_at_most
from facemask_edge.values import Image

HEIGHT = 120
"""Larger pictures are scaled down to this height in pixels before their sharpness is measured."""
DARK, GLARING = 30.0, 225.0
"""Mean gray values, 0..255, below and above which faces are hardly to be judged."""
PLAIN = 6.0
"""Contrast, in gray values, below which a picture shows nothing."""
BLURRED = 0.06
"""Sharpness below which a picture is blurred.

Of 191 street scenes none is less sharp than 0.12; blurred with a sigma of 2 % of their height, 9 of 10 are
(``python -m tests.measure_picture_sharpness DATA/scenes``).
"""


class PictureFault(StrEnum):
    """What keeps faces in a picture from being judged, what explains more first."""

    COVERED = "covered"
    DARK = "dark"
    GLARING = "glaring"
    BLURRED = "blurred"


SAYS = {
    PictureFault.COVERED: "it shows nothing",
    PictureFault.DARK: "it is dark",
    PictureFault.GLARING: "it is glaring",
    PictureFault.BLURRED: "it is blurred",
}
ADVICE = {
    PictureFault.COVERED: "is the lens covered, or the room dark?",
    PictureFault.DARK: "bring light to the faces; the camera must not look into it",
    PictureFault.GLARING: "turn the camera away from the light",
    PictureFault.BLURRED: "clean the lens, take its foil off, set its focus",
}
"""What to do about it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What was seen in one picture."""

    width: int
    height: int
    brightness: float
    """Mean gray value, 0..255."""
    contrast: float
    """Standard deviation of the gray values."""
    sharpness: float
    """Mean absolute Laplacian in parts of the contrast, at a height of 120 px."""

    def faults(self) -> Iterator[PictureFault]:
        """All that is wrong with it."""
        if self.contrast < PLAIN:
            yield PictureFault.COVERED
        if self.brightness < DARK:
            yield PictureFault.DARK
        if self.brightness > GLARING:
            yield PictureFault.GLARING
        if self.sharpness < BLURRED:
            yield PictureFault.BLURRED


def looked_at(image: Image) -> Picture:
    """Measure one picture.

    Args:
        image: uint8, height x width x 3, BGR.
    """
    height, width = image.shape[:2]
    gray = gray_at_most(image, HEIGHT)
    return Picture(width, height, float(gray.mean()), float(gray.std()), edge_contrast(gray))
