"""Post-training quantization of a Keras model to a fully int8 TFLite model, as the Edge TPU compiler wants it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.tensorflow_quietly import keras, quietly, tf
from facemask_edge.errors import ModelError, OutputError
from facemask_edge.manifest import MANIFEST, Manifest, ModelEntry, read_manifest

Batch = NDArray[np.float32]
"""One model input: float32, 1 x height x width x 3, in the range the model was trained with."""


def to_int8(model: keras.Model, calibration: Iterable[Batch], *, scale: float, zero_point: int) -> bytes:
    """Quantize weights, activations, input and outputs to int8.

    Args:
        model: A Keras model with one picture as input.
        calibration: Inputs the activations' ranges are taken from; together they must contain the extremes of the
            input range, or the input's scale comes out wrong.
        scale: The input scale that must result.
        zero_point: The input zero point that must result.

    Returns:
        The bytes of the .tflite file, with a fixed batch size of 1.

    Raises:
        ModelError: The input's quantization is not the wanted one.
    """

    def representative() -> Iterator[list[Batch]]:
        for batch in calibration:
            yield [batch]

    with quietly():
        function, tracked = _traced(model)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tracked)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        # TensorFlow 2.17 and later quantizes Dense layers per channel, which the Edge TPU compiler refuses.
        converter._experimental_disable_per_channel_quantization_for_dense_layers = True  # noqa: SLF001
        content: bytes = converter.convert()
        found = input_quantization(content)
    if not np.isclose(found[0], scale, rtol=1e-3) or found[1] != zero_point:
        raise ModelError(
            f"the input was quantized with scale {found[0]:.6f} and zero point {found[1]}, wanted {scale:.6f} and "
            f"{zero_point}; the calibration pictures must contain black (0) and white (255)"
        )
    return content


def to_float(model: keras.Model) -> bytes:
    """The float32 .tflite file of a Keras model with one picture as input, with a fixed batch size of 1."""
    with quietly():
        function, tracked = _traced(model)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tracked)
        content: bytes = converter.convert()
    return content


def _traced(model: keras.Model) -> tuple[Any, Any]:
    """A model as a concrete function, and what keeps its variables."""
    shape = (1, *model.inputs[0].shape[1:])
    function = tf.function(lambda image: model(image, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name="image")
    )
    # Keras 3 hides its variables from what TensorFlow saves; calibration would stop at the first READ_VARIABLE.
    tracked = tf.Module()
    tracked.kept = list(function.variables)
    return function, tracked


def input_quantization(content: bytes) -> tuple[float, int]:
    """Scale and zero point of the only input of a .tflite file."""
    (details,) = _interpreter(content).get_input_details()
    return float(details["quantization"][0]), int(details["quantization"][1])


def _interpreter(content: bytes) -> Any:  # noqa: ANN401 - TensorFlow has no type information
    return tf.lite.Interpreter(model_content=content)


def write_model(path: Path, content: bytes, entry: ModelEntry) -> None:
    """Write a model file and its manifest entry; the file first, so that no entry ever names a missing one.

    Raises:
        OutputError: One of them cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
    write_entry(path.parent, entry)


def write_entry(folder: Path, entry: ModelEntry) -> None:
    """Write what is known of a model into the manifest of its folder, which is made when missing.

    Raises:
        OutputError: It cannot be written.
    """
    file = folder / MANIFEST
    manifest = read_manifest(folder) if file.exists() else Manifest(models=[])
    text = manifest.replaced(entry).model_dump_json(indent=2, exclude_defaults=True)
    try:
        _replace(file, f"{text}\n".encode())
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}") from error


def _replace(path: Path, content: bytes) -> None:
    """Write a whole file or none: on a full disk the one before stays."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
