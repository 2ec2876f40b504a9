"""Rounding that makes up for its own errors: on the grid, and nearer to the float network than rounding one by one."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter import rounding
from converter.classifier_network import UnknownArchitectureError, build_network, flattened, predicted
from converter.quantize import Batch, to_int8
from converter.rounding import LARGEST, rounded, rounded_problem
from converter.tensorflow_quietly import keras, quietly, tf

pytestmark = pytest.mark.converter


def products_of(inputs: Any) -> Any:
    """What ``rounded_problem`` wants to know of n x inputs values."""
    with_one = np.append(inputs, np.ones((len(inputs), 1)), axis=1)
    return (with_one.T @ with_one / len(inputs))[np.newaxis]


def test_later_weights_and_the_bias_make_up_for_what_rounding_loses() -> None:
    random = np.random.default_rng(0)
    # Inputs that go together, as those of neighbouring pixels do, and are not zero on average.
    inputs = 2 + random.normal(size=(500, 3)) @ random.normal(size=(3, 20)) + 0.1 * random.normal(size=(500, 20))
    weights = random.normal(size=(1, 20, 4))
    scales = np.abs(weights).max(axis=1) / 7
    on_grid, biases = rounded_problem(weights, scales, products_of(inputs))
    np.testing.assert_allclose(on_grid / scales[:, np.newaxis], np.rint(on_grid / scales[:, np.newaxis]), atol=1e-9)
    one_by_one = np.rint(weights / scales[:, np.newaxis]) * scales[:, np.newaxis]
    wanted = inputs @ weights[0]
    lost, lost_one_by_one = (
        np.linalg.norm(inputs @ given + bias - wanted) for given, bias in ((on_grid[0], biases[0]), (one_by_one[0], 0))
    )
    assert lost < 0.2 * lost_one_by_one


def test_the_largest_weight_stays_so_that_the_converter_finds_the_same_grid() -> None:
    random = np.random.default_rng(1)
    weights = random.normal(size=(3, 9, 1))
    scales = np.abs(weights).max(axis=1) / LARGEST
    moments = np.concatenate([products_of(random.normal(size=(50, 9))) for _ in range(3)])
    on_grid, _ = rounded_problem(weights, scales, moments)
    np.testing.assert_allclose(np.abs(on_grid).max(axis=1), np.abs(weights).max(axis=1), rtol=1e-9)


def test_inputs_that_are_always_zero_are_no_trouble() -> None:
    weights = np.full((1, 4, 2), 0.3)
    on_grid, biases = rounded_problem(
        weights, np.full((1, 2), 0.3 / LARGEST), np.zeros((1, 5, 5)) + np.diag([0] * 4 + [1])
    )
    assert np.isfinite(on_grid).all()
    assert np.isfinite(biases).all()


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Convolutions of all kinds the classifier has, each with its normalization, and a dense layer."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    picture = keras.Input((32, 32, 3))
    x = picture
    for layer in (
        layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False),
        layers.DepthwiseConv2D(3, padding="same", use_bias=False),
        layers.Conv2D(8, 1, use_bias=False),
        layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3, strides=2, padding="valid", use_bias=False),
        layers.Conv2D(32, 1, use_bias=False),
    ):
        x = layer(x)
        if not isinstance(layer, layers.ZeroPadding2D):
            x = layers.BatchNormalization()(x)
    x = layers.Dense(4, bias_initializer="normal")(layers.Flatten()(layers.AveragePooling2D(4)(x)))
    model = keras.Model(picture, x)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.gamma.shape
            variance = random.uniform(0.5, 2, shape)
            layer.set_weights(
                [random.uniform(0.3, 2, shape), random.normal(size=shape), random.normal(size=shape), variance]
            )
    return model


@pytest.fixture(scope="module")
def calibration() -> list[Batch]:
    pictures = smooth_pictures(40, seed=2)
    pictures[0][0, 0, 0], pictures[0][0, 0, 1] = -1, 1
    return pictures


def smooth_pictures(count: int, seed: int) -> list[Batch]:
    random = np.random.default_rng(seed)
    cells = [random.uniform(-1, 1, (1, 4, 4, 3)) for _ in range(count)]
    return [np.array(tf.image.resize(each, (32, 32)), np.float32) for each in cells]


def given_by(content: bytes, batches: list[Batch]) -> Any:
    with quietly():
        interpreter = tf.lite.Interpreter(model_content=content)
        interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = taken["quantization"]
    outputs = []
    for batch in batches:
        interpreter.set_tensor(given["index"], np.clip(np.rint(batch * 127.5) - 1, -128, 127).astype(np.int8))
        interpreter.invoke()
        outputs.append((interpreter.get_tensor(taken["index"])[0].astype(np.float32) - zero_point) * scale)
    return np.array(outputs)


@pytest.mark.parametrize("most_places", [28, 8], ids=["all places", "every other one"])
def test_the_int8_network_comes_nearer_to_the_float_one(
    most_places: int, network: keras.Model, calibration: list[Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "MOST_PLACES", most_places)
    others = smooth_pictures(40, seed=3)
    wanted = np.concatenate([predicted(network, batch) for batch in others])
    before = [np.array(weights) for weights in network.get_weights()]
    quantized = {
        name: to_int8(model, calibration, scale=1 / 127.5, zero_point=-1)
        for name, model in (("one by one", network), ("together", rounded(network, calibration)))
    }
    lost = {name: np.linalg.norm(given_by(content, others) - wanted) for name, content in quantized.items()}
    assert lost["together"] < 0.8 * lost["one by one"]
    assert all(np.array_equal(*pair) for pair in zip(before, network.get_weights(), strict=True))


def weights_in(content: bytes) -> dict[tuple[int, ...], Any]:
    """What the int8 kernels of a .tflite file stand for, by shape."""
    with quietly():
        interpreter = tf.lite.Interpreter(model_content=content, experimental_preserve_all_tensors=True)
        interpreter.allocate_tensors()
    kernels = {}
    for details in interpreter.get_tensor_details():
        scales = details["quantization_parameters"]["scales"]
        if details["dtype"] is np.int8 and len(details["shape"]) in (2, 4) and details["name"] not in ("image", ""):
            shape = np.ones(len(details["shape"]), int)
            shape[details["quantization_parameters"]["quantized_dimension"]] = len(scales)
            try:
                values = interpreter.get_tensor(details["index"])
            except ValueError:
                continue
            kernels[tuple(details["shape"])] = values * scales.reshape(shape)
    return kernels


def test_the_converter_takes_the_rounded_weights_over_without_an_error(
    network: keras.Model, calibration: list[Batch]
) -> None:
    copy = rounded(network, calibration)
    converted = weights_in(to_int8(copy, calibration, scale=1 / 127.5, zero_point=-1))
    first, first_normalization = copy.layers[1], copy.layers[2]
    depthwise, depthwise_normalization = copy.layers[3], copy.layers[4]
    folded = np.asarray(first.kernel) * factors_of(first_normalization)
    np.testing.assert_allclose(converted[16, 3, 3, 3], folded.transpose(3, 0, 1, 2), atol=1e-5)
    folded = np.asarray(depthwise.kernel)[..., 0] * factors_of(depthwise_normalization)
    np.testing.assert_allclose(converted[1, 3, 3, 16], folded[np.newaxis], atol=1e-5)
    dense = np.asarray(copy.layers[-1].kernel).T
    np.testing.assert_allclose(converted[dense.shape], dense, atol=1e-5)
    # Rounded one by one, all of them lie elsewhere.
    plain = weights_in(to_int8(network, calibration, scale=1 / 127.5, zero_point=-1))
    assert all(np.abs(plain[shape] - converted[shape]).max() > 1e-3 for shape in ((16, 3, 3, 3), dense.shape))


def factors_of(normalization: Any) -> Any:
    return np.asarray(normalization.gamma) / np.sqrt(np.asarray(normalization.moving_variance) + normalization.epsilon)


def test_networks_of_other_kinds_are_left_alone(calibration: list[Batch]) -> None:
    layers = keras.layers
    picture = keras.Input((32, 32, 3))
    dilated = keras.Model(picture, layers.Conv2D(4, 3, dilation_rate=2)(picture))
    without_bias = keras.Model(picture, layers.ReLU()(layers.Conv2D(4, 3, use_bias=False)(picture)))
    inner = keras.Model(picture, layers.Conv2D(4, 3)(picture))
    outer_picture = keras.Input((32, 32, 3))
    rescaled = keras.Model(outer_picture, layers.Flatten()(inner(layers.Rescaling(2.0)(outer_picture))))
    for other in (dilated, without_bias, rescaled):
        with pytest.raises(UnknownArchitectureError):
            rounded(other, calibration)


def test_the_classifier_lies_on_one_level() -> None:
    keras.utils.set_random_seed(0)
    network = build_network(None)
    flat = flattened(network)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
    np.testing.assert_allclose(predicted(flat, picture), predicted(network, picture), atol=1e-6)
    assert flattened(flat) is flat
    assert [layer.name for layer in flattened(network).layers] == [layer.name for layer in flat.layers]


@pytest.mark.parametrize(("side", "kernel", "stride"), [(32, 3, 1), (33, 3, 2), (32, 3, 2), (7, 5, 1), (9, 1, 2)])
def test_places_are_those_of_the_convolution(
    side: int, kernel: int, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding, "MOST_PLACES", side)
    values = np.random.default_rng(0).normal(size=(1, side, side, 2)).astype(np.float32)
    layer = keras.layers.Conv2D(1, kernel, strides=stride, padding="same", bias_initializer="normal")
    picture = keras.Input((side, side, 2))
    keras.Model(picture, layer(picture))
    outputs = np.asarray(layer(values), np.float64) - np.asarray(layer.bias)
    # The last row of the mean products is the mean input; weighted, the mean output.
    mean = np.asarray(rounding.products(layer, tf.constant(values)), np.float64)[0, -1, :-1]
    assert mean @ np.asarray(layer.kernel).reshape(-1) == pytest.approx(outputs.mean(), abs=1e-5)


def test_a_sequential_network_lies_on_one_level_too() -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    picture = keras.Input((32, 32, 3))
    backbone = keras.Model(picture, layers.ReLU()(layers.Conv2D(4, 3, strides=2)(picture)), name="backbone")
    network = keras.Sequential([keras.Input((32, 32, 3)), backbone, layers.GlobalAveragePooling2D(), layers.Dense(2)])
    flat = flattened(network)
    assert not any(isinstance(layer, keras.Model) for layer in flat.layers)
    values = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(predicted(flat, values), predicted(network, values), atol=1e-6)


class Subclassed(keras.Model):  # type: ignore[misc]
    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.dense = keras.layers.Dense(2)

    def call(self, values: Any) -> Any:
        return self.dense(keras.ops.mean(self.inner(values), axis=(1, 2)))


def test_a_network_without_a_graph_is_left_alone(calibration: list[Batch]) -> None:
    picture = keras.Input((32, 32, 3))
    network = Subclassed(keras.Model(picture, keras.layers.Conv2D(4, 3)(picture)))
    network(np.zeros((1, 32, 32, 3), np.float32))
    with pytest.raises(UnknownArchitectureError):
        rounded(network, calibration)
