"""YuNet-n, an anchor-free face detector, as an int8 TFLite model.

The architecture is that of Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023). Per stride the
model returns two tensors: ``scores`` (1 x rows x columns x 2: class and objectness, both after the sigmoid) and
``boxes`` (1 x rows x columns x 4: centre offset and logarithm of the size, in strides).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.errors import ModelError
from facemask_edge.inference import Model, QuantizedOutput
from facemask_edge.values import Box, Face, Image

STRIDES = (8, 16, 32)
NMS_OVERLAP = 0.45
"""Of two boxes whose intersection over union is larger, only the better one is kept."""


class YuNet:
    """Finds faces in a picture of any size.

    The picture is scaled down, never up, into the upper left corner of the model's square input.

    Args:
        model: File name of a packaged model or a path.
        min_score: Faces of a lower score are not returned.
        threads: Inference threads.

    Raises:
        ModelError: The model cannot be used.
    """

    def __init__(self, model: str, *, min_score: float, threads: int = 1) -> None:
        self.model = Model(model, threads=threads)
        width, height = self.model.size
        self._canvas: Image = np.zeros((height, width, 3), np.uint8)
        self._levels = [self._level(stride) for stride in STRIDES]
        self._min_score = min_score

    def detect(self, image: Image) -> list[Face]:
        """The faces in a picture, best first; boxes in its pixels, not clipped to it.

        Args:
            image: uint8, height x width x 3, BGR.
        """
        scale = self._fit(image)
        self.model.invoke(self._canvas)
        found = [self._decode(*level) for level in self._levels]
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        kept = suppressed(boxes, scores)
        return [Face(Box(*(float(side) / scale for side in boxes[index])), float(scores[index])) for index in kept]

    def _fit(self, image: Image) -> float:
        height, width = image.shape[:2]
        rows, columns = self._canvas.shape[:2]
        scale = min(columns / width, rows / height, 1.0)
        used = max(round(width * scale), 1), max(round(height * scale), 1)
        part = self._canvas[: used[1], : used[0]]
        self._canvas[used[1] :] = 0
        self._canvas[:, used[0] :] = 0
        if scale == 1.0:
            part[...] = image
        else:
            cv2.resize(image, used, dst=part, interpolation=cv2.INTER_AREA)
        return float(scale)

    def _level(self, stride: int) -> tuple[int, QuantizedOutput, QuantizedOutput]:
        width, height = self.model.size
        shape = 1, height // stride, width // stride

        def output(channels: int) -> QuantizedOutput:
            # By shape, never by position: the converter reorders outputs.
            for candidate in self.model.outputs:
                if candidate.shape == (*shape, channels):
                    return candidate
            raise ModelError(f"model {self.model.entry.file} has no output of shape {(*shape, channels)}: not a YuNet")

        return stride, output(2), output(4)

    def _decode(
        self, stride: int, scores: QuantizedOutput, boxes: QuantizedOutput
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (n x 4: x, y, width, height in input pixels) and scores (n) of one stride's likely cells."""
        quantized = self.model.output(scores)[0]
        # score = sqrt(class * objectness), and neither is above 1: most cells are ruled out as int8.
        rows, columns = np.nonzero(
            np.minimum(quantized[..., 0], quantized[..., 1]) >= scores.quantized(self._min_score**2)
        )
        score = np.sqrt(scores.dequantized(quantized[rows, columns]).prod(axis=-1))
        likely = score >= self._min_score
        rows, columns, score = rows[likely], columns[likely], score[likely]
        offsets = boxes.dequantized(self.model.output(boxes)[0, rows, columns])
        centres = (offsets[:, :2] + np.stack([columns, rows], axis=-1)) * stride
        sizes = np.exp(offsets[:, 2:]) * stride
        return np.concatenate([centres - sizes / 2, sizes], axis=-1).astype(np.float32), score


def suppressed(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: n x 4: x, y, width, height.
        scores: n.

    Returns:
        The indices of the boxes that stay, best first.
    """
    corners = boxes[:, :2] + boxes[:, 2:]
    areas = boxes[:, 2] * boxes[:, 3]
    remaining = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while remaining.size:
        best, remaining = remaining[0], remaining[1:]
        kept.append(int(best))
        overlap = np.minimum(corners[best], corners[remaining]) - np.maximum(boxes[best, :2], boxes[remaining, :2])
        intersection = overlap.clip(0).prod(axis=-1)
        union = areas[best] + areas[remaining] - intersection
        remaining = remaining[intersection <= NMS_OVERLAP * union]
    return kept
