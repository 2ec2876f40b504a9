"""The paper's mask classifier, and its cut into a part that stays as it is and a part that is trained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.augmentation import SIZE
from converter.classifier_data import LABELS
from converter.tensorflow_quietly import keras, quietly
from facemask_edge.errors import InputError, ModelError
from facemask_edge.values import Image

BACKBONE = "mobilenetv2_1.00_224"
BORDER = "block_9_add"
"""The last layer that keeps its ImageNet weights; training all that lies above it is what small faces need."""


def build_network(weights: Path | None) -> keras.Model:
    """Build the architecture of the paper's Table 1: MobileNetV2, average pooling, 128 units, dropout, 2 classes.

    Args:
        weights: Keras' ImageNet weights of MobileNetV2 (alpha 1.0, no top); None for random ones.

    Returns:
        Takes float32, n x 224 x 224 x 3, RGB, -1..1; gives float32, n x 2, probabilities in the order of ``LABELS``.

    Raises:
        InputError: There is no such file.
        ModelError: The file holds other weights.
    """
    shape = (SIZE[1], SIZE[0], 3)
    if weights is not None:
        ensure_exists(weights)
    with quietly():
        try:
            backbone = keras.applications.MobileNetV2(
                weights=weights and str(weights), include_top=False, input_shape=shape
            )
        except (ValueError, OSError, KeyError) as error:
            raise ModelError(f"{weights} does not hold the weights of MobileNetV2 (alpha 1.0) without top") from error
    picture = keras.Input(shape, name="picture")
    x = keras.layers.AveragePooling2D((7, 7), name="average_pooling2d")(backbone(picture))
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(128, activation="relu", name="dense")(x)
    x = keras.layers.Dropout(0.5, name="dropout")(x)
    x = keras.layers.Dense(len(LABELS), activation="softmax", name="dense_1")(x)
    return keras.Model(picture, x, name="mask_classifier")


def ensure_exists(weights: Path) -> None:
    """Find out before the work that the initial weights are missing.

    Raises:
        InputError: There is no such file.
    """
    if not weights.is_file():
        raise InputError(f"{weights} does not exist; --weights names Keras' MobileNetV2 weights without top")


@dataclass(frozen=True, slots=True)
class SplitNetwork:
    """The network in two halves that share its layers: training ``upper`` trains the whole."""

    lower: keras.Model
    """From the picture to the output of ``BORDER``: float32, n x 14 x 14 x 64. Never trained."""
    upper: keras.Model
    """From there to the probabilities; batch normalisation is frozen, its statistics are ImageNet's."""


def split_network(network: keras.Model) -> SplitNetwork:
    """Cut a network made by ``build_network`` at ``BORDER``."""
    backbone = network.get_layer(BACKBONE)
    border = backbone.get_layer(BORDER).output
    lower = keras.Model(backbone.input, border, name="lower")
    above = keras.Model(border, backbone.output, name="above")
    lower.trainable = False
    for layer in above.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    features = keras.Input(border.shape[1:], name="features")
    x = above(features)
    for layer in network.layers[network.layers.index(backbone) + 1 :]:
        x = layer(x)
    return SplitNetwork(lower, keras.Model(features, x, name="upper"))


class UnknownArchitectureError(ValueError):
    """The weights of such a network are rounded one by one, by the converter."""


def flattened(network: keras.Model) -> keras.Model:
    """The same layers on one level, where the network holds its backbone as its first layer.

    Raises:
        UnknownArchitectureError: It holds one elsewhere, or its layers are no chain.
    """
    nested = [place for place, layer in enumerate(network.layers) if isinstance(layer, keras.Model)]
    if not nested:
        return network
    backbone, *above = network.layers[nested[0] :]
    before = network.layers[: nested[0]]
    # A layer may belong to other networks too, such as the one that was made of it here before. A Sequential has its
    # nodes in a network of its own.
    graph = getattr(network, "_functional", network)
    nodes = [node for nodes in getattr(graph, "_nodes_by_depth", {}).values() for node in nodes]
    chained = all([len(node.input_tensors) for node in nodes if node.operation is layer] == [1] for layer in above)
    if len(nested) > 1 or not all(isinstance(layer, keras.layers.InputLayer) for layer in before) or not chained:
        raise UnknownArchitectureError(network.name)
    x = backbone.output
    for layer in above:
        x = layer(x)
    return keras.Model(backbone.input, x, name=network.name)


def with_feature_map(network: keras.Model) -> keras.Model:
    """A network that passes ``ensure_explainable``, with a second output: its last feature map."""
    flat = flattened(network)
    last = _feature_map(flat.layers)
    assert last is not None  # noqa: S101 - for mypy; ensure_explainable raises otherwise
    return keras.Model(flat.input, [flat.output, last.output], name=network.name)


def ensure_explainable(network: keras.Model) -> None:
    """Make sure that the device can explain a network's judgement from its last feature map.

    Raises:
        ModelError: What follows that map is not an average over all of it and dense layers with ReLU, the last with
            softmax.
    """
    layers = [
        part for layer in network.layers for part in (layer.layers if isinstance(layer, keras.Model) else [layer])
    ]
    last = _feature_map(layers)
    above = layers[layers.index(last) + 1 :] if last else []
    kept = [layer for layer in above if not isinstance(layer, keras.layers.Flatten | keras.layers.Dropout)]
    average, *dense = kept or [None]
    explainable = (
        isinstance(average, keras.layers.AveragePooling2D | keras.layers.GlobalAveragePooling2D)
        and set(average.output.shape[1:-1]) <= {1}
        and bool(dense)
        and all(isinstance(layer, keras.layers.Dense) and layer.use_bias for layer in dense)
        and [layer.activation.__name__ for layer in dense] == ["relu"] * (len(dense) - 1) + ["softmax"]
    )
    if not explainable:
        raise ModelError(
            "--explain knows only networks that average their last feature map and judge it by dense layers with ReLU "
            "and softmax, as the paper's does, in a .keras or .h5 file; leave it out"
        )


def _feature_map(layers: Sequence[keras.layers.Layer]) -> keras.layers.Layer | None:
    above = [layer for layer in layers if not isinstance(layer, keras.layers.InputLayer)]
    maps = [layer for layer in above if len(layer.output.shape) == 4 and layer.output.shape[1] > 1]  # noqa: PLR2004 - batch, height, width, channels
    return maps[-1] if maps else None


def predicted(model: keras.Model, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a model says of one batch; Keras' ``predict_on_batch`` would repeat it for each accelerator."""
    return np.asarray(model(values, training=False), np.float32)


def network_input(crops: NDArray[np.uint8] | list[Image]) -> NDArray[np.float32]:
    """Turn BGR crops (uint8, n x 224 x 224 x 3) into the network's input: RGB, float32, -1..1."""
    stacked: NDArray[np.uint8] = np.asarray(crops, dtype=np.uint8)
    return stacked[..., ::-1].astype(np.float32) / np.float32(127.5) - np.float32(1)
