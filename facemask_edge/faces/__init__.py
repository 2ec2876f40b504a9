"""Face detectors: each turns a picture into faces."""

from typing import Protocol

from facemask_edge.config import DetectorConfig
from facemask_edge.faces.yunet import YuNet
from facemask_edge.inference import Model
from facemask_edge.values import Face, Image

SMALLEST_FACE = 12
"""Height in pixels of the model's input from which on a face is found reliably."""
CONTINUING_SCORE = 0.5
"""A face of this part of ``min_score`` may continue a track, though it never starts one."""
PACKAGED_SIZES = (320, 512)


class FaceDetector(Protocol):
    """Turns a picture into faces."""

    model: Model

    def detect(self, image: Image) -> list[Face]:
        """The faces in a uint8 height x width x 3 BGR picture, best first, in its pixels."""
        ...


def packaged_size(width: int, height: int, min_face_height: int) -> int:
    """The smallest packaged input that still shows the smallest face that counts in frames of this size, in pixels."""
    for size in PACKAGED_SIZES:
        scale = min(size / max(width, height, 1), 1.0)
        if min_face_height * scale >= SMALLEST_FACE:
            return size
    return PACKAGED_SIZES[-1]


def packaged_model(width: int, height: int, min_face_height: int) -> str:
    """The packaged model of that input."""
    return packaged_file(packaged_size(width, height, min_face_height))


def packaged_file(size: int) -> str:
    """The file of the packaged model whose input is of this size."""
    return f"face_detector_{size}_int8.tflite"


def create_detector(config: DetectorConfig, model: str, *, threads: int = 1) -> YuNet:
    """Load the configured kind of detector with the model file ``model``.

    Raises:
        ModelError: The model cannot be used.
    """
    score = CONTINUING_SCORE * config.min_score
    return YuNet(model, min_score=score, threads=threads, accelerator=config.accelerator)
