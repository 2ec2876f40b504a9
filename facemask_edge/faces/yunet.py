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
from facemask_edge.scaling import fitted, scale_to_fit
from facemask_edge.values import Box, Face, Image

STRIDES = (8, 16, 32)
NMS_OVERLAP = 0.25
"""Of two boxes whose intersection over union is larger, only the better one is kept."""
NO_FACES = np.empty((0, 4), np.float32), np.empty(0, np.float32)
"""Boxes and scores of no face."""


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
        self._min_score = min_score
        self._levels: list[_Level] = []
        for stride in STRIDES:
            self._levels.append(self._level(stride, sum(len(level.cells) for level in self._levels)))
        self._least = np.concatenate(
            [np.full(len(level.cells), level.scores.quantized(min_score**2), np.int8) for level in self._levels]
        )
        """The int8 that both class and objectness of each cell must reach."""

    def detect(self, image: Image) -> list[Face]:
        """The faces in a picture, best first; boxes in its pixels, not clipped to it.

        Args:
            image: uint8, height x width x 3, BGR.
        """
        self.model.invoke(fitted(image, self.model.size))
        # score = sqrt(class * objectness), and neither is above 1: most cells are ruled out as int8, in one go.
        quantized = np.concatenate([self.model.output(level.scores).reshape(-1, 2) for level in self._levels])
        candidates = (np.minimum(quantized[:, 0], quantized[:, 1]) >= self._least).nonzero()[0]
        if not candidates.size:
            return []
        found = [self._decode(level, quantized, candidates) for level in self._levels]
        boxes = np.concatenate([boxes for boxes, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        kept = suppressed(boxes, scores)
        scale = scale_to_fit(image.shape[1], image.shape[0], self.model.size)
        return [Face(Box(*(float(side) / scale for side in boxes[index])), float(scores[index])) for index in kept]

    def _level(self, stride: int, first: int) -> "_Level":
        width, height = self.model.size
        rows, columns = height // stride, width // stride

        def output(channels: int) -> QuantizedOutput:
            # By shape, never by position: the converter reorders outputs.
            shape = 1, rows, columns, channels
            for candidate in self.model.outputs:
                if candidate.shape == shape:
                    return candidate
            raise ModelError(f"model {self.model.entry.file} has no output of shape {shape}: not a YuNet")

        cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.float32)
        return _Level(stride, output(2), output(4), cells, first)

    def _decode(
        self, level: "_Level", quantized: NDArray[np.int8], candidates: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes (n x 4: x, y, width, height in input pixels) and scores (n) of one stride's likely cells.

        Args:
            level: The stride.
            quantized: cells x 2: class and objectness of all strides' cells.
            candidates: Those of them that may be likely.
        """
        cells = candidates[(candidates >= level.first) & (candidates < level.first + len(level.cells))]
        if not cells.size:
            return NO_FACES
        classes, objectness = level.scores.dequantized(quantized[cells]).T
        cells = cells - level.first
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
    first: int
    """Number of its first cell among all strides' cells."""


def suppressed(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: n x 4: x, y, width, height.
        scores: n.

    Returns:
        The indices of the boxes that stay, best first.
    """
    return [int(index) for index in cv2.dnn.NMSBoxes(boxes.astype(np.float64), scores, 0.0, NMS_OVERLAP)]  # type: ignore[arg-type]
