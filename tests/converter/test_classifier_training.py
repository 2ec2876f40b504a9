"""The training loop on a tiny network and generated pictures: it learns, repeats, goes on, and stops early."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.calibration import calibration_batches, faces_in_turn, sha256_of_batches
from converter.classifier_data import NO_FACE, Picture, find_pictures
from converter.classifier_network import network_input
from converter.classifier_training import NO_FACE_WEIGHT, LearningRates, class_weights, fit, held_out_figures
from converter.crop_stream import CropStream
from converter.lower_half import QuantizedLowerHalf
from converter.recipes import DEFAULT, PAPER, Recipe
from converter.tensorflow_quietly import keras, tf
from converter.training_state import Progress, TrainingState, identity_of
from facemask_edge.errors import InputError
from facemask_edge.values import Box
from tests.converter.pictures import single_faces

pytestmark = pytest.mark.converter
QUICK = replace(DEFAULT, epochs=3, batch=8, copies=1, learning_rate=1e-2)
BOTH = ("training", "held_out")
RESTLESS = 0.1
"""A learning rate at which no two cycles end alike."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    return find_pictures(single_faces(tmp_path_factory.mktemp("faces") / "faces", 8))


def _network(dropout: float = 0.0) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.AveragePooling2D(56), keras.layers.Flatten(), keras.layers.Dropout(dropout)]
    return keras.Sequential([keras.Input((224, 224, 3)), *layers, keras.layers.Dense(2, activation="softmax")])


def _fit(
    pictures: list[Picture],
    recipe: Recipe,
    folder: Path,
    model: keras.Model | None = None,
    held_out: list[Picture] | None = None,
) -> Any:
    model = model or _network()
    stream, held_out_stream = (CropStream(part, recipe, None) for part in (pictures, held_out or pictures))
    state = TrainingState(folder, identity_of(recipe, pictures))
    quiet = Console(quiet=True)
    return fit(model, training=stream, held_out=held_out_stream, recipe=recipe, state=state, console=quiet), model


def test_it_learns_what_a_mask_is(pictures: list[Picture], tmp_path: Path) -> None:
    progress, _ = _fit(pictures, replace(QUICK, epochs=8), tmp_path / "state")
    assert progress.history[-1]["loss"] < 0.8 * progress.history[0]["loss"]
    assert progress.history[progress.best]["accuracy"]["value"] >= 0.9


def test_the_same_seed_gives_the_same_weights(pictures: list[Picture], tmp_path: Path) -> None:
    (first, one), (again, two) = (_fit(pictures, QUICK, tmp_path / name) for name in ("a", "b"))
    assert first.history == again.history
    assert all(np.array_equal(*pair) for pair in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.parametrize("epochs", [3, 4])
def test_an_interrupted_training_ends_as_if_it_had_not_been(
    epochs: int, pictures: list[Picture], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(QUICK, epochs=epochs, learning_rate=RESTLESS)
    whole, uninterrupted = _fit(pictures, recipe, tmp_path / "whole", _network(dropout=0.3))
    save = TrainingState.save

    def interrupted(state: TrainingState, *arguments: Any) -> None:
        save(state, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "save", interrupted)
        for _ in range(epochs):
            with pytest.raises(KeyboardInterrupt):
                _fit(pictures, recipe, tmp_path / "cut", _network(dropout=0.3))
    resumed, model = _fit(pictures, recipe, tmp_path / "cut", _network(dropout=0.3))
    assert resumed.history == whole.history
    assert (resumed.best, resumed.best_averaged) == (whole.best, whole.best_averaged)
    pairs = zip(model.get_weights(), uninterrupted.get_weights(), strict=True)
    assert all(np.array_equal(*pair) for pair in pairs)


def test_a_broken_file_starts_anew(pictures: list[Picture], tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=1)
    _fit(pictures, recipe, tmp_path)
    (state,) = tmp_path.iterdir()
    state.write_bytes(b"PK\x03\x04 cut off")
    progress, _ = _fit(pictures, recipe, tmp_path)
    assert len(progress.history) == 1


def test_another_recipe_starts_anew_and_leaves_the_unfinished_training(pictures: list[Picture], tmp_path: Path) -> None:
    first, _ = _fit(pictures, replace(QUICK, epochs=1), tmp_path)
    other, _ = _fit(pictures, replace(QUICK, epochs=1, seed=1), tmp_path)
    assert other.history != first.history
    again, _ = _fit(pictures, replace(QUICK, epochs=1), tmp_path)
    assert again.history == first.history


def test_it_stops_when_nothing_gets_better(pictures: list[Picture], tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=9, learning_rate=0.0, patience=2)
    progress, _ = _fit(pictures, recipe, tmp_path / "state")
    assert len(progress.history) == 3
    assert progress.best == 0


def test_the_papers_recipe_keeps_the_last_epoch(pictures: list[Picture], tmp_path: Path) -> None:
    progress, _ = _fit(pictures, replace(PAPER, epochs=2, batch=8), tmp_path / "state")
    assert progress.best == 1
    assert [entry["epoch"] for entry in progress.history] == [1, 2]


def test_classes_weigh_the_same_whatever_else_is_shown() -> None:
    weights = class_weights(np.array([0, 0, 0, 1, NO_FACE]))
    assert weights[0] * 3 == pytest.approx(weights[1])
    assert weights[[0, 0, 0, 1]].mean() == pytest.approx(1)
    assert weights[NO_FACE] == NO_FACE_WEIGHT


def test_what_is_no_face_is_taught_as_neither(pictures: list[Picture], tmp_path: Path) -> None:
    """Shown faces of one kind, as they are and at half the weight as no face, a network learns the weighted mean."""
    masked = [picture for picture in pictures if picture.faces[0].label == 0]
    no_faces = [replace(picture, faces=(replace(picture.faces[0], label=NO_FACE),)) for picture in masked]
    recipe = replace(QUICK, epochs=60, held_out_part=0.0, copies=1)
    _, model = _fit([*masked, *no_faces], recipe, tmp_path / "state", held_out=masked)
    crops = CropStream(masked, recipe, None).plain()
    probabilities = np.concatenate([np.asarray(model(values)) for values, _ in crops.as_numpy_iterator()])
    labelled = class_weights(np.array([0] * len(masked)))[0]
    wanted = (labelled + 0.5 * NO_FACE_WEIGHT) / (labelled + NO_FACE_WEIGHT)
    assert np.abs(probabilities[:, 0] - wanted).max() < 0.1


def test_a_stream_gives_every_face_in_each_epoch_differently(pictures: list[Picture]) -> None:
    stream = CropStream(pictures, replace(QUICK, copies=3), None)

    def seen(dataset: Any) -> list[tuple[bytes, int]]:
        pairs = [pair for batch in dataset.as_numpy_iterator() for pair in zip(*batch, strict=True)]
        return [(values.tobytes(), int(label)) for values, label in pairs]

    first, again, second = (seen(stream.epoch(number)) for number in (0, 0, 1))
    assert len(first) == 3 * len(pictures)
    assert first == again
    # The plain crop of each face is the same in all epochs, the varied ones never.
    assert len(set(first) & set(second)) == len(pictures)
    assert [label for _, label in seen(stream.plain())] == stream.labels.tolist()


@pytest.mark.parametrize("part", BOTH)
def test_a_picture_that_vanishes_is_named(pictures: list[Picture], tmp_path: Path, part: str) -> None:
    kept = tmp_path / "kept.png"
    shutil.copy(pictures[0].path, kept)
    other = replace(pictures[0], path=kept)
    training, held_out = (CropStream([other if name == part else pictures[0]], QUICK, None) for name in BOTH)
    state, quiet = TrainingState(tmp_path / "state", "same"), Console(quiet=True)

    def go_on(epochs: int) -> Progress:
        recipe = replace(QUICK, epochs=epochs)
        return fit(_network(), training=training, held_out=held_out, recipe=recipe, state=state, console=quiet)

    go_on(1)
    kept.rename(tmp_path / "gone.png")
    with pytest.raises(InputError, match=r"kept\.png was readable a moment ago .* put it back"):
        go_on(2)
    (tmp_path / "gone.png").rename(kept)
    assert len(go_on(2).history) == 2


def test_what_tensorflow_itself_cannot_do_stays_its_own_error(pictures: list[Picture]) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), CropStream(pictures, QUICK, None).own_errors():
        tf.debugging.assert_equal(1, 2)


def test_one_more_picture_leaves_the_variation_of_the_others(pictures: list[Picture]) -> None:
    few, more = (CropStream(shown, QUICK, None).varied(1, epoch=0) for shown in (pictures[1:], pictures))
    (alone, _), (beside, _) = (next(stream.unbatch().batch(100).as_numpy_iterator()) for stream in (few, more))
    assert np.array_equal(alone, beside[1:])


def test_the_quantized_lower_half_is_near_the_float_one(pictures: list[Picture]) -> None:
    keras.utils.set_random_seed(0)
    picture = keras.Input((224, 224, 3))
    lower = keras.Model(picture, keras.layers.Conv2D(4, 3, strides=16, activation="relu")(picture))
    batches = calibration_batches(pictures, 8)
    quantized = QuantizedLowerHalf(lower, batches)
    crop = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    exact = lower.predict_on_batch(network_input([crop]))[0]
    assert quantized.features(crop).shape == exact.shape
    assert 0 < np.abs(quantized.features(crop) - exact).mean() < 0.02 * exact.max()
    assert np.allclose(quantized.features(crop, exact=True), exact, atol=1e-4)


def test_calibration_holds_both_classes_and_the_extremes(pictures: list[Picture]) -> None:
    batches = calibration_batches(pictures, 8)
    assert len(batches) == 9
    assert all(batch.shape == (1, 224, 224, 3) and batch.dtype == np.float32 for batch in batches)
    assert batches[-1].min() == -1.0
    assert batches[-1].max() == 1.0


def test_calibration_takes_small_faces_as_often_as_large_ones(pictures: list[Picture]) -> None:
    heights = (20, 40, 40, 40, 40, 80, 80)
    face = pictures[0].faces[0]
    boxed = replace(pictures[0], faces=tuple(replace(face, box=Box(0, 0, 10, height)) for height in heights))
    taken = list(faces_in_turn([boxed, pictures[0]], face.label, np.random.default_rng(0)))
    boxes = [picture.faces[place].box for picture, place in taken]
    assert [box and box.height for box in boxes] == [None, 20, 40, 80, 40, 80, 40, 40]


def test_another_face_takes_the_place_of_one_that_may_not_calibrate(pictures: list[Picture]) -> None:
    refused = {picture.path for picture in pictures if picture.faces[0].label == 0}
    refused.pop()
    batches = calibration_batches(pictures, 8, lambda picture, _: None if picture.path in refused else picture)
    assert len(batches) == 1 + 4 + 1
    assert sha256_of_batches(batches) != sha256_of_batches(calibration_batches(pictures, 8))


def test_calibration_without_a_readable_picture_is_one_sentence(tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "faces", 1)
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="calibration needs both classes"):
        calibration_batches(find_pictures(folder))


TWO_DEVICES = """
import json, sys
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from pathlib import Path
from converter import classifier_training
from converter.classifier_data import find_pictures
from tests.converter import test_classifier_training as tests
real = tf.config.list_logical_devices
tf.config.list_logical_devices = lambda kind=None: real("CPU") if kind == "GPU" else real(kind)
strategy = classifier_training.strategy()
with strategy.scope():
    model = tests._network()
    progress, _ = tests._fit(find_pictures(Path(sys.argv[1])), tests.QUICK, Path(sys.argv[2]), model)
print(json.dumps([strategy.num_replicas_in_sync, progress.history]))
"""


def test_several_accelerators_train_together(pictures: list[Picture], tmp_path: Path) -> None:
    folder = pictures[0].path.parent.parent
    command = [sys.executable, "-c", TWO_DEVICES, str(folder), str(tmp_path / "state")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    replicas, history = json.loads(ended.stdout.splitlines()[-1])
    assert replicas == 2
    alone, _ = _fit(pictures, QUICK, tmp_path / "alone")
    assert history[-1]["loss"] == pytest.approx(alone.history[-1]["loss"], abs=1e-3)


def test_the_learning_rate_rises_at_first_and_ends_near_nothing_in_each_cycle() -> None:
    schedule = LearningRates(3e-4, [1000, 500])
    rates = [float(schedule(step)) for step in (*range(0, 1000, 50), 999)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[2] == max(rates) == pytest.approx(3e-4)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 1e-6
    again = [float(schedule(step)) for step in (*range(1000, 1500, 25), 1499)]
    assert again == pytest.approx(rates, abs=2e-6)


@pytest.mark.parametrize(("seed", "averaged"), [(0, 1), (1, 3)])
def test_the_mean_of_the_cycles_ends_is_kept_where_it_is_better(
    seed: int, averaged: int, pictures: list[Picture], tmp_path: Path
) -> None:
    recipe = replace(QUICK, epochs=4, learning_rate=RESTLESS, seed=seed)
    assert recipe.cycle_ends == (2, 3, 4)
    ends: list[list[Any]] = []
    save = TrainingState.save

    def kept(state: TrainingState, model: keras.Model, progress: Progress) -> None:
        if len(progress.history) in recipe.cycle_ends:
            ends.append(model.get_weights())
        save(state, model, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "save", kept)
        progress, model = _fit(pictures, recipe, tmp_path / "state")
    for mean, *each in zip(progress.mean_weights, *ends, strict=True):
        assert np.allclose(mean, np.mean(each, axis=0), atol=1e-6)
    offered = [entry.get("mean", {}) for entry in progress.history]
    assert [number + 1 for number, mean in enumerate(offered) if mean] == [3, 4]
    losses = [figures["loss"] for figures in (*progress.history, *filter(None, offered))]
    assert progress.best_figures["loss"] == min(losses)
    stream = CropStream(pictures, recipe, None)
    weights = class_weights(stream.labels)
    assert held_out_figures(model, stream, weights, copies=2)["loss"] == pytest.approx(min(losses), abs=1e-5)
    assert progress.best_averaged == averaged


def test_without_a_held_out_part_the_last_epoch_is_kept(pictures: list[Picture], tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=5, held_out_part=0.0, learning_rate=RESTLESS)
    last: list[Any] = []
    save = TrainingState.save

    def kept(state: TrainingState, model: keras.Model, progress: Progress) -> None:
        last[:] = model.get_weights()
        save(state, model, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingState, "save", kept)
        progress, model = _fit(pictures, recipe, tmp_path / "state")
    assert progress.averaged > 1
    assert (progress.best, progress.best_averaged) == (4, 1)
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), last, strict=True))


def test_a_rise_of_the_learning_rate_ends_no_long_training(pictures: list[Picture], tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=24, learning_rate=0.0, patience=1)
    assert recipe.cycle_ends == (12, 18, 24)
    progress, _ = _fit(pictures, recipe, tmp_path / "state")
    assert len(progress.history) == 7
