"""What ``convert-model --check`` says of models of every kind, and of which operations an Edge TPU takes."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter import check_model as checking
from converter.check_model import CPU, EDGE_TPU, Check, check_model
from converter.edgetpu_operations import mapped_operations
from converter.tflite_file import read_tflite
from facemask_edge.manifest import packaged_models
from tests.converter.tflite_files import chain, compiled


def checked(path: Path) -> Check:
    return checking.checked(read_tflite(path), path.name)


Operations = Sequence[tuple[str, int]]


@pytest.mark.parametrize(
    ("name", "count"),
    [("mask_classifier_int8.tflite", 66), ("face_detector_320_int8.tflite", 59), ("face_detector_512_int8.tflite", 59)],
)
def test_the_shipped_models_would_run_on_an_edgetpu_whole(name: str, count: int) -> None:
    check = checked(packaged_models() / name)
    assert check.on_edgetpu == count == sum(row.count for row in check.operations)
    assert check.kind == "fully quantized to int8"
    assert check.verdict.startswith(f"All {count} operations would run")
    assert check.size == (packaged_models() / name).stat().st_size


def test_a_compiled_model_runs_nowhere_else(tmp_path: Path) -> None:
    check = checked(compiled(tmp_path / "model.tflite"))
    assert check.compiled
    assert check.kind == "compiled for the Edge TPU"
    assert check.verdict == (
        "It is compiled: it runs on an Edge TPU, but for 1 of 2 operations, which stays on the CPU. Without an Edge "
        "TPU it does not run."
    )


@pytest.mark.parametrize(
    ("operations", "places"),
    [
        pytest.param([("ADD", 2), ("MUL", 2)], [EDGE_TPU, EDGE_TPU], id="both known"),
        pytest.param([("ADD", 2), ("HARD_SWISH", 1), ("ADD", 2)], [EDGE_TPU, CPU, CPU], id="all after it is left, too"),
        pytest.param([("HARD_SWISH", 1), ("ADD", 2)], [CPU, EDGE_TPU], id="what prepares the input may stay"),
        pytest.param([("ADD", 3)], [CPU], id="a newer version"),
        pytest.param([("TFLite_Detection_PostProcess", 1)], [CPU], id="a custom operation"),
    ],
)
def test_the_compiler_takes_one_part_of_a_model(operations: Operations, places: list[str], tmp_path: Path) -> None:
    mapped = mapped_operations(read_tflite(chain(tmp_path / "model.tflite", operations)))
    assert [CPU if one.reason else EDGE_TPU for one in mapped] == places


@pytest.mark.parametrize(
    ("operation", "dtype", "reason"),
    [
        (("HARD_SWISH", 1), "INT8", "does not know it"),
        (("ADD", 4), "INT8", "up to version 2"),
        (("ADD", 1), "FLOAT32", "works on float32"),
        (("ADD", 2), "INT16", "works on int16"),
    ],
)
def test_it_says_why(operation: tuple[str, int], dtype: str, reason: str, tmp_path: Path) -> None:
    (mapped,) = mapped_operations(read_tflite(chain(tmp_path / "model.tflite", [operation], dtype)))
    assert mapped.reason is not None
    assert reason in mapped.reason


@pytest.mark.parametrize(
    ("operation", "options", "fields", "constant", "reason"),
    [
        (("RESIZE_BILINEAR", 2), "ResizeBilinear", {"halfPixelCenters": True}, (), "half-pixel centres"),
        (("RESIZE_BILINEAR", 2), "ResizeBilinear", {"alignCorners": True}, (), None),
        (("MAX_POOL_2D", 2), "Pool2D", {"fusedActivationFunction": 1}, (), "an activation is fused"),
        (("CONV_2D", 3), "Conv2D", {"dilationWFactor": 2, "dilationHFactor": 1}, (), "its dilation differs"),
        (("CONV_2D", 3), "Conv2D", {"dilationWFactor": 2, "dilationHFactor": 2}, (), None),
        (("STRIDED_SLICE", 2), "StridedSlice", {"newAxisMask": 1}, (), "a new axis"),
        (("STRIDED_SLICE", 2), "StridedSlice", {}, (1, 1, 2, 1), "its strides are not all 1"),
        (("MEAN", 2), "Reducer", {}, (1, 2), None),
        (("MEAN", 2), "Reducer", {}, (0,), "reduces over the pictures"),
        (("SUM", 2), "Reducer", {}, (-4,), "reduces over the pictures"),
        (("PAD", 2), "Pad", {}, (0, 0, 1, 1, 1, 1, 0, 0), None),
        (("PAD", 2), "Pad", {}, (1, 0, 0, 0, 0, 0, 0, 0), "pads the pictures"),
        (("PACK", 2), "Pack", {"axis": 0}, (), "along the pictures"),
        (("SOFTMAX", 2), "Softmax", {}, (), "more than one dimension"),
        (("FULLY_CONNECTED", 4), "FullyConnected", {}, (), "more than one dimension"),
        (("PRELU", 1), None, {}, (), "its alpha has more than one dimension"),
    ],
)
def test_every_limit_is_told(  # noqa: PLR0913, PLR0917 - what the case is made of
    operation: tuple[str, int],
    options: str | None,
    fields: dict[str, int],
    constant: tuple[int, ...],
    reason: str | None,
    tmp_path: Path,
) -> None:
    path = chain(tmp_path / "model.tflite", [operation], options=options, fields=fields, constant=constant)
    (mapped,) = mapped_operations(read_tflite(path))
    if reason is None:
        assert mapped.reason is None
    else:
        assert reason in (mapped.reason or "")


def test_names_in_a_file_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    check_model(chain(tmp_path / "model.tflite", [("a[/x]", 1)], name="[bold]:smile:\x1b[31m"))
    told = capsys.readouterr().out
    assert "a[/x]" in told
    assert "[bold]:smile:?[31m" in told


def test_json_is_the_whole_of_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    check_model(chain(tmp_path / "model.tflite", [("ADD", 2), ("HARD_SWISH", 1)]), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == "model.tflite"
    assert [row["runs_on"] for row in told["operations"]] == [EDGE_TPU, CPU]
    assert told["inputs"][0]["shape"] == [1, 8, 8, 4]
    assert told["verdict"] == "1 of 2 operations would run on an Edge TPU, 1 stays on the CPU."


def test_people_get_tables(capsys: pytest.CaptureFixture[str]) -> None:
    check_model(packaged_models() / "mask_classifier_int8.tflite")
    told = capsys.readouterr().out
    for wanted in ("fully quantized to int8; 2.7 MiB", "1x224x224x3", "0.00784314", "DEPTHWISE_CONV_2D", "All 66"):
        assert wanted in told


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Check]:
    """Converts a tiny network in the ways that TensorFlow's converter offers, and checks the result."""
    tf = pytest.importorskip(
        "tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'"
    )
    from converter.tensorflow_quietly import keras, quietly  # noqa: PLC0415 - only with TensorFlow

    picture = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(64, 3, activation="relu")(picture)
    x = keras.layers.Resizing(64, 64, interpolation="nearest")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    network = keras.Model(picture, keras.layers.Dense(64, activation="softmax")(x))
    function = tf.function(network).get_concrete_function(tf.TensorSpec((1, 32, 32, 3), tf.float32))
    # The function alone does not keep its variables.
    tracked = tf.Module()
    tracked.kept = list(function.variables)
    folder = tmp_path_factory.mktemp("kinds")

    def pictures() -> Iterator[list[Any]]:
        yield from ([np.full((1, 32, 32, 3), value, np.float32)] for value in (-1, 1))

    def make(*, smaller: bool = False, halves: bool = False, quantized: bool = False, ends: bool = False) -> Check:
        with quietly():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tracked)
            converter.optimizations = [tf.lite.Optimize.DEFAULT] if smaller or halves or quantized else []
            if halves:
                converter.target_spec.supported_types = [tf.float16]
            if quantized:
                converter.representative_dataset = pictures
                converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            if ends:
                converter.inference_input_type = converter.inference_output_type = tf.int8
            path = folder / f"{len(list(folder.iterdir()))}.tflite"
            path.write_bytes(converter.convert())
        return checked(path)

    return make


@pytest.mark.converter
def test_float32(made: Callable[..., Check]) -> None:
    check = made()
    assert check.kind == "float32"
    assert check.verdict.startswith("None of its")


@pytest.mark.converter
def test_float16(made: Callable[..., Check]) -> None:
    check = made(halves=True)
    assert check.kind == "float16 weights, float32 between the operations"


@pytest.mark.converter
def test_dynamic_range(made: Callable[..., Check]) -> None:
    check = made(smaller=True)
    assert check.kind == "dynamic range: quantized weights, float32 between the operations"
    assert check.on_edgetpu == 0


@pytest.mark.converter
def test_int8_between_float32_ends(made: Callable[..., Check]) -> None:
    check = made(quantized=True)
    assert check.kind == "quantized inside, with float32 at its inputs or outputs"
    # The picture is quantized on the CPU; the convolution after it may run on the Edge TPU.
    places = {row.operation: row.runs_on for row in check.operations}
    assert (places["QUANTIZE"], places["CONV_2D"]) == (CPU, EDGE_TPU)


@pytest.mark.converter
def test_dense_weights_per_channel_and_moved_centres_are_found(made: Callable[..., Check]) -> None:
    check = made(quantized=True, ends=True)
    assert check.kind == "fully quantized to int8"
    reasons = {row.operation: row.reason for row in check.operations}
    assert reasons["CONV_2D"] is None
    assert reasons["FULLY_CONNECTED"] == "its weights are quantized per channel"
    assert reasons["RESIZE_NEAREST_NEIGHBOR"] == "the compiler knows it up to version 2"
