import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facemask_edge.errors import ModelError
from facemask_edge.inference import Model, QuantizedOutput, delegate_loader, interpreter_class, runtime
from facemask_edge.manifest import MANIFEST, packaged_models, sha256_of
from tests.faults.process_faults import stub_delegate

CLASSIFIER = "mask_classifier_int8.tflite"
DETECTOR = "face_detector_320_int8.tflite"
"""Its outputs differ between any two pictures; those of the classifier are often certain, and so equal."""
RUNS_ON = os.environ.get("FACEMASK_RUNS_ON", "ai-edge-litert 2")
"""What these tests are meant to run on; make test-tflite-runtime names others."""


def test_the_libraries_are_those_that_are_meant() -> None:
    found = f"{runtime()}, numpy {np.__version__}, opencv {cv2.__version__}, "
    for library in RUNS_ON.split(", "):
        assert f"{library}." in found


def copied(folder: Path, content: bytes | None = None, **changes: Any) -> str:
    """A copy of the shipped classifier, perhaps with another content, whose manifest entry says otherwise."""
    path = folder / CLASSIFIER
    shutil.copy(packaged_models() / CLASSIFIER, path)
    if content is not None:
        path.write_bytes(content)
    models = json.loads((packaged_models() / MANIFEST).read_text())["models"]
    (entry,) = [entry for entry in models if entry["file"] == CLASSIFIER]
    entry = entry | {"sha256": sha256_of(path)} | changes
    (folder / MANIFEST).write_text(json.dumps({"models": [entry]}))
    return str(path)


def picture(model: Model, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    width, height = model.size
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_equal_pictures_give_equal_outputs_and_stay_as_they_are() -> None:
    model = Model(DETECTOR)
    output = model.outputs[0]
    one, other = picture(model, 1), picture(model, 2)
    before = one.copy()
    model.invoke(one)
    first = model.output(output)
    model.invoke(other)
    second = model.output(output)
    model.invoke(one)
    np.testing.assert_array_equal(model.output(output), first)
    np.testing.assert_array_equal(one, before)
    assert not np.array_equal(first, second)
    assert model.invocations == 3


def test_around_a_smaller_picture_the_input_is_black() -> None:
    model = Model(DETECTOR)
    whole = picture(model, 1)
    for height, width in ((240, 320), (320, 200), (7, 5)):
        padded = np.zeros_like(whole)
        padded[:height, :width] = whole[:height, :width]
        model.invoke(padded)
        expected = [model.output(output) for output in model.outputs]
        # Not what was there before.
        model.invoke(picture(model, 2))
        model.invoke(whole[:height, :width])
        for output, values in zip(model.outputs, expected, strict=True):
            np.testing.assert_array_equal(model.output(output), values)


def test_an_output_kept_from_an_earlier_invocation_does_not_change() -> None:
    model = Model(DETECTOR)
    output = model.outputs[0]
    model.invoke(picture(model, 1))
    kept = model.output(output)
    copy = kept.copy()
    model.invoke(picture(model, 2))
    np.testing.assert_array_equal(kept, copy)


def test_dequantizing_widens_first() -> None:
    output = QuantizedOutput({"index": 0, "name": "x", "shape": [1, 2], "quantization": (1 / 256, -128)})
    values = output.dequantized(np.array([-128, 0, 127], np.int8))
    np.testing.assert_allclose(values, [0, 0.5, 255 / 256])
    assert values.dtype == np.float32


@pytest.mark.parametrize("value", [0.0, 0.09, 0.36, 0.5, 0.99, 3.0, -2.0])
def test_comparing_as_int8_rules_out_exactly_what_comparing_as_float_does(value: float) -> None:
    output = QuantizedOutput({"index": 0, "name": "x", "shape": [1], "quantization": (1 / 256, -128)})
    every = np.arange(-128, 128).astype(np.int8)
    expected = output.dequantized(every) >= value
    if value <= output.dequantized(every).max():
        np.testing.assert_array_equal(every >= output.quantized(value), expected)


def test_a_file_that_is_no_model_is_explained_though_its_sha256_is_right(tmp_path: Path) -> None:
    # Not a truncated one: the runtime may take all memory for it, which is why its SHA-256 is checked first.
    with pytest.raises(ModelError, match="cannot be loaded by this TFLite runtime"):
        Model(copied(tmp_path, b"this is no flat buffer, and never was one"))


def test_a_model_that_takes_another_picture_than_its_manifest_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not take one picture of 96x96"):
        Model(copied(tmp_path, input={"width": 96, "height": 96, "channels": "RGB"}))


@pytest.mark.skipif(
    not shutil.which("gcc"), reason="the Debian package gcc is not installed; run: sudo apt install gcc"
)
@pytest.mark.parametrize("name", [DETECTOR, "mask_classifier_int8.tflite"])
def test_the_delegate_of_the_fault_tests_judges_as_the_runtime_does(name: str, tmp_path: Path) -> None:
    path = str(packaged_models() / name)
    delegate = delegate_loader()(str(stub_delegate(tmp_path)))
    new = interpreter_class()
    plain, delegated = new(path), new(path, experimental_delegates=[delegate])
    pictures = np.random.default_rng(0).integers(-128, 127, (5, *plain.get_input_details()[0]["shape"])).astype(np.int8)
    for picture in pictures:
        outputs = []
        for interpreter in (plain, delegated):
            interpreter.allocate_tensors()
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
            interpreter.invoke()
            outputs.append([interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()])
        for expected, found in zip(*outputs, strict=True):
            assert np.abs(expected.astype(int) - found).max() <= 1
