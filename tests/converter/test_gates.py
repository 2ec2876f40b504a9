"""What a converted model must prove: each gate closes for what it is there for."""

from pathlib import Path

import numpy as np
import pytest

from converter.gates import Gate, Limits, ensure_passed, judgement_gates, structure_gates
from converter.tflite_file import read_tflite
from facemask_edge.errors import ModelError
from facemask_edge.manifest import packaged_models
from tests.converter.tflite_files import chain

CLASSIFIER = packaged_models() / "mask_classifier_int8.tflite"


def _failed(gates: list[Gate]) -> list[str]:
    return [gate.name for gate in gates if gate.passed is False]


def test_the_shipped_classifier_passes() -> None:
    gates = structure_gates(read_tflite(CLASSIFIER), scale=1 / 127.5, zero_point=-1, edgetpu=True)
    assert [gate.passed for gate in gates] == [True] * 4
    ensure_passed(gates)


def test_another_input_quantization_is_refused() -> None:
    detector = read_tflite(packaged_models() / "face_detector_320_int8.tflite")
    gates = structure_gates(detector, scale=1 / 127.5, zero_point=-1, edgetpu=False)
    assert _failed(gates) == ["quantization of the input"]
    with pytest.raises(ModelError, match=r"wanted scale 0\.007843, zero point -1, found scale 1\.000000, zero point"):
        ensure_passed(gates)


def test_a_float_tensor_and_what_stays_on_the_cpu_are_refused(tmp_path: Path) -> None:
    floating = read_tflite(chain(tmp_path / "float.tflite", [("ADD", 1)], "FLOAT32"))
    assert "numbers between the operations" in _failed(
        structure_gates(floating, scale=0.5, zero_point=0, edgetpu=False)
    )
    unknown = read_tflite(chain(tmp_path / "unknown.tflite", [("ADD", 2), ("HARD_SWISH", 1)]))
    assert _failed(structure_gates(unknown, scale=0.5, zero_point=0, edgetpu=False)) == []
    (gate,) = [one for one in structure_gates(unknown, scale=0.5, zero_point=0, edgetpu=True) if not one.passed]
    assert gate.found == "1 (HARD_SWISH: the Edge TPU does not know it)"


def test_dense_weights_with_a_scale_a_channel_are_refused(tmp_path: Path) -> None:
    per_channel = chain(tmp_path / "model.tflite", [("FULLY_CONNECTED", 4)], channels=4)
    gates = structure_gates(read_tflite(per_channel), scale=0.5, zero_point=0, edgetpu=False)
    assert _failed(gates) == ["scales of each dense layer's weights"]


def test_judging_otherwise_than_float_is_refused() -> None:
    truth = np.array([0, 1] * 100)
    by_float = np.where(truth == 1, 0.9, 0.1)
    assert _failed(judgement_gates(truth, by_float, by_float)) == []
    by_int8 = by_float.copy()
    by_int8[:3] = 0.5
    # Two masks of three are judged otherwise now: 1 % of 200 would be allowed, and is the drop.
    assert _failed(judgement_gates(truth, by_int8, by_float)) == []
    by_int8[:6] = 0.5
    gates = judgement_gates(truth, by_int8, by_float)
    assert len(_failed(gates)) == 2
    with pytest.raises(ModelError, match=r"accept it as it is with --least-agreement.*--largest-drop"):
        ensure_passed(gates)


def test_other_limits_may_be_given() -> None:
    truth = np.array([0, 1] * 100)
    by_float = np.where(truth == 1, 0.9, 0.1)
    by_int8 = by_float.copy()
    by_int8[:6] = 0.5
    wider = Limits(least_agreement=0.98, largest_drop=0.02)
    assert _failed(judgement_gates(truth, by_int8, by_float, limits=wider)) == []
    stricter = Limits(least_agreement=0.999)
    by_int8[1:] = by_float[1:]
    assert _failed(judgement_gates(truth, by_int8, by_float, limits=stricter)) == [
        "held-out faces that int8 judges like float"
    ]


def test_a_model_that_is_asked_wrongly_is_refused() -> None:
    truth = np.array([0, 1] * 100)
    swapped = np.where(truth == 1, 0.1, 0.9)
    gates = judgement_gates(truth, swapped, swapped)
    assert _failed(gates) == ["held-out faces that float judges rightly"]
    with pytest.raises(ModelError, match="are the outputs in the order of --labels"):
        ensure_passed(gates)
    poor = 1 - swapped
    poor[:60] = 0.9
    (plausible, *_) = judgement_gates(truth, poor, poor, unseen=False)
    assert (plausible.passed, plausible.name) == (None, "faces, whether trained with or not, that float judges rightly")


def test_too_few_faces_prove_nothing() -> None:
    truth = np.array([0, 1])
    gates = judgement_gates(truth, np.array([0.9, 0.1]), np.array([0.1, 0.9]))
    assert [gate.passed for gate in gates] == [True, None, None]
    ensure_passed(gates)
    assert all("too few" in gate.found for gate in judgement_gates(truth[:0], np.zeros(0), np.zeros(0)))
