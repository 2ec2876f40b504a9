"""The part of the classifier that is never trained, run as the device runs it: as int8.

Quantized after training, these layers add an error of a third of their features' size, and most faces that int8 judges
otherwise than float are due to it. The layers above learn from features that already have it.
"""

import os
import queue
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.quantize import Batch, to_int8
from converter.tensorflow_quietly import keras, quietly, tf
from facemask_edge.values import Image

INPUT_SCALE, INPUT_ZERO_POINT = 1 / 127.5, -1
"""With these the device's ``uint8 ^ 0x80`` is the network's input range of -1..1."""
WORKERS = os.cpu_count() or 1


class QuantizedLowerHalf:
    """The lower half as an int8 model, usable from several threads at once.

    Args:
        lower: See ``SplitNetwork``.
        calibration: Inputs the activations' ranges are taken from.
    """

    def __init__(self, lower: keras.Model, calibration: Iterable[Batch]) -> None:
        content = to_int8(lower, calibration, scale=INPUT_SCALE, zero_point=INPUT_ZERO_POINT)
        self.shape: tuple[int, ...] = tuple(lower.output.shape[1:])
        # An interpreter serves one caller at a time; each has a thread of its own here.
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with quietly():
            for _ in range(WORKERS):
                interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
                interpreter.allocate_tensors()
                self._idle.put(interpreter)

    def features(self, crop: Image) -> NDArray[np.float32]:
        """The features of one crop.

        Args:
            crop: uint8, 224 x 224 x 3, BGR.

        Returns:
            float32, 14 x 14 x 96.
        """
        interpreter = self._idle.get()
        try:
            (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
            interpreter.set_tensor(given["index"], (crop[np.newaxis, ..., ::-1] ^ np.uint8(0x80)).view(np.int8))
            interpreter.invoke()
            values = interpreter.get_tensor(taken["index"])[0].astype(np.float32)
        finally:
            self._idle.put(interpreter)
        scale, zero_point = taken["quantization"]
        return (values - np.float32(zero_point)) * np.float32(scale)  # type: ignore[no-any-return]
