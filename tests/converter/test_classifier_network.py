from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.classifier_network import BACKBONE, build_network, network_input, split_network
from converter.tensorflow_quietly import keras
from facemask_edge.errors import InputError, ModelError

pytestmark = pytest.mark.converter


@pytest.fixture(scope="module")
def network() -> Any:
    return build_network(None)


# The paper's Table 1.
TABLE_1 = [
    ("mobilenetv2_1.00_224", (7, 7, 1280), 2_257_984),
    ("average_pooling2d", (1, 1, 1280), 0),
    ("flatten", (1280,), 0),
    ("dense", (128,), 163_968),
    ("dropout", (128,), 0),
    ("dense_1", (2,), 258),
]


def _table(network: Any) -> list[tuple[str, tuple[int, ...], int]]:
    return [(layer.name, tuple(layer.output.shape[1:]), layer.count_params()) for layer in network.layers[1:]]


def test_the_layers_are_the_papers_table_1(network: Any) -> None:
    assert _table(network) == TABLE_1
    assert network.count_params() == 2_422_210
    assert network.input_shape == (None, 224, 224, 3)


def test_the_saved_network_is_still_table_1(network: Any, tmp_path: Path) -> None:
    network.save(tmp_path / "network.keras")
    assert _table(keras.models.load_model(tmp_path / "network.keras")) == TABLE_1


def test_the_halves_make_the_whole(network: Any) -> None:
    halves = split_network(network)
    pictures = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)
    joined = halves.upper.predict_on_batch(halves.lower.predict_on_batch(pictures))
    assert np.allclose(joined, network.predict_on_batch(pictures), atol=1e-5)


def test_training_the_upper_half_trains_the_whole() -> None:
    network = build_network(None)
    halves = split_network(network)
    before = {variable.path: variable.numpy() for variable in network.variables}
    halves.upper.compile("sgd", loss="sparse_categorical_crossentropy")
    features = np.random.default_rng(0).uniform(-1, 1, (4, *halves.lower.output.shape[1:])).astype(np.float32)
    halves.upper.train_on_batch(features, np.array([0, 1, 1, 1]))
    changed = {variable.path for variable in network.variables if not np.array_equal(before[variable.path], variable)}
    assert any("dense" in path for path in changed)
    assert any("block_10" in path for path in changed)
    assert not any("block_9" in path or "BN" in path for path in changed)


def test_the_input_is_rgb_from_minus_one_to_one() -> None:
    crops = np.zeros((1, 2, 2, 3), dtype=np.uint8)
    crops[..., 0] = 255
    assert network_input(crops)[0, 0, 0].tolist() == [-1.0, -1.0, 1.0]


def test_absent_weights_are_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        build_network(tmp_path / "absent.weights.h5")


def test_weights_of_something_else_are_a_model_error(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    path.write_bytes(b"no weights")
    with pytest.raises(ModelError, match="does not hold the weights"):
        build_network(path)


@pytest.mark.shared_data
def test_the_imagenet_weights_load(shared: Path, network: Any) -> None:
    loaded = build_network(shared / "weights" / "mobilenet_v2_imagenet_notop.weights.h5").get_layer(BACKBONE)
    assert not np.array_equal(loaded.get_weights()[0], network.get_layer(BACKBONE).get_weights()[0])
