"""The whole way on a few generated pictures and random weights: train, convert, judge with the device's code."""

import json
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.classifier_data import LABELS, BoxedFace, Picture, Split
from converter.classifier_network import BACKBONE, build_network, ensure_explainable, network_input, predicted
from converter.convert_model import convert_model
from converter.gates import structure_gates
from converter.gathering import gather
from converter.network_file import load_network
from converter.outputs import ensure_writable
from converter.recipes import DEFAULT
from converter.split_file import read_split_file
from converter.tensorflow_quietly import keras, quietly
from converter.tflite_file import read_tflite
from converter.train_model import ensure_papers, train_model
from facemask_edge.activation_maps import ActivationMaps
from facemask_edge.classifier import MaskClassifier, cut_face
from facemask_edge.errors import InputError, ModelError, OutputError
from facemask_edge.inference import Model, compiled_of
from facemask_edge.manifest import ModelEntry, find_model, packaged_models, read_manifest, sha256_of
from facemask_edge.values import Box, Label
from tests.converter.pictures import boxed_scenes, face, single_faces
from tests.fakes import edgetpu_compiler

pytestmark = pytest.mark.converter


@dataclass(frozen=True)
class Trained:
    data: list[Path]
    network: Path
    converted: Path
    output: str


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("train")
    single = single_faces(folder / "single", 10)
    (single / "with_mask" / "0broken.jpg").write_bytes(b"no picture")
    data = [single, boxed_scenes(folder / "scenes", train=2, dev=2)]
    weights = folder / "random.weights.h5"
    keras.utils.set_random_seed(0)
    build_network(None).get_layer(BACKBONE).save_weights(weights)
    network, converted = folder / "models" / "small.keras", folder / "models" / "small_int8.tflite"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with (folder / "output.txt").open("w") as output:
            patch.setattr("sys.stdout", output)
            recipe = replace(DEFAULT, epochs=1, copies=1, limit=16)
            train_model(data=data, weights=weights, output=network, recipe=recipe, report=folder / "report")
            convert_model(model=network, data=data, output=converted, explain=True)
    return Trained(data, network, converted, (folder / "output.txt").read_text())


def _entries(trained: Trained) -> dict[str, ModelEntry]:
    return {entry.file: entry for entry in read_manifest(trained.network.parent).models}


def test_training_tells_what_it_does(trained: Trained) -> None:
    lines = trained.output.splitlines()
    assert any("cannot read" in line and "0broken.jpg" in line for line in lines)
    assert any(line.startswith("1 of 16 pictures of") for line in lines)
    assert sum(line.startswith("epoch 1 of 1: training loss") for line in lines) == 1
    assert sum(line.startswith("split dev, faces of") for line in lines) == 3
    assert sum(line.startswith("split dev, int8, faces of") for line in lines) == 3


def test_the_manifest_says_how_both_were_made(trained: Trained) -> None:
    entries = _entries(trained)
    network, converted = entries["small.keras"], entries["small_int8.tflite"]
    assert network.file == "small.keras"
    assert network.quantization is None
    assert network.labels == converted.labels == ["mask", "no_mask"]
    assert network.name == converted.name == "small"
    assert converted.training_data == network.training_data
    assert converted.training_data[1].startswith("scenes: 4 faces of 2 pictures, split train; Kaggle")
    assert converted.quantization is not None
    assert converted.quantization.zero_point == -1
    assert network.figures["scenes_dev_float"]["height_64"]["all"]["count"] == 4
    assert converted.figures["scenes_dev_int8"]["height_64"]["all"]["count"] == 4
    text = json.dumps([network.command, converted.command, network.training_data, network.figures])
    assert str(trained.network.parent.parent) not in text


def test_what_was_tested_with_is_written_down(trained: Trained) -> None:
    known = read_split_file(trained.converted)
    assert known is not None
    assert known == read_split_file(trained.network)
    tested = known.test_pictures(trained.data[0])
    assert tested
    assert all(path.is_file() for path in tested)
    assert not known.test_pictures(trained.data[1])
    assert len(_entries(trained)["small.keras"].figures["test"]["accuracy"]["interval_95"]) == 2


def test_nothing_of_the_training_is_left_behind(trained: Trained) -> None:
    assert not trained.network.with_suffix(".training").exists()
    report = trained.network.parent.parent / "report"
    assert sorted(path.name for path in report.iterdir()) == ["curves.png", "epochs.json", "epochs.md"]


def test_the_device_judges_like_the_network(trained: Trained) -> None:
    network = load_network(trained.network)
    classifier = MaskClassifier(str(trained.converted))
    for seed in range(4):
        image = face(masked=seed % 2 == 0, seed=100 + seed, side=224)
        box = Box(20, 20, 180, 180)
        (expected,) = network.predict_on_batch(network_input([cut_face(image, box, (224, 224))]))
        assert classifier.probability(image, box) == pytest.approx(float(expected[1]), abs=0.05)


def test_its_feature_map_explains_it(trained: Trained) -> None:
    classifier = MaskClassifier(str(trained.converted))
    maps = ActivationMaps(classifier.model)
    classifier.probability(face(masked=False, seed=1, side=224), Box(20, 20, 180, 180))
    assert maps.of(Label.NO_MASK).shape == (7, 7)
    assert _entries(trained)["small_int8.tflite"].command.endswith(" --explain")


@pytest.mark.parametrize(
    "above",
    [
        [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")],
        [keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(2, activation="softmax")],
        [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, activation="sigmoid")],
        [
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(8, activation="tanh"),
            keras.layers.Dense(2, activation="softmax"),
        ],
    ],
    ids=["no average", "the maximum", "no softmax", "no ReLU"],
)
def test_a_network_that_the_device_would_explain_wrongly_is_refused(above: list[Any]) -> None:
    average, dropout = keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.5)
    good = [average, dropout, keras.layers.Dense(2, activation="softmax")]
    picture = keras.Input((8, 8, 3))
    for head, refused in ((good, False), (above, True)):
        x = keras.layers.Conv2D(4, 3)(picture)
        for layer in head:
            x = layer(x)
        with pytest.raises(ModelError, match="--explain knows only") if refused else nullcontext():
            ensure_explainable(keras.Model(picture, x))
    ensure_explainable(build_network(None))


def test_the_converted_model_is_what_the_edge_tpu_takes(trained: Trained) -> None:
    file = read_tflite(trained.converted)
    assert all(gate.passed for gate in structure_gates(file, scale=1 / 127.5, zero_point=-1, edgetpu=True))


def test_a_conversion_leaves_with_its_recipe_and_a_report(trained: Trained) -> None:
    entries = _entries(trained)
    recipe = entries["small_int8.tflite"].recipe
    assert recipe["inputs"]["small.keras"] == sha256_of(trained.network)
    assert set(recipe["inputs"]) == {"small.keras", "calibration pictures"}
    assert {"facemask-edge", "python", "keras", "numpy"} <= set(recipe["tools"])
    assert entries["small_float32.tflite"].sha256 == sha256_of(trained.converted.with_name("small_float32.tflite"))
    page = trained.converted.with_suffix(".html").read_text()
    for wanted in ("Converted, but not proven", entries["small_int8.tflite"].sha256, "DEPTHWISE_CONV_2D", "--explain"):
        assert wanted in page
    assert "Converted, but not proven" in trained.output


def test_nothing_is_overwritten_unasked(trained: Trained) -> None:
    before = trained.converted.read_bytes()
    with pytest.raises(OutputError, match="is there already; name another --output, or overwrite it with --force"):
        convert_model(model=trained.network, data=trained.data, output=trained.converted)
    assert trained.converted.read_bytes() == before


def test_the_same_inputs_give_the_same_bytes_and_without_a_compiler_it_is_said(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    again = tmp_path / "small_int8.tflite"
    convert_model(model=trained.network, data=trained.data, output=again, explain=True, edgetpu=True)
    assert again.read_bytes() == trained.converted.read_bytes()
    told = capfd.readouterr().out
    assert "not compiled for the Edge TPU: edgetpu_compiler is not installed" in told
    assert "coral.ai/docs/edgetpu/compiler" in told
    assert not list(tmp_path.glob("*_edgetpu.tflite"))


@pytest.mark.parametrize("how", ["maps", "maps nothing"])
def test_models_that_share_an_edge_tpu_are_compiled_together_or_nothing_is_written(
    how: Literal["maps", "maps nothing"], trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = edgetpu_compiler(tmp_path / "bin", how)
    monkeypatch.setenv("PATH", str(compiler.parent), prepend=":")
    output, detector = tmp_path / "models" / "small_int8.tflite", Path("face_detector_320_int8.tflite")
    options: dict[str, Any] = {"explain": True, "edgetpu": True, "together_with": [detector]}
    if how == "maps nothing":
        with pytest.raises(ModelError, match="maps 0 of 66 operations of small_int8"):
            convert_model(model=trained.network, data=trained.data, output=output, **options)
        assert list(output.parent.iterdir()) == []
        return
    convert_model(model=trained.network, data=trained.data, output=output, **options)
    for name, labels in (("small_int8", ["mask", "no_mask"]), ("face_detector_320_int8", ["face"])):
        path, entry = find_model(str(output.parent / f"{name}_edgetpu.tflite"))
        assert read_tflite(path).compiled
        assert entry.labels == labels
        assert entry.recipe["edgetpu_compiler"] == {
            "compiled together": "small_int8.tflite, face_detector_320_int8.tflite"
        }
        with pytest.raises(ModelError, match="compiled for an Edge TPU; name the one without _edgetpu, or use a Coral"):
            Model(str(path))
    for other in output.parent.glob("small*"):
        other.unlink()
    with pytest.raises(OutputError, match=r"face_detector_320_int8_edgetpu\.tflite is there already"):
        convert_model(model=trained.network, data=trained.data, output=output, **options)


def test_a_copy_of_the_models_with_the_compiled_ones_is_what_a_device_wants(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(edgetpu_compiler(tmp_path / "bin", "maps").parent), prepend=":")
    # As docs/coral.md has it.
    folder = tmp_path / "coral-models"
    shutil.copytree(packaged_models(), folder)
    classifier, detector = folder / "mask_classifier_int8.tflite", folder / "face_detector_320_int8.tflite"
    options: dict[str, Any] = {"explain": True, "force": True, "edgetpu": True, "together_with": [detector]}
    convert_model(model=trained.network, data=trained.data, output=classifier, **options)
    for model in (classifier, detector):
        assert find_model(str(model))[1].labels == find_model(str(compiled_of(model)))[1].labels


def test_a_network_without_an_entry_needs_labels(trained: Trained, tmp_path: Path) -> None:
    copy = tmp_path / "copy.keras"
    copy.write_bytes(trained.network.read_bytes())
    with pytest.raises(ModelError, match="--labels mask,no_mask"):
        convert_model(model=copy, data=trained.data, output=tmp_path / "copy_int8.tflite")
    with pytest.raises(ModelError, match="a classifier has mask and no_mask"):
        convert_model(model=copy, data=trained.data, output=tmp_path / "copy_int8.tflite", labels=["cat", "dog"])


def test_a_model_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with pytest.raises(ModelError, match="does not exist"):
        load_network(path)
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_network(path)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(path)
    with pytest.raises(ModelError, match="224x224"):
        load_network(path)


def test_an_output_is_checked_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    wrong = ((tmp_path / "file" / "model.keras", "file"), (tmp_path / "model.h5", "model.h5"), (tmp_path, ""))
    for path, named in wrong:
        with pytest.raises(OutputError, match=str(tmp_path / named)):
            ensure_writable(path, ".keras")
    (tmp_path / "manifest.json").write_text("")
    with pytest.raises(ModelError, match="manifest"):
        ensure_writable(tmp_path / "model.keras", ".keras")


def test_folders_of_the_same_name_would_be_mixed_up(tmp_path: Path) -> None:
    data = [single_faces(tmp_path / side / "faces", 2) for side in ("left", "right")]
    with pytest.raises(InputError, match="a name of its own, these are faces, faces"):
        gather(data, DEFAULT, Console(quiet=True))


def test_a_copy_of_what_another_folder_reports_on_is_left_out(tmp_path: Path) -> None:
    scenes = boxed_scenes(tmp_path / "scenes", train=1, dev=1)
    mine = single_faces(tmp_path / "mine", 8)
    (mine / "with_mask" / "copy.png").write_bytes((scenes / "images" / "1.png").read_bytes())
    recipe = replace(DEFAULT, test_part=0.0, held_out_part=0.0)
    split = gather([mine, scenes], recipe, Console(quiet=True)).split
    assert len(split.training) == 17
    assert all(picture.path.name != "copy.png" for picture in split.training)


def test_frames_of_a_fixed_camera_are_trained_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "door"
    folder.mkdir()
    background = cv2.resize(np.random.default_rng(0).integers(0, 255, (12, 16, 3)).astype(np.uint8), (320, 240))
    lines = []
    for number in range(24):
        scene = background.copy()
        scene[10:74, 10 + number : 74 + number] = face(masked=number % 2 == 0, seed=number, side=64)
        cv2.imwrite(str(folder / f"{number}.png"), scene)
        faces = [{"box": [10 + number, 10, 64, 64], "label": "no_mask" if number % 2 else "mask"}]
        split = "dev" if number >= 20 else "train"
        lines.append(
            json.dumps({"image": f"{number}.png", "width": 320, "height": 240, "split": split, "faces": faces})
        )
    (folder / "boxes.jsonl").write_text("\n".join(lines))
    parts = gather([folder], replace(DEFAULT, held_out_part=0.2), Console(width=200)).split
    assert (len(parts.training), len(parts.held_out)) == (16, 4)
    assert "20 of 20 scenes look like some that are not trained with" in capsys.readouterr().out


def test_a_network_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_text("mine")
    with pytest.raises(OutputError, match="is there already; name another --output, or overwrite it with --force"):
        train_model(data=[tmp_path], weights=tmp_path / "none", output=tmp_path / "model.keras", recipe=DEFAULT)


def test_the_papers_recipe_takes_single_faces_and_tests_with_some(tmp_path: Path) -> None:
    single, scene = Picture(tmp_path, (BoxedFace(None, 0),)), Picture(tmp_path, (BoxedFace(Box(0, 0, 9, 9), 0),))
    ensure_papers(Split([single], [], [single]))
    with pytest.raises(InputError, match="no folder of boxed scenes"):
        ensure_papers(Split([single, scene], [], [single]))
    with pytest.raises(InputError, match="give --test-part"):
        ensure_papers(Split([single], [], []))


@pytest.mark.parametrize(("name", "labels"), [("keras", LABELS), ("h5", LABELS[::-1]), ("SavedModel", LABELS[::-1])])
def test_another_network_is_converted_too_and_said_to_be_one(
    name: str, labels: list[Label], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    picture = keras.Input((224, 224, 3))
    x = layers.Conv2D(4, 3, strides=4, use_bias=False)(picture)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    network = keras.Model(picture, layers.Dense(2, activation="softmax")(x))
    network.layers[-1].bias.assign([1.0, -1.0])
    other = tmp_path / f"other.{name}"
    with quietly():
        if name == "SavedModel":
            network.export(other, format="tf_saved_model", verbose=False)
        else:
            network.save(other)
    data, output = [single_faces(tmp_path / "faces", 2)], tmp_path / "other_int8.tflite"
    convert_model(model=other, data=data, output=output, labels=labels)
    told = " ".join(capsys.readouterr().out.split())
    assert "its weights are rounded one by one" in told
    assert "other.split.json is missing" in told
    classifier = MaskClassifier(str(output))
    for seed in range(2):
        image = face(masked=seed == 0, seed=seed, side=224)
        (expected,) = predicted(network, network_input([image]))
        found = classifier.probability(image, Box(0, 0, 224, 224))
        assert found == pytest.approx(float(expected[labels.index(Label.NO_MASK)]), abs=0.02)


@pytest.mark.shared_data
def test_the_shipped_classifier_knows_a_mask(shared: Path) -> None:
    classifier = MaskClassifier("mask_classifier_int8.tflite")
    for name, expected in (("with_mask", 0), ("without_mask", 1)):
        files = sorted((shared / "data" / "masks4095" / name).glob("*.jpg"))[:20]
        right = 0
        for file in files:
            image = np.asarray(cv2.imread(str(file)), dtype=np.uint8)
            height, width = image.shape[:2]
            right += round(classifier.probability(image, Box(0, 0, width, height))) == expected
        assert right >= 18
