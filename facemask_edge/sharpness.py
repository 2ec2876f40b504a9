"""How sharp a face is: a blurred one says less about a mask than a sharp one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.values import Box, Image

HEIGHT = 32
"""Larger faces are scaled down to this height in pixels first: finer detail decides nothing about a mask."""
NOISE = 4.0
"""Added to the contrast, in gray values: in a face without any, what is measured is noise."""


def sharpness(image: Image, box: Box) -> float:
    """The mean absolute Laplacian of a face in parts of its contrast.

    Faces in focus have 0.3 to 0.7; blurred with a sigma of 2 % of their height 0.2 to 0.4, with 7 % 0.06 to 0.1.

    Args:
        image: The whole frame, uint8, height x width x 3, BGR.
        box: The face in it.

    Returns:
        0 for a face of which less than 3 px are in the frame.
    """
    inside = box.clipped(image.shape[1], image.shape[0])
    left, top = int(inside.x), int(inside.y)
    part = image[top : top + round(inside.height), left : left + round(inside.width)]
    height, width = part.shape[:2]
    if min(height, width) < 3:  # noqa: PLR2004 - the Laplacian's own size
        return 0.0
    return edge_contrast(gray_at_most(part, HEIGHT))


def gray_at_most(image: Image, height: int) -> NDArray[np.uint8]:
    """A picture in gray, scaled down to ``height`` pixels where it is higher.

    Args:
        image: uint8, height x width x 3, BGR.
        height: In pixels.
    """
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if image.shape[0] > height:
        width = max(round(image.shape[1] * height / image.shape[0]), 3)
        gray = cv2.resize(gray, (width, height), interpolation=cv2.INTER_AREA)
    return gray  # type: ignore[return-value] # always uint8


def edge_contrast(gray: NDArray[np.uint8]) -> float:
    """The mean absolute Laplacian of a gray picture, height x width, in parts of its contrast; 0 below 3 x 3 pixels."""
    # The border's Laplacian is that of a mirrored picture.
    edges = cv2.Laplacian(gray, cv2.CV_16S)[1:-1, 1:-1]
    if not edges.size:
        return 0.0
    _, contrast = cv2.meanStdDev(gray)
    # OpenCV's sums: on so few pixels NumPy takes several times as long.
    return cv2.norm(edges, cv2.NORM_L1) / edges.size / (float(contrast[0, 0]) + NOISE)
