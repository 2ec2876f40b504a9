"""What of a face decides its judgement: an activation map, on the device and without TensorFlow.

Grad-CAM (Selvaraju and others, 2017) of the logit before the softmax. Above the feature map stand only an average,
dense layers and ReLUs, so the gradient is exact and cheap: it is the same at every place of the map, a product of the
dense layers' weights without the units that the ReLU holds at zero for this face.
"""

import numpy as np
from numpy.typing import NDArray

from facemask_edge.errors import ModelError
from facemask_edge.inference import Model
from facemask_edge.values import Label

Heat = NDArray[np.float32]
"""An activation map: height x width, not negative."""
FEATURE_MAP_SIDES = 4
"""batch, height, width, channels."""


class ActivationMaps:
    """Explains a classifier's judgements.

    Args:
        model: A classifier whose second output is its last feature map, followed by an average over all places, by
            dense layers with ReLU and by a softmax, as in the paper.

    Raises:
        ModelError: The model has no such output, or its dense layers cannot be read.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._labels = model.entry.labels
        maps = [output for output in model.outputs if len(output.shape) == FEATURE_MAP_SIDES]
        self._layers = model.dense_layers()
        fitting = [one for one in maps if self._layers and one.shape[-1] == self._layers[0].weights.shape[1]]
        if not fitting:
            raise ModelError(
                f"model {model.entry.name} has no feature map to explain; convert it with convert-model --explain, "
                "and name the file that is not compiled for an Edge TPU"
            )
        self._features = fitting[0]

    def of(self, label: Label) -> Heat:
        """Where the face that the model judged last speaks for a label.

        Args:
            label: ``mask`` or ``no_mask``.

        Returns:
            float32, map height x map width (7 x 7), not negative: each place's share of what raises the label's logit.
        """
        features = self._features.dequantized(self._model.output(self._features)[0])
        gradient = self._gradient(features.mean(axis=(0, 1)), self._labels.index(label))
        return np.maximum(features @ (gradient / np.float32(features.shape[0] * features.shape[1])), 0)

    def _gradient(self, averages: NDArray[np.float32], output: int) -> NDArray[np.float32]:
        """The derivative of an output's logit by each channel's average."""
        *hidden, last = self._layers
        values, open_units = averages, []
        for layer in hidden:
            values = np.maximum(layer.weights @ values + layer.bias, 0)
            open_units.append(values > 0)
        gradient = last.weights[output]
        for layer, passing in zip(reversed(hidden), reversed(open_units), strict=True):
            gradient = (gradient * passing) @ layer.weights
        return np.asarray(gradient, np.float32)
