"""``facemask-edge explain`` on frames of the sample, with the shipped models."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from facemask_edge import overlay
from facemask_edge.activation_maps import ActivationMaps
from facemask_edge.cameras.recording import read_picture
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import InputError, ModelError
from facemask_edge.explain import explain, more_probable
from facemask_edge.inference import Model
from facemask_edge.manifest import packaged_models
from facemask_edge.values import Box, Label, Track, Verdict
from tests.test_annotate import TWO_FACES, sample_frames

CLASSIFIER = "mask_classifier_int8.tflite"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "door.png"
    cv2.imwrite(str(path), sample_frames(TWO_FACES, TWO_FACES + 1)[0])
    return path


def test_every_judged_face_is_explained(picture: Path, tmp_path: Path) -> None:
    results = explain([picture], tmp_path / "out", Config())
    (line,) = [json.loads(line) for line in results.read_text().splitlines()]
    assert {face["label"] for face in line["faces"]} == {"mask", "no_mask"}
    changed = np.abs(read_picture(tmp_path / "out" / "door.png").astype(int) - read_picture(picture)).max(axis=2)
    for face in line["faces"]:
        heat = np.array(face["activation"])
        assert heat.shape == (7, 7)
        assert heat.min() >= 0 < heat.max()
        inside = changed[face["y"] : face["y"] + face["height"], face["x"] : face["x"] + face["width"]]
        # The box and the caption alone change less than a tenth.
        assert (inside > 10).mean() > 0.3


def test_the_map_of_one_label_is_not_that_of_the_other() -> None:
    image = sample_frames(TWO_FACES, TWO_FACES + 1)[0]
    people = json.loads(SAMPLE.with_suffix(".json").read_text())["people"]
    (box,) = [Box(*box) for one in people if not one["mask"] for frame, *box in one["boxes"] if frame == TWO_FACES]
    classifier = MaskClassifier(CLASSIFIER)
    maps = ActivationMaps(classifier.model)
    assert classifier.probability(image, box) > 0.9
    assert maps.of(Label.NO_MASK).sum() > 2 * maps.of(Label.MASK).sum()


def test_a_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="explain takes pictures"):
        explain([SAMPLE], tmp_path / "out", Config())


def test_a_model_without_a_feature_map_says_how_to_get_one() -> None:
    with pytest.raises(ModelError, match="convert-model --explain"):
        ActivationMaps(Model("face_detector_320_int8.tflite"))


def test_an_undetermined_face_is_explained_by_what_it_would_rather_be() -> None:
    track = Track("", Box(0, 0, 1, 1), 1.0)
    for label, probability, wanted in (
        (Label.UNDETERMINED, 0.6, Label.NO_MASK),
        (Label.UNDETERMINED, 0.4, Label.MASK),
        (Label.MASK, 0.55, Label.MASK),
    ):
        assert more_probable(Verdict(track, label, probability, 1)) is wanted


def test_heat_tints_its_square_and_nothing_else() -> None:
    image = np.full((60, 80, 3), 100, np.uint8)
    heat = np.zeros((7, 7), np.float32)
    heat[3, 3] = 2.0
    overlay.draw_heat(image, (10, 20, 28), heat)
    changed = (image != 100).any(axis=2)
    assert changed[20 + 14, 10 + 14]
    assert not changed[21, 11]
    changed[20:48, 10:38] = False
    assert not changed.any()


def test_no_heat_changes_nothing() -> None:
    image = np.full((60, 80, 3), 100, np.uint8)
    overlay.draw_heat(image, (10, 20, 28), np.zeros((7, 7), np.float32))
    assert (image == 100).all()


def test_the_dense_layers_are_the_papers(tmp_path: Path) -> None:
    for name in (CLASSIFIER, "manifest.json"):
        shutil.copy(packaged_models() / name, tmp_path)
    hidden, last = Model(str(tmp_path / CLASSIFIER)).dense_layers()
    assert (hidden.weights.shape, hidden.bias.shape) == ((128, 1280), (128,))
    assert (last.weights.shape, last.bias.shape) == ((2, 128), (2,))
