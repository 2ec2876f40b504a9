"""How sharp a face is: a blurred one says less about a mask than a sharp one."""

import cv2
import numpy as np

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
    gray = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    if height > HEIGHT:
        gray = cv2.resize(gray, (max(round(width * HEIGHT / height), 3), HEIGHT), interpolation=cv2.INTER_AREA)
    # The border's Laplacian is that of a mirrored picture.
    edges = np.abs(cv2.Laplacian(gray, cv2.CV_32F))[1:-1, 1:-1]
    return float(edges.mean() / (gray.std() + NOISE))
