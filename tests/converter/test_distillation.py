"""Teachers: what they teach, and who cannot be one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.classifier_data import BoxedFace, Picture, Split
from converter.classifier_network import BACKBONE, build_network, predicted, split_network
from converter.distillation import TAUGHT_SHARE, Teachers, ensure_untaught
from converter.network_file import load_network
from converter.recipes import DEFAULT
from converter.split_file import SplitFile, read_split_file
from converter.tensorflow_quietly import keras, quietly
from converter.train_model import train_model
from facemask_edge.errors import InputError, ModelError
from facemask_edge.manifest import read_manifest
from tests.converter.pictures import single_faces

pytestmark = pytest.mark.converter


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_network(None)


def saved(network: keras.Model, path: Path) -> Path:
    with quietly():
        network.save(path)
    return path


def test_the_mean_of_the_teachers_is_taught_beside_the_labels(network: keras.Model, tmp_path: Path) -> None:
    halves = split_network(network)
    features = np.random.default_rng(0).normal(size=(3, *halves.lower.output.shape[1:])).astype(np.float32)
    first = predicted(halves.upper, features)
    files = [saved(network, tmp_path / "first.keras")]
    head, before = network.get_layer("dense_1"), network.get_layer("dense_1").get_weights()
    head.set_weights([before[0], np.array([2, -2], np.float32)])
    second = predicted(halves.upper, features)
    files.append(saved(network, tmp_path / "second.keras"))
    head.set_weights(before)

    truths = np.eye(2, dtype=np.float32)[[0, 1, 1]]
    teachers = Teachers(files, halves.lower)
    targets = teachers.targets(features, truths)
    means = (first + second) / 2
    neither = np.full_like(truths, 0.5)
    np.testing.assert_array_equal(teachers.targets(features, neither), neither)
    np.testing.assert_allclose(targets, TAUGHT_SHARE * means + (1 - TAUGHT_SHARE) * truths, atol=1e-5)
    assert np.abs(first - second).max() > 0.1


def test_a_teacher_with_another_lower_half_cannot_teach(network: keras.Model, tmp_path: Path) -> None:
    file = saved(build_network(None), tmp_path / "other.keras")
    with pytest.raises(ModelError, match=r"other\.keras was trained from other initial weights"):
        Teachers([file], split_network(network).lower)


def test_a_teacher_must_not_know_what_is_tested_with(tmp_path: Path) -> None:
    faces = tmp_path / "faces"
    tested = [Picture(faces / "with_mask" / f"{number}.jpg", (BoxedFace(None, 0),)) for number in range(3)]
    teacher = tmp_path / "teacher.keras"
    with pytest.raises(InputError, match=r"teacher\.split\.json is missing"):
        ensure_untaught([teacher], Split([], [], tested))
    SplitFile.of(Split([], [], tested), [faces], DEFAULT, network="").write(teacher)
    ensure_untaught([teacher], Split([], [], tested[:2]))
    more = [*tested, Picture(faces / "with_mask" / "9.jpg", (BoxedFace(None, 0),))]
    with pytest.raises(InputError, match="does not say that it left out"):
        ensure_untaught([teacher], Split([], [], more))


def _tested(model: Path) -> dict[str, list[str]]:
    known = read_split_file(model)
    assert known is not None
    return known.test


def test_a_network_learns_from_a_teacher_of_the_same_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [single_faces(tmp_path / "faces", 10)]
    weights = tmp_path / "random.weights.h5"
    keras.utils.set_random_seed(0)
    build_network(None).get_layer(BACKBONE).save_weights(weights)
    recipe = replace(DEFAULT, epochs=1, copies=1, split="random")
    teacher, student = tmp_path / "teacher.keras", tmp_path / "student.keras"
    # Another seed is another learner, of the same split.
    train_model(data=data, weights=weights, output=teacher, recipe=replace(recipe, seed=1))
    train_model(data=data, weights=weights, output=student, recipe=recipe, teachers=[teacher])
    assert _tested(student) == _tested(teacher)
    entry = next(entry for entry in read_manifest(tmp_path).models if entry.file == "student.keras")
    assert "--teacher models/teacher.keras" in entry.command
    first, second = (load_network(path).get_weights() for path in (teacher, student))
    assert not all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
    assert capsys.readouterr().out.count("epoch 1 of 1") == 2


def test_a_missing_teacher_is_named_before_any_work(tmp_path: Path) -> None:
    weights = tmp_path / "random.weights.h5"
    weights.write_bytes(b"")
    with pytest.raises(ModelError, match=r"gone\.keras does not exist"):
        train_model(
            data=[tmp_path],
            weights=weights,
            output=tmp_path / "model.keras",
            recipe=DEFAULT,
            teachers=[tmp_path / "gone.keras"],
        )
