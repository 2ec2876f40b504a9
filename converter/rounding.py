"""Rounds the weights of a network to the int8 grid so that the layers' outputs change least.

Rounded one by one to the nearest step, the weights of MobileNetV2's first layers change the features above them by 15 %
of their size, and those of ``block_12_add`` by 30 %: sums of large products that nearly cancel lose it. Here the error
of each rounding is made up for by the weights that are not rounded yet, and by the bias, as far as real inputs let them
(Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers", 2022).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.classifier_network import UnknownArchitectureError, flattened
from converter.quantize import Batch
from converter.tensorflow_quietly import keras, quietly, tf

KINDS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
LARGEST = 127
"""The weights' int8 values are symmetric: -127 to 127."""
DAMPING = 0.01
"""Part of the mean second moment that is added to each, so that inputs that hardly vary are not leaned on."""

MOST_PLACES = 28
"""Of a feature map, along each side, whose inputs are looked at."""

Array = NDArray[np.float64]


def rounded(network: keras.Model, calibration: Iterable[Batch]) -> keras.Model:
    """A copy of a network whose weights the int8 conversion takes over without an error.

    Args:
        network: Convolutions without a bias of their own, each followed by its batch normalization, and Dense layers.
        calibration: Inputs, as for ``to_int8``.

    Returns:
        A network of the same inputs and outputs, all layers on one level. Its kernels lie on the grid of the converter:
        per output channel with the batch normalization folded in, for a Dense layer one scale for the whole.

    Raises:
        UnknownArchitectureError: The network has layers of other kinds.
    """
    flat = flattened(network)
    if not any(isinstance(layer, KINDS) for layer in flat.layers):
        raise UnknownArchitectureError(network.name)
    with quietly():
        copy = keras.models.clone_model(flat)
    copy.set_weights(network.get_weights())
    layers = [layer for layer in copy.layers if isinstance(layer, KINDS)]
    for layer in layers:
        _ensure_known(layer)
    for layer, moments in zip(layers, _second_moments(copy, layers, calibration), strict=True):
        _round(layer, _normalization_after(layer), moments)
    return copy


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a layer multiplies its inputs with, as g problems that share nothing."""

    values: Array
    """g x inputs x outputs. A depthwise convolution is one problem a channel, all others are one."""
    factors: Array
    """g x 1 x outputs: what the batch normalization multiplies them with."""
    whole: bool
    """Whether all have one scale."""

    @property
    def scales(self) -> Array:
        """The steps of the grid, g x outputs."""
        folded = np.abs(self.values * self.factors)
        largest = np.broadcast_to(folded.max(), folded[:, 0].shape) if self.whole else folded.max(axis=1)
        return np.asarray(largest / LARGEST, dtype=np.float64)


def rounded_problem(weights: Array, scales: Array, moments: Array) -> tuple[Array, Array]:
    """Round each weight in turn; those that follow take up the error.

    Args:
        weights: g x inputs x outputs, the products with the inputs that are to change least.
        scales: g x outputs. A weight as large as the grid stays so: the converter takes its scale from it.
        moments: g x (inputs + 1) x (inputs + 1): the mean products of the inputs and of the 1 of the bias.

    Returns:
        Weights on the grid, and what to add to the biases, g x outputs.
    """
    inputs = weights.shape[1]
    left = np.concatenate([weights, np.zeros_like(weights[:, :1])], axis=1)
    diagonal = np.einsum("gii->gi", moments)
    damping = DAMPING * diagonal[:, :inputs].mean(axis=1, keepdims=True) + np.finfo(np.float32).tiny
    damped = moments + np.eye(inputs + 1) * np.append(np.ones(inputs), 0) * damping[..., np.newaxis]
    # Row j of the upper factor of the inverse: how the inputs after j make up for j, those before it being fixed.
    upper = np.linalg.cholesky(np.linalg.inv(damped)).swapaxes(1, 2)
    for place in range(inputs):
        wanted = left[:, place] / scales
        steps = np.clip(np.round(wanted), -LARGEST, LARGEST)
        largest = np.abs(weights[:, place]) >= scales * LARGEST * (1 - 1e-6)
        steps = np.where(largest, np.copysign(LARGEST, weights[:, place]), steps)
        error = (left[:, place] - steps * scales) / upper[:, place, place, np.newaxis]
        left[:, place] = steps * scales
        left[:, place + 1 :] -= upper[:, place, place + 1 :, np.newaxis] * error[:, np.newaxis]
    return left[:, :inputs], left[:, inputs]


def _round(layer: Any, normalization: Any, moments: Array) -> None:  # noqa: ANN401 - Keras layers
    weights = _weights_of(layer, normalization)
    scales = weights.scales
    scales[scales == 0] = 1.0
    values, biases = rounded_problem(weights.values * weights.factors, scales, moments)
    factors = np.where(weights.factors == 0, 1.0, weights.factors)
    kernel = values / factors
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel, biases = kernel[..., 0].T, biases[:, 0]
    else:
        kernel, biases = kernel[0], biases[0]
    layer.kernel.assign(kernel.reshape(layer.kernel.shape))
    (normalization.beta if normalization else layer.bias).assign_add(biases)


def _weights_of(layer: Any, normalization: Any) -> _Weights:  # noqa: ANN401 - Keras layers
    kernel = np.asarray(layer.kernel, dtype=np.float64)
    outputs = kernel.shape[-2] if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel.shape[-1]
    factors = np.ones(outputs)
    if normalization:
        variance = np.asarray(normalization.moving_variance, np.float64) + normalization.epsilon
        factors = np.asarray(normalization.gamma, np.float64) / np.sqrt(variance)
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        values = kernel.reshape(-1, outputs).T[..., np.newaxis]
        return _Weights(values, factors[:, np.newaxis, np.newaxis], whole=False)
    values = kernel.reshape(1, -1, outputs)
    return _Weights(values, factors[np.newaxis, np.newaxis], whole=isinstance(layer, keras.layers.Dense))


def _ensure_known(layer: Any) -> None:  # noqa: ANN401 - a Keras layer
    plain = isinstance(layer, keras.layers.Dense) or (
        set(layer.dilation_rate) == {1}
        and (getattr(layer, "depth_multiplier", 1), getattr(layer, "groups", 1)) == (1, 1)
        and layer.data_format == "channels_last"
    )
    if not plain or not (layer.use_bias or _normalization_after(layer)):
        raise UnknownArchitectureError(layer.name)


def _normalization_after(layer: Any) -> Any:  # noqa: ANN401 - Keras layers
    after = [node.operation for node in layer._outbound_nodes]  # noqa: SLF001 - Keras has no other way to ask
    return after[0] if len(after) == 1 and isinstance(after[0], keras.layers.BatchNormalization) else None


def _second_moments(network: keras.Model, layers: Sequence[Any], calibration: Iterable[Batch]) -> list[Array]:
    """The mean products of each layer's inputs over all places of all pictures, see ``rounded_problem``."""
    probe = keras.Model(network.input, [layer.input for layer in layers])

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def of_all(picture: Any) -> list[Any]:  # noqa: ANN401 - TensorFlow tensors
        inputs = tf.nest.flatten(probe(picture, training=False))
        return [products(layer, values) for layer, values in zip(layers, inputs, strict=True)]

    sums: list[Array] = []
    count = 0
    for picture in calibration:
        found = [np.asarray(part, np.float64) for part in of_all(picture)]
        sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
        count += 1
    return [total / count for total in sums]


def products(layer: Any, values: Any) -> Any:  # noqa: ANN401 - a Keras layer, TensorFlow tensors
    """The mean products of a layer's inputs over the places of one picture, see ``rounded_problem``.

    Args:
        layer: One of ``KINDS``.
        values: Its input, float32: 1 x height x width x channels, or 1 x inputs for a Dense layer.
    """
    if not isinstance(layer, keras.layers.Dense):
        high, wide = layer.kernel_size
        sides = values.shape[1:3]
        # Neighbouring places of a large map hardly differ; looking at all of them costs a minute.
        steps = [
            stride * math.ceil(side / stride / MOST_PLACES) for side, stride in zip(sides, layer.strides, strict=True)
        ]
        if layer.padding == "same":
            around = [_padding(*each) for each in zip(sides, layer.kernel_size, layer.strides, strict=True)]
            values = tf.pad(values, [(0, 0), *around, (0, 0)])
        values = tf.image.extract_patches(values, (1, high, wide, 1), (1, *steps, 1), (1, 1, 1, 1), "VALID")
        channels = layer.input.shape[-1] if isinstance(layer, keras.layers.DepthwiseConv2D) else 1
        values = tf.reshape(values, (-1, high * wide * layer.input.shape[-1] // channels, channels))
        values = tf.transpose(values, (2, 0, 1))
    else:
        values = values[tf.newaxis]
    values = tf.concat([values, tf.ones_like(values[..., :1])], axis=-1)
    return tf.matmul(values, values, transpose_a=True) / tf.cast(tf.shape(values)[1], tf.float32)


def _padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """What padding "same" adds before and after."""
    added = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return added // 2, added - added // 2
