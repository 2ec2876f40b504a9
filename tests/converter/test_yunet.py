"""The Keras YuNet-n computes what the published ONNX file computes, in operations that the Edge TPU has."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facemask_edge.errors import InputError
from facemask_edge.faces.yunet import STRIDES

pytest.importorskip("tensorflow", reason="the converter extra (TensorFlow) is not installed")
pytest.importorskip("onnx", reason="the converter extra (onnx) is not installed")

import onnx

from converter.tensorflow_quietly import keras, quietly
from converter.train_detector import quantized
from converter.yunet import build_yunet, load_onnx_weights, with_logits

pytestmark = pytest.mark.converter


def noise(size: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (1, size, size, 3)).astype(np.float32)


@pytest.mark.shared_data
def test_equals_the_published_network(shared: Path) -> None:
    path = shared / "weights" / "yunet_n_320_320.onnx"
    model = build_yunet(None)
    load_onnx_weights(model, path)
    image = noise(320)
    found = model(image)
    network = pytest.importorskip("onnx.reference").ReferenceEvaluator(onnx.load(str(path)))
    names = [output.name for output in onnx.load(str(path)).graph.output]
    wanted = dict(zip(names, network.run(None, {"input": image.transpose(0, 3, 1, 2)}), strict=True))
    for stride in STRIDES:
        scores = np.concatenate([wanted[f"cls_{stride}"], wanted[f"obj_{stride}"]], axis=-1)
        np.testing.assert_allclose(found[f"scores_{stride}"].numpy().reshape(1, -1, 2), scores, atol=1e-3)
        boxes = found[f"boxes_{stride}"].numpy().reshape(1, -1, 4)
        np.testing.assert_allclose(boxes, wanted[f"bbox_{stride}"], atol=1e-3)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.onnx cannot be read: No such file"):
        load_onnx_weights(build_yunet(None), tmp_path / "gone.onnx")


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.onnx"
    path.write_text("<!DOCTYPE html>")
    with pytest.raises(InputError, match="not an ONNX file"):
        load_onnx_weights(build_yunet(None), path)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    graph = onnx.helper.make_graph([], "other", [], [])
    onnx.save(onnx.helper.make_model(graph), str(path))
    with pytest.raises(InputError, match="not a YuNet-n"):
        load_onnx_weights(build_yunet(None), path)


def test_logits_are_the_scores_before_the_sigmoid() -> None:
    model = build_yunet(None)
    scores, logits = model(noise(64))["scores_8"].numpy(), with_logits(model)(noise(64))["scores_8"].numpy()
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_is_saved_and_loaded_with_its_own_layer(tmp_path: Path) -> None:
    model = build_yunet(None)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(noise(64))["boxes_16"].numpy(), model(noise(64))["boxes_16"].numpy())


def test_is_quantized_to_edge_tpu_operations_only() -> None:
    interpreter_class = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
    image = noise(64)
    image[0, 0, 0], image[0, 0, 1] = 0, 255
    content = quantized(build_yunet(None), 64, iter([image]))
    # Without XNNPACK, which would replace the operations by its own.
    with quietly():
        kinds = pytest.importorskip("ai_edge_litert.interpreter").OpResolverType
        interpreter = interpreter_class(
            model_content=content, experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        interpreter.allocate_tensors()
    used = {operation["op_name"] for operation in interpreter._get_ops_details()}  # noqa: SLF001 - no public way
    assert used == {
        "ADD",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "LOGISTIC",
        "MAX_POOL_2D",
        "PAD",
        "RESIZE_NEAREST_NEIGHBOR",
    }
    tensors = [*interpreter.get_input_details(), *interpreter.get_output_details()]
    assert {tensor["dtype"] for tensor in tensors} == {np.int8}
    shapes = {tuple(int(side) for side in tensor["shape"]) for tensor in interpreter.get_output_details()}
    assert shapes == {(1, 64 // stride, 64 // stride, channels) for stride in STRIDES for channels in (2, 4)}
