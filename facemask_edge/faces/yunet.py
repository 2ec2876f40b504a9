"""YuNet-n, an anchor-free face detector, as an int8 TFLite model.

The architecture is that of Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023). Per stride the
model returns two tensors: ``scores`` (1 x rows x columns x 2: class and objectness, both after the sigmoid) and
``boxes`` (1 x rows x columns x 4: centre offset and logarithm of the size, in strides).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.errors import ModelError
from facemask_edge.inference import Model, QuantizedOutput
from facemask_edge.scaling import fitted, fitted_size, scale_to_fit
from facemask_edge.values import Box, Face, Image

STRIDES = (8, 16, 32)
NMS_OVERLAP = 0.25
"""Of two boxes whose intersection over union is larger, only the better one is kept."""


class YuNet:
    """Finds faces in a picture of any size.

    The picture is scaled down, never up, into the upper left corner of the model's square input.

    Args:
        model: File name of a packaged model or a path.
        min_score: Faces of a lower score are not returned.
        threads: Inference threads.
        accelerator: Where it runs, see ``inference.Model``.

    Raises:
        ModelError: The model cannot be used.
    """

    def __init__(self, model: str, *, min_score: float, threads: int = 1, accelerator: str = "cpu") -> None:
        self.model = Model(model, threads=threads, accelerator=accelerator)
        width, height = self.model.size
        self._canvas: Image = np.zeros((height, width, 3), np.uint8)
        self._min_score = min_score
        self._levels = [self._level(stride) for stride in STRIDES]

    def detect(self, image: Image) -> list[Face]:
        """The faces in a picture, best first; boxes in its pixels, not clipped to it.

        Args:
            image: uint8, height x width x 3, BGR.
        """
        scale = self._fit(image)
        self.model.invoke(self._canvas)
        found = [likely for level in self._levels if (likely := self._decode(level)) is not None]
        if not found:
            return []
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        kept = suppressed(boxes, scores)
        return [Face(Box(*(float(side) / scale for side in boxes[index])), float(scores[index])) for index in kept]

    def _fit(self, image: Image) -> float:
        height, width = image.shape[:2]
        used = fitted_size(width, height, self.model.size)
        part = self._canvas[: used[1], : used[0]]
        self._canvas[used[1] :] = 0
        self._canvas[:, used[0] :] = 0
        if fitted(image, self.model.size, into=part) is image:
            part[...] = image
        return scale_to_fit(width, height, self.model.size)

    def _level(self, stride: int) -> "_Level":
        width, height = self.model.size
        rows, columns = height // stride, width // stride

        def output(channels: int) -> QuantizedOutput:
            # By shape, never by position: the converter reorders outputs.
            shape = 1, rows, columns, channels
            for candidate in self.model.outputs:
                if candidate.shape == shape:
                    return candidate
            raise ModelError(f"model {self.model.entry.file} has no output of shape {shape}: not a YuNet")

        scores = output(2)
        cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.float32)
        return _Level(stride, scores, output(4), cells, scores.quantized(self._min_score**2))

    def _decode(self, level: "_Level") -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
        """Boxes (n x 4: x, y, width, height in input pixels) and scores (n) of one stride's likely cells, if any."""
        quantized = self.model.output(level.scores).reshape(-1, 2)
        # score = sqrt(class * objectness), and neither is above 1: most cells are ruled out as int8.
        cells = np.flatnonzero(np.minimum(quantized[:, 0], quantized[:, 1]) >= level.least)
        if not cells.size:
            return None
        classes, objectness = level.scores.dequantized(quantized[cells]).T
        score = np.sqrt(classes * objectness)
        likely = score >= self._min_score
        cells, score = cells[likely], score[likely]
        offsets = level.boxes.dequantized(self.model.output(level.boxes).reshape(-1, 4)[cells])
        centres = (offsets[:, :2] + level.cells[cells]) * level.stride
        sizes = np.exp(offsets[:, 2:]) * level.stride
        return np.concatenate([centres - sizes / 2, sizes], axis=-1), score


@dataclass(frozen=True, slots=True)
class _Level:
    """One stride's outputs, and what of their decoding never changes."""

    stride: int
    scores: QuantizedOutput
    boxes: QuantizedOutput
    cells: NDArray[np.float32]
    """Each cell's column and row, in the order of the output's cells."""
    least: int
    """The int8 that both class and objectness must reach."""


def suppressed(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: n x 4: x, y, width, height.
        scores: n.

    Returns:
        The indices of the boxes that stay, best first.
    """
    return [int(index) for index in cv2.dnn.NMSBoxes(boxes.astype(np.float64), scores, 0.0, NMS_OVERLAP)]  # type: ignore[arg-type]
