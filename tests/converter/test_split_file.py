from pathlib import Path

import pytest

from converter.classifier_data import BoxedFace, Picture, Split
from converter.recipes import DEFAULT
from converter.split_file import SplitFile, read_split_file, split_file_of
from facemask_edge.errors import ModelError

pytestmark = pytest.mark.converter


def test_all_files_of_a_model_share_one_split_file() -> None:
    for name in ("a.keras", "a_int8.tflite", "a_int8_edgetpu.tflite"):
        assert split_file_of(Path("models") / name) == Path("models/a.split.json")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = tmp_path / "faces"
    pictures = [Picture(data / "with_mask" / f"{number}.jpg", (BoxedFace(None, 0),)) for number in (2, 1)]
    split = Split([Picture(data / "with_mask" / "3.jpg", (BoxedFace(None, 0),))], [], pictures)
    SplitFile.of(split, [data, tmp_path / "scenes"], DEFAULT).write(tmp_path / "a.keras")
    known = read_split_file(tmp_path / "a_int8.tflite")
    assert known is not None
    assert known.test == {"faces": ["with_mask/1.jpg", "with_mask/2.jpg"]}
    assert known.test_pictures(data) == {picture.path for picture in pictures}
    # The same data may lie elsewhere on another machine.
    assert known.test_pictures(Path("/elsewhere/faces")) == {
        Path("/elsewhere/faces/with_mask/1.jpg"),
        Path("/elsewhere/faces/with_mask/2.jpg"),
    }


def test_an_absent_one_is_none_and_a_broken_one_an_error(tmp_path: Path) -> None:
    assert read_split_file(tmp_path / "a.keras") is None
    (tmp_path / "a.split.json").write_text('{"split": "none"}')
    with pytest.raises(ModelError, match="train-model"):
        read_split_file(tmp_path / "a.keras")
