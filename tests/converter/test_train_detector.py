import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

pytest.importorskip("tensorflow", reason="the converter extra (TensorFlow) is not installed")

from converter import detector_training, train_detector
from converter.detector_data import read_scenes
from converter.detector_training import Pictures, Plan, TrainingBatch, fit, training_batches
from converter.evaluate_detector import figures_of
from converter.tensorflow_quietly import keras, tf
from converter.training_state import Progress, TrainingState
from converter.yunet import build_yunet
from facemask_edge.errors import InputError, OutputError
from facemask_edge.manifest import find_model, read_manifest
from tests.converter.drawn_scenes import draw_scenes

pytestmark = pytest.mark.converter


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small inputs and batches: the same steps in seconds."""
    for module in (detector_training, train_detector):
        monkeypatch.setattr(module, "SIZES", {96: 4, 128: 2})


@pytest.fixture
def eager() -> Iterator[None]:
    """Steps are not compiled, which takes longer than a few of them."""
    tf.config.run_functions_eagerly(True)  # noqa: FBT003 - TensorFlow's own signature
    yield
    tf.config.run_functions_eagerly(False)  # noqa: FBT003 - likewise


def drawn(folder: Path) -> Pictures:
    train = read_scenes([draw_scenes(folder)], "train")
    return Pictures(train[:3], train[3:], train[3:])


def fitted(folder: Path, plan: Plan, console: Console | None = None) -> tuple[keras.Model, list[float]]:
    """A model trained from the same initial weights, and the losses of its epochs."""
    keras.utils.set_random_seed(0)  # the initial weights' too, which are drawn before fit sets its seed
    model = build_yunet(None)
    losses = fit(model, drawn(folder), plan, TrainingState(folder / "state", "this"), console or Console(quiet=True))
    return model, losses


@pytest.mark.usefixtures("small")
def test_batches_are_of_the_sizes_in_turn_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first, second = (training_batches(drawn(tmp_path), seed=3, epoch=1) for _ in range(2))
    for shape in ((4, 96, 96, 3), (2, 128, 128, 3)):
        one, other = next(first), next(second)
        assert one.images.shape == shape
        assert one.images.dtype == np.float32
        assert one.faces.shape[:2] == one.taught.shape
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.faces, other.faces)


def test_the_loss_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_training, "SIZES", {96: 4})  # each size takes seconds to compile
    monkeypatch.setattr(detector_training, "WARM_UP", 1)
    monkeypatch.setattr(detector_training, "LEARNING_RATE", 2e-3)
    told = io.StringIO()
    _, losses = fitted(tmp_path, Plan(epochs=2, seed=0, rounds=6), Console(file=told))
    assert losses[1] < losses[0]
    assert len(told.getvalue().splitlines()) == 4


@pytest.mark.usefixtures("eager")
def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector_training, "SIZES", {96: 2})
    plan = Plan(epochs=2, seed=0, rounds=2)
    whole, losses = fitted(tmp_path / "whole", plan)
    batches = training_batches

    def interrupted(pictures: Pictures, seed: int, epoch: int) -> Iterator[TrainingBatch]:
        if epoch == 1:
            raise KeyboardInterrupt
        return batches(pictures, seed, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(detector_training, "training_batches", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fitted(tmp_path / "resumed", plan)
    resumed, same_losses = fitted(tmp_path / "resumed", plan)
    assert same_losses == losses
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("eager")
def test_the_kept_weights_lie_between_the_initial_and_the_trained_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_training, "SIZES", {96: 2})
    kept = {}
    for share in (0.0, 0.75, 1.0):
        monkeypatch.setattr(detector_training, "TRAINED_SHARE", share)
        model, _ = fitted(tmp_path / str(share), Plan(epochs=1, seed=0, rounds=1))
        kept[share] = model.get_weights()
    for initial, mean, trained in zip(kept[0.0], kept[0.75], kept[1.0], strict=True):
        np.testing.assert_allclose(mean, 0.25 * initial + 0.75 * trained, atol=1e-6)


@pytest.mark.usefixtures("small")
def test_calibration_holds_the_extremes_of_the_input(tmp_path: Path) -> None:
    first = next(train_detector.calibration_inputs(drawn(tmp_path).scenes, 96, 0))
    assert first.shape == (1, 96, 96, 3)
    assert (first.min(), first.max()) == (0, 255)


def test_a_missing_data_folder_is_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone cannot be read"):
        train_detector.train_detector(
            data=[tmp_path / "gone"], weights=tmp_path / "weights.onnx", output=tmp_path / "models"
        )
    assert not (tmp_path / "models").exists()


def test_missing_weights_are_named_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights\.onnx cannot be read"):
        train_detector.train_detector(
            data=[draw_scenes(tmp_path)], weights=tmp_path / "weights.onnx", output=tmp_path / "models"
        )
    assert not (tmp_path / "models").exists()


@pytest.mark.shared_data
@pytest.mark.usefixtures("small")
def test_writes_models_that_the_device_loads(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_detector, "CALIBRATION", 2)
    data, output = draw_scenes(tmp_path / "scenes"), tmp_path / "models"
    train_detector.train_detector(
        data=[data], weights=shared / "weights" / "yunet_n_320_320.onnx", output=output, epochs=0
    )
    files = {entry.file for entry in read_manifest(output).models}
    assert files == {"face_detector.keras", "face_detector_96_int8.tflite", "face_detector_128_int8.tflite"}
    for file in files:
        _, entry = find_model(str(output / file))
        assert str(tmp_path) not in entry.model_dump_json()
    assert entry.labels == ["face"]


@pytest.mark.usefixtures("small")
def test_a_training_that_has_ended_leaves_another_ones_state(tmp_path: Path) -> None:
    folder = tmp_path / "face_detector.training"
    states = [TrainingState(folder, identity) for identity in ("first", "second")]
    model = build_yunet(None)
    model.compile("adam")
    for state in states:
        state.save(model, Progress())
    states[0].discard()
    assert [file.name for file in folder.iterdir()] == ["second.npz"]
    states[1].discard()
    assert not folder.exists()


def test_scenes_that_are_all_trained_with_still_give_figures() -> None:
    figures = figures_of([])
    assert {figure["value"] for name, figure in figures.items() if isinstance(figure, dict)} == {None}


@pytest.mark.shared_data
def test_detectors_that_are_there_are_not_overwritten(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "face_detector.keras").write_text("mine")
    weights = shared / "weights" / "yunet_n_320_320.onnx"
    with pytest.raises(OutputError, match="is there already"):
        train_detector.train_detector(data=[draw_scenes(tmp_path / "scenes")], weights=weights, output=tmp_path)
