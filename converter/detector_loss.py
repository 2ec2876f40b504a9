"""The detector's loss: which cells answer for which face, and how far they are off.

The assignment is SimOTA (Ge and others, "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430), the box loss EIoU
(Zhang and others, "Focal and Efficient IOU Loss", arXiv 2101.08158), as YuNet was trained with.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.tensorflow_quietly import tf
from facemask_edge.faces.yunet import STRIDES

CENTRE_RADIUS = 2.5
"""A cell may answer for a face whose centre is nearer than so many strides."""
OVERLAP_COST = 3.0
CANDIDATES = 10
"""A face gets as many cells as its best overlaps add up to, of this many."""
BOX_WEIGHT = 5.0
FAR, IMPOSSIBLE = 1e5, 1e8
"""Costs of cells off the centre of the face, and of cells that may not answer for it at all."""
TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Cells:
    """Everything a model returns for a batch, the cells of all strides in one row; TensorFlow tensors, float32."""

    logits: Any
    """batch x cells x 2: class and objectness before the sigmoid."""
    boxes: Any
    """batch x cells x 4: corners left, top, right, bottom in pixels."""
    points: Any
    """cells x 2: the middle of each cell in pixels."""
    strides: Any
    """cells."""


def read_cells(outputs: dict[str, Any]) -> Cells:
    """Decode the outputs of ``yunet.with_logits``."""
    logits, boxes, points, strides = [], [], [], []
    for stride in STRIDES:
        scores, offsets = outputs[f"scores_{stride}"], outputs[f"boxes_{stride}"]
        _, rows, columns, _ = scores.shape
        row, column = np.mgrid[:rows, :columns].astype(np.float32)
        origins = np.stack([column, row], axis=-1).reshape(-1, 2)
        logits.append(tf.reshape(scores, (-1, rows * columns, 2)))
        offsets = tf.reshape(offsets, (-1, rows * columns, 4))
        centres = (origins + offsets[..., :2]) * stride
        # The limit only keeps the first steps from overflowing: e^6 strides is more than any input.
        halves = tf.exp(tf.minimum(offsets[..., 2:], 6.0)) * (stride / 2)
        boxes.append(tf.concat([centres - halves, centres + halves], axis=-1))
        points.append((origins + 0.5) * stride)
        strides.append(np.full(rows * columns, stride, np.float32))
    return Cells(tf.concat(logits, 1), tf.concat(boxes, 1), np.concatenate(points), np.concatenate(strides))


def assign(cells: Cells, faces: Any, taught: Any) -> tuple[Any, Any]:  # noqa: ANN401 - TensorFlow tensors
    """Decide which cells answer for which face.

    Args:
        cells: What the model says now.
        faces: float32, batch x n x 4: corners of the faces; unused places hold zeros.
        taught: bool, batch x n: False for faces to ignore and for unused places.

    Returns:
        int32, batch x cells: the index of each cell's face, 0 where there is none; and bool, batch x cells: whether the
        cell answers for a face.
    """
    left_top = cells.points - faces[:, :, None, :2]
    right_bottom = faces[:, :, None, 2:] - cells.points
    in_face = tf.reduce_min(tf.concat([left_top, right_bottom], axis=-1), axis=-1) > 0
    distance = tf.abs(cells.points - (faces[:, :, None, :2] + faces[:, :, None, 2:]) / 2)
    near_centre = tf.reduce_max(distance, axis=-1) < CENTRE_RADIUS * cells.strides
    possible = (in_face | near_centre) & taught[:, :, None]

    overlaps = tf.where(possible, _overlap(faces[:, :, None], cells.boxes[:, None]), 0.0)
    # score = sqrt(class * objectness)
    log_score = tf.reduce_mean(tf.math.log_sigmoid(cells.logits), axis=-1)
    cost = -log_score[:, None] - OVERLAP_COST * tf.math.log(overlaps + TINY)
    cost += tf.where(in_face & near_centre, 0.0, FAR)
    cost = tf.where(possible, cost, IMPOSSIBLE)

    count = tf.cast(tf.reduce_sum(tf.math.top_k(overlaps, CANDIDATES).values, axis=-1), tf.int32)
    count = tf.clip_by_value(count, 1, CANDIDATES)
    cheapest = -tf.math.top_k(-cost, CANDIDATES).values
    limit = tf.gather(cheapest, count - 1, batch_dims=2)[:, :, None]
    # A cell wanted by several faces answers for the one it costs least.
    wanted = tf.where((cost <= limit) & possible, cost, 2 * IMPOSSIBLE)
    return tf.argmin(wanted, axis=1, output_type=tf.int32), tf.reduce_min(wanted, axis=1) < IMPOSSIBLE


def detector_loss(outputs: dict[str, Any], faces: Any, taught: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
    """The loss of a batch: classification to the box's overlap, objectness and the box, per cell that answers.

    Args:
        outputs: Those of ``yunet.with_logits``.
        faces: float32, batch x n x 4, n at least 1: left, top, right, bottom in pixels; unused places hold zeros.
        taught: bool, batch x n: False for faces to ignore and for unused places.
    """
    cells = read_cells(outputs)
    index, positive = assign(
        Cells(tf.stop_gradient(cells.logits), tf.stop_gradient(cells.boxes), cells.points, cells.strides), faces, taught
    )
    answers = tf.cast(positive, tf.float32)
    targets = tf.gather(faces, index, batch_dims=1)
    # A cell that answers for no face has any target; this keeps its unused gradient finite.
    targets = tf.where(positive[..., None], targets, tf.stop_gradient(cells.boxes))
    count = tf.maximum(tf.reduce_sum(answers), 1.0)

    overlaps = tf.stop_gradient(_overlap(targets, cells.boxes))
    of_class = tf.nn.sigmoid_cross_entropy_with_logits(labels=overlaps, logits=cells.logits[..., 0])
    of_object = tf.nn.sigmoid_cross_entropy_with_logits(labels=answers, logits=cells.logits[..., 1])
    counted = tf.cast(positive | ~_in_ignored(cells, faces, taught), tf.float32)
    of_box = _efficient_overlap_loss(targets, cells.boxes)
    return tf.reduce_sum(answers * (of_class + BOX_WEIGHT * of_box) + counted * of_object) / count


def _in_ignored(cells: Cells, faces: Any, taught: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
    """Whether a cell lies in, or right beside, a face that is neither taught nor held against the detector."""
    margin = cells.strides[:, None] / 2
    inside = (cells.points > faces[:, :, None, :2] - margin) & (cells.points < faces[:, :, None, 2:] + margin)
    ignored = ~taught & (faces[..., 2] > faces[..., 0])
    return tf.reduce_any(tf.reduce_all(inside, axis=-1) & ignored[:, :, None], axis=1)


def _area(boxes: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _overlap(first: Any, second: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
    """Intersection over union of boxes given by their corners."""
    sides = tf.minimum(first[..., 2:], second[..., 2:]) - tf.maximum(first[..., :2], second[..., :2])
    sides = tf.maximum(sides, 0.0)
    intersection = sides[..., 0] * sides[..., 1]
    return intersection / (_area(first) + _area(second) - intersection + TINY)


def _efficient_overlap_loss(targets: Any, boxes: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
    """EIoU: one minus the overlap, plus how far centre, width and height are off against the box around both."""
    around = tf.maximum(targets[..., 2:], boxes[..., 2:]) - tf.minimum(targets[..., :2], boxes[..., :2])
    squares = around**2 + TINY
    apart = ((targets[..., :2] + targets[..., 2:]) - (boxes[..., :2] + boxes[..., 2:])) / 2
    sides = (targets[..., 2:] - targets[..., :2]) - (boxes[..., 2:] - boxes[..., :2])
    centre = tf.reduce_sum(apart**2, axis=-1) / tf.reduce_sum(squares, axis=-1)
    return 1 - _overlap(targets, boxes) + centre + tf.reduce_sum(sides**2 / squares, axis=-1)
