"""YuNet-n in Keras: the architecture, and the published weights it starts from.

The architecture is that of Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector" (2023), without the
landmarks, and with batch normalisation already folded into the convolutions, as it is in the published ONNX file.
Only operations that the Edge TPU has are used.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.tensorflow_quietly import keras, tf
from facemask_edge.errors import InputError
from facemask_edge.faces.yunet import STRIDES

Weights = NDArray[np.float32]

CHANNELS = 64
"""Width of everything after the first stage."""


@keras.saving.register_keras_serializable(package="facemask_edge")
class DoubleNearest(keras.layers.Layer):  # type: ignore[misc]
    """Doubles rows and columns by repeating each cell.

    Keras' UpSampling2D does the same but sets ``half_pixel_centers``, which the Edge TPU compiler refuses.
    """

    def call(self, features: Any) -> Any:  # noqa: ANN401 - TensorFlow has no type information
        """Repeat the cells: batch x rows x columns x channels to batch x 2 rows x 2 columns x channels."""
        return tf.raw_ops.ResizeNearestNeighbor(
            images=features, size=2 * tf.shape(features)[1:3], align_corners=False, half_pixel_centers=False
        )

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The doubled shape; unknown sides stay unknown."""
        batch, rows, columns, channels = input_shape
        return batch, rows and 2 * rows, columns and 2 * columns, channels


def build_yunet(size: int | None) -> keras.Model:
    """Build YuNet-n with random weights.

    Args:
        size: Side of the square input in pixels, a multiple of 32; None builds it for any such size, for training.

    Returns:
        A model that takes float32 pictures (batch x size x size x 3, BGR, 0..255) and returns a dictionary: for each
        stride of ``STRIDES``, ``scores_<stride>`` (batch x rows x columns x 2: class and objectness, 0..1) and
        ``boxes_<stride>`` (batch x rows x columns x 4: centre offset and logarithm of the size, in strides).
    """
    image = keras.Input((size, size, 3), name="image")
    # PyTorch pads both sides by one; Keras' "same" with stride 2 would pad only right and below.
    features = keras.layers.ZeroPadding2D(1, name="backbone.pad")(image)
    features = keras.layers.Conv2D(16, 3, strides=2, activation="relu", name="backbone.head")(features)
    features = _unit(features, 16, "backbone.model0.conv2")
    features = _halved(features, "backbone.pool0")
    features = _unit(features, 16, "backbone.model1.conv1")
    features = _unit(features, CHANNELS, "backbone.model1.conv2")
    features = _stage(features, 2)
    by_stride = {}
    for stage, stride in zip((3, 4, 5), STRIDES, strict=True):
        features = _stage(_halved(features, f"backbone.pool{stage - 1}"), stage)
        by_stride[stride] = features

    features = None
    for level in reversed(range(len(STRIDES))):
        below = by_stride[STRIDES[level]]
        if features is not None:
            doubled = DoubleNearest(name=f"neck.double.{level}")(features)
            below = keras.layers.Add(name=f"neck.add.{level}")([below, doubled])
        features = by_stride[STRIDES[level]] = _unit(below, CHANNELS, f"neck.lateral_convs.{level}")

    outputs = {}
    for level, stride in enumerate(STRIDES):
        shared = _unit(by_stride[stride], CHANNELS, f"bbox_head.multi_level_share_convs.{level}.0")
        logits = _unit(shared, 2, f"bbox_head.multi_level_scores.{level}", relu=False)
        outputs[f"scores_{stride}"] = keras.layers.Activation("sigmoid", name=f"scores_{stride}")(logits)
        outputs[f"boxes_{stride}"] = _unit(shared, 4, f"bbox_head.multi_level_bbox.{level}", relu=False)
    return keras.Model(image, outputs, name="yunet_n")


def with_logits(model: keras.Model) -> keras.Model:
    """The same model, sharing its weights, with ``scores_<stride>`` before the sigmoid: what a loss wants."""
    outputs = dict(model.output)
    for stride in STRIDES:
        outputs[f"scores_{stride}"] = model.get_layer(f"scores_{stride}").input
    return keras.Model(model.inputs[0], outputs)


def load_onnx_weights(model: keras.Model, path: Path) -> None:
    """Put the published YuNet-n weights into a model of ``build_yunet``.

    Args:
        model: Its weights are replaced.
        path: ``yunet_n_*.onnx`` of libfacedetection.train.

    Raises:
        InputError: The file is missing or is not a YuNet-n.
    """
    convolutions = _OnnxConvolutions(path)
    _set(model.get_layer("backbone.head"), *convolutions.first())
    for name in _unit_names(model):
        sources = [name]
        if "multi_level_scores" in name:
            # Two heads of one channel become one head of two: one operation less, and the same numbers.
            sources = [name.replace("scores", kind) for kind in ("cls", "obj")]
        pairs = [convolutions.pair(source) for source in sources]
        for index, part in enumerate(("pointwise", "depthwise")):
            kernel = np.concatenate([pair[index][0] for pair in pairs])
            bias = np.concatenate([pair[index][1] for pair in pairs])
            _set(model.get_layer(f"{name}.{part}"), kernel, bias)


class _OnnxConvolutions:
    """The convolutions of an ONNX graph, found by their inputs: most initializers have no telling name."""

    def __init__(self, path: Path) -> None:
        import onnx  # noqa: PLC0415 - only training from the published weights needs it

        self._path = path
        try:
            graph = onnx.load(str(path)).graph
        except OSError as error:
            raise InputError(f"the weights {path} cannot be read: {error.strerror}") from error
        except Exception as error:  # protobuf's parse error has no public name
            raise InputError(f"the weights {path} are not an ONNX file; take yunet_n_320_320.onnx") from error
        self._image = graph.input[0].name if graph.input else ""
        self._nodes = [node for node in graph.node if node.op_type == "Conv" and len(node.input) == 3]  # noqa: PLR2004
        self._weights = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}

    def first(self) -> tuple[Weights, Weights]:
        """Kernel and bias of the convolution that takes the picture."""
        return self._arrays(self._find(0, self._image))

    def pair(self, name: str) -> tuple[tuple[Weights, Weights], tuple[Weights, Weights]]:
        """Kernel and bias of a unit's pointwise convolution, then of the depthwise one that takes its result."""
        pointwise = self._find(1, f"{name}.conv1.weight")
        return self._arrays(pointwise), self._arrays(self._find(0, pointwise.output[0]))

    def _find(self, position: int, name: str) -> Any:  # noqa: ANN401 - a protobuf message
        for node in self._nodes:
            if node.input[position] == name:
                return node
        raise InputError(
            f"the weights {self._path} have no convolution {name}: not a YuNet-n; take yunet_n_320_320.onnx"
        )

    def _arrays(self, node: Any) -> tuple[Weights, Weights]:  # noqa: ANN401 - a protobuf message
        return self._weights[node.input[1]], self._weights[node.input[2]]


def _unit_names(model: keras.Model) -> Iterator[str]:
    for layer in model.layers:
        if layer.name.endswith(".pointwise"):
            yield layer.name.removesuffix(".pointwise")


def _set(layer: keras.layers.Layer, kernel: Weights, bias: Weights) -> None:
    """Give a layer its weights; ONNX orders a kernel out, in, rows, columns."""
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    layer.set_weights([kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)), bias])


def _unit(features: Any, channels: int, name: str, *, relu: bool = True) -> Any:  # noqa: ANN401 - symbolic tensors
    """YuNet's building block: a pointwise, then a depthwise convolution, with no activation between."""
    features = keras.layers.Conv2D(channels, 1, name=f"{name}.pointwise")(features)
    return keras.layers.DepthwiseConv2D(
        3, padding="same", activation="relu" if relu else None, name=f"{name}.depthwise"
    )(features)


def _stage(features: Any, number: int) -> Any:  # noqa: ANN401 - symbolic tensors
    features = _unit(features, CHANNELS, f"backbone.model{number}.conv1")
    return _unit(features, CHANNELS, f"backbone.model{number}.conv2")


def _halved(features: Any, name: str) -> Any:  # noqa: ANN401 - symbolic tensors
    return keras.layers.MaxPooling2D(2, name=name)(features)
