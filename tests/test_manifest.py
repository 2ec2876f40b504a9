import json
import shutil
from pathlib import Path

import pytest

from facemask_edge.errors import ModelError
from facemask_edge.manifest import MANIFEST, find_model, packaged_models, read_manifest, sha256_of

CLASSIFIER = "mask_classifier_int8.tflite"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a copy of the shipped classifier and the shipped manifest."""
    for name in (CLASSIFIER, MANIFEST):
        shutil.copy(packaged_models() / name, tmp_path)
    return tmp_path


def test_every_shipped_model_is_whole_and_says_where_it_comes_from() -> None:
    entries = read_manifest(packaged_models()).models
    assert {entry.file for entry in entries} >= {
        CLASSIFIER,
        "face_detector_320_int8.tflite",
        "face_detector_512_int8.tflite",
    }
    for entry in entries:
        assert sha256_of(packaged_models() / entry.file) == entry.sha256
        assert entry.licence
        assert entry.command
        assert entry.training_data
        if entry.file.endswith(".tflite"):
            assert entry.quantization is not None
            assert entry.figures


def test_a_packaged_model_is_found_by_its_name_and_any_other_by_its_path(models: Path) -> None:
    assert find_model(CLASSIFIER)[0] == packaged_models() / CLASSIFIER
    path, entry = find_model(str(models / CLASSIFIER))
    assert path == models / CLASSIFIER
    assert entry.file == CLASSIFIER


def test_a_changed_byte_is_noticed(models: Path) -> None:
    content = bytearray((models / CLASSIFIER).read_bytes())
    content[len(content) // 2] ^= 1
    (models / CLASSIFIER).write_bytes(content)
    with pytest.raises(ModelError, match=r"damaged or was changed.*copy or convert it again"):
        find_model(str(models / CLASSIFIER))


def test_a_missing_file_a_missing_manifest_and_a_missing_entry_are_told_apart(models: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        find_model(str(models / "gone.tflite"))
    shutil.copy(models / CLASSIFIER, models / "other.tflite")
    with pytest.raises(ModelError, match="is not listed"):
        find_model(str(models / "other.tflite"))
    (models / MANIFEST).unlink()
    with pytest.raises(ModelError, match="needs the manifest that convert-model writes"):
        find_model(str(models / CLASSIFIER))


@pytest.mark.parametrize("text", ["", "{", '{"models": [{"name": "x"}]}', '{"models": [], "more": 1}'])
def test_a_malformed_manifest_is_explained(models: Path, text: str) -> None:
    (models / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match="write it again with convert-model"):
        read_manifest(models)


def test_an_entry_replaces_the_one_of_the_same_file_only() -> None:
    manifest = read_manifest(packaged_models())
    changed = manifest.models[0].model_copy(update={"licence": "other"})
    replaced = manifest.replaced(changed)
    assert len(replaced.models) == len(manifest.models)
    assert [entry for entry in replaced.models if entry.licence == "other"] == [changed]
    assert json.loads(replaced.model_dump_json())["models"][1:] == json.loads(manifest.model_dump_json())["models"][1:]


def test_a_huge_file_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b" " * 11_000_000)
    with pytest.raises(ModelError, match="larger than 10 MB"):
        read_manifest(tmp_path)
