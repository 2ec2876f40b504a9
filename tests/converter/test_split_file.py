import shutil
from pathlib import Path

import pytest

from converter.classifier_data import BoxedFace, Picture, Split
from converter.recipes import DEFAULT
from converter.split_file import SplitFile, read_split_file, split_file_of
from facemask_edge.errors import ModelError
from facemask_edge.manifest import find_model, packaged_models, sha256_of

pytestmark = pytest.mark.converter


def test_all_files_of_a_model_share_one_split_file() -> None:
    for name in ("a.keras", "a_int8.tflite", "a_int8_edgetpu.tflite"):
        assert split_file_of(Path("models") / name) == Path("models/a.split.json")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = tmp_path / "faces"
    pictures = [Picture(data / "with_mask" / f"{number}.jpg", (BoxedFace(None, 0),)) for number in (2, 1)]
    split = Split([Picture(data / "with_mask" / "3.jpg", (BoxedFace(None, 0),))], [], pictures)
    SplitFile.of(split, [data, tmp_path / "scenes"], DEFAULT, network="").write(tmp_path / "a.keras")
    known = read_split_file(tmp_path / "a_int8.tflite")
    assert known is not None
    assert known.test == {"faces": ["with_mask/1.jpg", "with_mask/2.jpg"]}
    assert known.test_pictures(data) == {picture.path for picture in pictures}
    # The same data may lie elsewhere on another machine.
    assert known.test_pictures(Path("/elsewhere/faces")) == {
        Path("/elsewhere/faces/with_mask/1.jpg"),
        Path("/elsewhere/faces/with_mask/2.jpg"),
    }


def test_one_of_another_training_is_refused(tmp_path: Path) -> None:
    nothing = Split([], [], [])
    network = tmp_path / "a.keras"
    network.write_bytes(b"the first training")
    SplitFile.of(nothing, [], DEFAULT, network=sha256_of(network)).write(network)
    assert read_split_file(network) is not None
    network.write_bytes(b"the second one")
    with pytest.raises(ModelError, match=r"a\.split\.json is of another training than a\.keras"):
        read_split_file(network)


def test_a_converted_model_is_known_by_the_network_it_was_made_of(tmp_path: Path) -> None:
    for name in ("mask_classifier_int8.tflite", "manifest.json"):
        shutil.copy(packaged_models() / name, tmp_path)
    model = tmp_path / "mask_classifier_int8.tflite"
    made_of = find_model(str(model))[1].recipe["inputs"]["mask_classifier.keras"]
    nothing = Split([], [], [])
    SplitFile.of(nothing, [], DEFAULT, network=made_of).write(model)
    assert read_split_file(model) is not None
    SplitFile.of(nothing, [], DEFAULT, network="0" * 64).write(model)
    with pytest.raises(ModelError, match="of another training than mask_classifier_int8"):
        read_split_file(model)


def test_an_absent_one_is_none_and_a_broken_one_an_error(tmp_path: Path) -> None:
    assert read_split_file(tmp_path / "a.keras") is None
    (tmp_path / "a.split.json").write_text('{"split": "none"}')
    with pytest.raises(ModelError, match="train-model"):
        read_split_file(tmp_path / "a.keras")
