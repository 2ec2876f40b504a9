"""YuNet-n, an anchor-free face detector, as an int8 TFLite model.

The architecture is that of Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023). Per stride the
model returns two tensors: ``scores`` (1 x rows x columns x 2: class and objectness, both after the sigmoid) and
``boxes`` (1 x rows x columns x 4: centre offset and logarithm of the size, in strides).
"""

from collections.abc import Sequence

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
        self._scores, self._boxes = _Outputs(self.model, 2), _Outputs(self.model, 4)
        self._least = self._scores.quantized(min_score**2)
        """The int8 that both class and objectness of each cell must reach."""
        grids = _grids(self.model)
        self._corners = np.concatenate([_corners(rows, columns) for rows, columns in grids])
        """Column and row of each cell."""
        self._strides = _each_cells(STRIDES, grids)

    def detect(self, image: Image) -> list[Face]:
        """The faces in a picture, best first; boxes in its pixels, not clipped to it.

        Args:
            image: uint8, height x width x 3, BGR.
        """
        self.model.invoke(fitted(image, self.model.size))
        # score = sqrt(class * objectness), and neither is above 1: most cells are ruled out as int8.
        quantized = self._scores.read()
        cells = (np.minimum(quantized[:, 0], quantized[:, 1]) >= self._least).nonzero()[0]
        if not cells.size:
            return []
        classes, objectness = self._scores.dequantized(quantized, cells).T
        scores = np.sqrt(classes * objectness)
        likely = scores >= self._min_score
        boxes, scores = self._decoded(cells[likely]), scores[likely]
        kept = suppressed(boxes, scores)
        scale = scale_to_fit(image.shape[1], image.shape[0], self.model.size)
        # As float64, or a box would depend on who scales the picture.
        sides = boxes[kept].astype(np.float64) / scale
        return [Face(Box(*box), score) for box, score in zip(sides.tolist(), scores[kept].tolist(), strict=True)]

    def _decoded(self, cells: NDArray[np.intp]) -> NDArray[np.float32]:
        """The boxes of some cells (n x 4: x, y, width, height), in pixels of the input."""
        offsets = self._boxes.dequantized(self._boxes.read(), cells)
        strides = self._strides[cells]
        sizes = np.exp(offsets[:, 2:]) * strides
        return np.concatenate([(offsets[:, :2] + self._corners[cells]) * strides - sizes / 2, sizes], axis=-1)


class _Outputs:
    """One output of each stride, as one: the cells of all strides are looked at in one go.

    Args:
        model: A YuNet.
        channels: Of the outputs.

    Raises:
        ModelError: The model has no such outputs.
    """

    def __init__(self, model: Model, channels: int) -> None:
        self._model = model
        self._channels = channels
        self._outputs: list[QuantizedOutput] = []
        grids = _grids(model)
        for rows, columns in grids:
            # By shape, never by position: the converter reorders outputs.
            shape = 1, rows, columns, channels
            output = next((one for one in model.outputs if one.shape == shape), None)
            if output is None:
                raise ModelError(f"model {model.entry.file} has no output of shape {shape}: not a YuNet")
            self._outputs.append(output)
        self._counts = [rows * columns for rows, columns in grids]
        self._scales = _each_cells([output.scale for output in self._outputs], grids)
        self._zero_points = _each_cells([output.zero_point for output in self._outputs], grids)

    def read(self) -> NDArray[np.int8]:
        """What the model said last: cells x channels."""
        return np.concatenate([self._model.output(output).reshape(-1, self._channels) for output in self._outputs])

    def quantized(self, value: float) -> NDArray[np.int8]:
        """For each cell the smallest int8 whose value is at least ``value``."""
        return np.repeat([output.quantized(value) for output in self._outputs], self._counts).astype(np.int8)

    def dequantized(self, values: NDArray[np.int8], cells: NDArray[np.intp]) -> NDArray[np.float32]:
        """What some cells' int8 values stand for: float32, cells x channels."""
        # take: an index in brackets takes four times as long for a few cells.
        taken = values.take(cells, axis=0).astype(np.float32)
        return (taken - self._zero_points.take(cells, axis=0)) * self._scales.take(cells, axis=0)


def _grids(model: Model) -> list[tuple[int, int]]:
    """Rows and columns of each stride's cells."""
    width, height = model.size
    return [(height // stride, width // stride) for stride in STRIDES]


def _corners(rows: int, columns: int) -> NDArray[np.float32]:
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2).astype(np.float32)


def _each_cells(values: Sequence[float], grids: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
    """A value of each stride as one of each of its cells: cells x 1."""
    return np.repeat(np.array(values, np.float32), [rows * columns for rows, columns in grids])[:, np.newaxis]


def suppressed(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: n x 4: x, y, width, height.
        scores: n.

    Returns:
        The indices of the boxes that stay, best first.
    """
    return [int(index) for index in cv2.dnn.NMSBoxes(boxes.astype(np.float64), scores, 0.0, NMS_OVERLAP)]  # type: ignore[arg-type]
