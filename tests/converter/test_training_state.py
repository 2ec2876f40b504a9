from pathlib import Path

import pytest

pytest.importorskip("tensorflow", reason="the converter extra (TensorFlow) is not installed")

from converter.classifier_data import find_pictures
from converter.detector_data import read_scenes
from converter.detector_training import Plan
from converter.recipes import DEFAULT
from converter.training_state import identity_of
from facemask_edge.errors import InputError
from tests.converter.drawn_scenes import draw_scenes
from tests.converter.pictures import single_faces

pytestmark = pytest.mark.converter


def test_other_pictures_of_the_same_names_are_another_training(tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "faces", 2)
    first, second = (folder / "with_mask" / f"{number}.png" for number in range(2))
    before = identity_of(DEFAULT, find_pictures(folder))
    assert identity_of(DEFAULT, find_pictures(folder)) == before
    first.write_bytes(second.read_bytes())
    assert identity_of(DEFAULT, find_pictures(folder)) != before
    scenes = read_scenes([draw_scenes(tmp_path / "scenes")], "train")
    before = identity_of(Plan(1, 0), scenes)
    scenes[0].path.write_bytes(scenes[1].path.read_bytes())
    assert identity_of(Plan(1, 0), scenes) != before


def test_other_initial_weights_are_another_training(tmp_path: Path) -> None:
    weights = tmp_path / "weights.onnx"
    weights.write_bytes(b"first")
    before = identity_of(Plan(1, 0), [], [weights])
    weights.write_bytes(b"second")
    assert identity_of(Plan(1, 0), [], [weights]) != before


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    pictures = find_pictures(single_faces(tmp_path / "faces", 1))
    pictures[0].path.unlink()
    with pytest.raises(InputError, match=r"with_mask/0\.png cannot be read"):
        identity_of(DEFAULT, pictures)
