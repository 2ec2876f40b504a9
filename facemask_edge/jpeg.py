"""Encodes pictures."""

import cv2

from facemask_edge.values import Image


def encoded(image: Image, quality: int) -> bytes:
    """The JPEG of a picture.

    Args:
        image: uint8, height x width x 3, BGR.
        quality: 1 to 100.

    Raises:
        ValueError: OpenCV cannot encode it.
    """
    is_done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_done:
        raise ValueError(f"OpenCV cannot encode a picture of {image.shape[1]} x {image.shape[0]} pixels")
    return content.tobytes()
