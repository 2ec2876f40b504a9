"""What a single picture of a camera tells about the camera: is it dark, glaring, blurred, or does it show nothing."""

from dataclasses import dataclass

from facemask_edge.check.finding import Finding, ok, warning
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
    faces: int


def looked_at(image: Image, faces: int) -> Picture:
    """Measure one picture.

    Args:
        image: uint8, height x width x 3, BGR.
        faces: How many were found in it.
    """
    height, width = image.shape[:2]
    gray = gray_at_most(image, HEIGHT)
    return Picture(width, height, float(gray.mean()), float(gray.std()), edge_contrast(gray), faces)


def judged(subject: str, picture: Picture) -> Finding:
    """Whether faces could be judged in pictures like this one."""
    faces = "1 face" if picture.faces == 1 else f"{picture.faces or 'no'} faces"
    says = (
        f"{picture.width} x {picture.height}, brightness {picture.brightness:.0f} of 255, "
        f"sharpness {picture.sharpness:.2f}, {faces}"
    )
    if picture.contrast < PLAIN:
        return warning(subject, f"{says}; it shows nothing", "is the lens covered, or the room dark?")
    if picture.brightness < DARK:
        return warning(subject, f"{says}; it is dark", "bring light to the faces; the camera must not look into it")
    if picture.brightness > GLARING:
        return warning(subject, f"{says}; it is glaring", "turn the camera away from the light")
    if picture.sharpness < BLURRED:
        return warning(subject, f"{says}; it is blurred", "clean the lens, take its foil off, set its focus")
    return ok(subject, says)
