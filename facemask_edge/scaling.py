"""The smaller picture that the face detector looks at: it shows the whole frame, and is never scaled up."""

from collections.abc import Callable

import cv2

from facemask_edge.buffers import Buffers
from facemask_edge.values import Image

DetectorInput = Callable[[int, int], tuple[int, int]]
"""Width and height of the face detector's input in pixels, for those of a frame; any thread may ask."""


def scale_to_fit(width: int, height: int, size: tuple[int, int]) -> float:
    """By how much a picture of ``width`` x ``height`` pixels is scaled so that it fits into ``size``; at most 1."""
    return min(size[0] / width, size[1] / height, 1.0)


def fitted(image: Image, size: tuple[int, int], buffers: Buffers | None = None) -> Image:
    """A picture scaled down to fit into ``size``; itself where it does already.

    Args:
        image: uint8, height x width x 3, BGR.
        size: Width and height in pixels.
        buffers: Where its memory comes from; None for a picture of its own.
    """
    height, width = image.shape[:2]
    scale = scale_to_fit(width, height, size)
    if scale == 1.0:
        return image
    used = max(round(width * scale), 1), max(round(height * scale), 1)
    into = None if buffers is None else buffers.picture(*used)
    # INTER_AREA averages what falls together.
    return cv2.resize(image, used, dst=into, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def lores_of(image: Image, detector_input: DetectorInput | None, buffers: Buffers) -> Image | None:
    """The picture that the face detector looks at instead; None where it looks at this one, or nobody detects.

    Args:
        image: uint8, height x width x 3, BGR.
        detector_input: Of the detector; None where nobody detects.
        buffers: Where its memory comes from.
    """
    if detector_input is None:
        return None
    small = fitted(image, detector_input(image.shape[1], image.shape[0]), buffers)
    return None if small is image else small
