from typing import Any

import numpy as np
import pytest

from facemask_edge.faces.yunet import STRIDES

pytest.importorskip("tensorflow", reason="the converter extra (TensorFlow) is not installed")

from converter.detector_loss import assign, detector_loss, read_cells
from converter.tensorflow_quietly import tf

pytestmark = pytest.mark.converter

SIZE = 64


def outputs(score: float = -4.0) -> dict[str, Any]:
    """A network that sees the same everywhere: low scores and boxes of two strides around its cells' corners."""
    found = {}
    for stride in STRIDES:
        shape = 1, SIZE // stride, SIZE // stride
        found[f"scores_{stride}"] = tf.fill((*shape, 2), score)
        found[f"boxes_{stride}"] = tf.tile(tf.constant([0.0, 0.0, np.log(2), np.log(2)], tf.float32), [1])[
            None, None, None
        ] + tf.zeros((*shape, 4))
    return found


def faces(*corners: list[float]) -> Any:
    return tf.constant([corners], tf.float32)


def test_cells_are_decoded_as_the_device_does() -> None:
    cells = read_cells(outputs())
    assert cells.boxes.shape == (1, 64 + 16 + 4, 4)
    # Row 1, column 2 of stride 8: the centre is the cell's upper left corner, (16, 8).
    assert cells.boxes[0, 10].numpy() == pytest.approx([8, 0, 24, 16])
    assert cells.points[10].tolist() == [20, 12]


def test_a_face_is_answered_for_by_cells_that_fit_it() -> None:
    index, positive = assign(read_cells(outputs()), faces([0, 0, 0, 0], [24, 24, 40, 40]), tf.constant([[False, True]]))
    chosen = np.nonzero(positive[0].numpy())[0]
    assert 36 in chosen  # row 4, column 4 of stride 8: exactly this box
    assert set(index.numpy()[0, chosen]) == {1}


def test_faces_that_are_not_taught_are_answered_for_by_no_cell() -> None:
    _, positive = assign(read_cells(outputs()), faces([24, 24, 40, 40]), tf.constant([[False]]))
    assert not positive.numpy().any()


def test_ignored_faces_cost_nothing_where_they_are() -> None:
    """Sure of a face where an ignored one lies: no loss there; where none lies: loss."""
    sure = outputs()
    rows = np.full((1, 8, 8, 2), -20.0, np.float32)
    rows[0, 3, 3] = 20
    sure["scores_8"] = tf.constant(rows)
    for stride in (16, 32):
        sure[f"scores_{stride}"] = tf.fill(sure[f"scores_{stride}"].shape, -20.0)
    not_taught = tf.constant([[False]])
    assert float(detector_loss(sure, faces([20, 20, 40, 40]), not_taught)) == pytest.approx(0, abs=1e-3)
    assert float(detector_loss(sure, faces([0, 0, 0, 0]), not_taught)) == pytest.approx(20, abs=0.1)


def test_a_better_answer_costs_less() -> None:
    taught = tf.constant([[True]])
    face = faces([24, 24, 40, 40])
    unsure, wrong_place = detector_loss(outputs(), face, taught), outputs()
    rows = np.full((1, 8, 8, 2), -4.0, np.float32)
    rows[0, 4, 4] = 4
    better = outputs() | {"scores_8": tf.constant(rows)}
    wrong_place["scores_8"] = tf.constant(rows[:, ::-1, ::-1].copy())
    assert detector_loss(better, face, taught) < unsure
    assert detector_loss(outputs() | {"scores_8": tf.constant(np.roll(rows, 3, 1))}, face, taught) > unsure


def test_the_gradient_is_finite_without_any_face() -> None:
    logits = tf.Variable(tf.fill((1, 8, 8, 2), -4.0))
    boxes = tf.Variable(outputs()["boxes_8"])
    with tf.GradientTape() as tape:
        loss = detector_loss(
            outputs() | {"scores_8": logits, "boxes_8": boxes}, faces([0, 0, 0, 0]), tf.constant([[False]])
        )
    for gradient in tape.gradient(loss, [logits, boxes]):
        assert np.isfinite(gradient.numpy()).all()
