"""The part of the classifier that is never trained, run as the device runs it: as int8.

Quantized, these layers add an error of a fifth of their features' size (of a third, were their weights rounded one by
one), and most faces that int8 judges otherwise than float are due to it. The layers above learn from features that
already have it, and from some that do not, so that both kinds of model judge alike.
"""

import os
import queue
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.classifier_network import network_input
from converter.quantize import Batch, to_float, to_int8
from converter.rounding import rounded
from converter.tensorflow_quietly import keras, quietly, tf
from facemask_edge.values import Image

INPUT_SCALE, INPUT_ZERO_POINT = 1 / 127.5, -1
"""With these the device's ``uint8 ^ 0x80`` is the network's input range of -1..1."""
WORKERS = os.cpu_count() or 1


class QuantizedLowerHalf:
    """The lower half as an int8 model, and as it is, usable from several threads at once.

    Args:
        lower: See ``SplitNetwork``.
        calibration: Inputs the activations' ranges are taken from.
    """

    def __init__(self, lower: keras.Model, calibration: Iterable[Batch]) -> None:
        batches = list(calibration)
        quantized = to_int8(rounded(lower, batches), batches, scale=INPUT_SCALE, zero_point=INPUT_ZERO_POINT)
        exact = to_float(lower)
        self.shape: tuple[int, ...] = tuple(lower.output.shape[1:])
        # An interpreter serves one caller at a time; each has a thread of its own here.
        self._idle: queue.SimpleQueue[tuple[Any, Any]] = queue.SimpleQueue()
        with quietly():
            for _ in range(WORKERS):
                self._idle.put((_interpreter(quantized), _interpreter(exact)))

    def features(self, crop: Image, *, exact: bool = False) -> NDArray[np.float32]:
        """The features of one crop.

        Args:
            crop: uint8, 224 x 224 x 3, BGR.
            exact: Whether they are to be those of the float model.

        Returns:
            float32, ``shape``.
        """
        pair = self._idle.get()
        try:
            if exact:
                return _invoked(pair[1], network_input([crop]))[0]
            values, (scale, zero_point) = _invoked(
                pair[0], (crop[np.newaxis, ..., ::-1] ^ np.uint8(0x80)).view(np.int8)
            )
        finally:
            self._idle.put(pair)
        return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _interpreter(content: bytes) -> Any:  # noqa: ANN401 - TensorFlow has no type information
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def _invoked(interpreter: Any, values: NDArray[Any]) -> tuple[NDArray[Any], tuple[float, int]]:  # noqa: ANN401 - likewise
    """The only output for the only input, and the output's scale and zero point."""
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(taken["index"])[0], taken["quantization"]
