"""``evaluate-model`` on generated pictures with the packaged models."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter.classifier_data import LABELS, find_pictures, readable
from converter.detector_data import cut_held_out, read_list
from converter.evaluate_model import evaluate_model
from converter.evaluation_subjects import chosen_from, versions_of
from facemask_edge.errors import InputError, ModelError, OutputError
from facemask_edge.manifest import packaged_models
from tests.converter.pictures import boxed_scenes, single_faces

pytestmark = pytest.mark.converter
INT8 = "mask_classifier_int8.tflite"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged int8 model without the Keras one, so that no TensorFlow is needed."""
    folder = tmp_path_factory.mktemp("models")
    for name in (INT8, "manifest.json"):
        shutil.copy(packaged_models() / name, folder)
    split = {"split": "groups", "seed": 0, "test_part": 0.5, "test": {"faces": ["with_mask/0.png", "with_mask/1.png"]}}
    (folder / "mask_classifier.split.json").write_text(json.dumps(split))
    return folder / INT8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("data")
    return [single_faces(folder / "faces", 4), boxed_scenes(folder / "scenes", train=1, dev=3)]


@pytest.fixture(scope="module")
def result(model: Path, data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    output = tmp_path_factory.mktemp("output")
    given = evaluate_model(
        model=model,
        data=[data[0], data[1] / "boxes.jsonl"],
        detector="face_detector_320_int8.tflite",
        json_file=output / "figures" / "all.json",
        report=output / "report",
        audit=True,
    )
    return given, output


def test_the_json_holds_what_is_returned(result: tuple[dict[str, Any], Path]) -> None:
    figures, output = result
    assert json.loads((output / "figures" / "all.json").read_text()) == json.loads(json.dumps(figures))
    assert list(figures["models"]) == [INT8, "face_detector_320_int8.tflite"]
    assert set(figures["data"]) == {"faces", "scenes"}
    assert figures["pipeline"]["scenes"]["pictures"] == 3


def test_only_what_the_model_never_saw_is_counted(result: tuple[dict[str, Any], Path]) -> None:
    figures, _ = result
    # Two pictures are named by the split file; of the scenes split dev, without incorrect and tiny faces.
    assert figures["data"]["faces"]["int8"]["all"]["count"] == 2
    assert figures["data"]["scenes"]["int8"]["height_16"]["count"] == 6
    assert figures["data"]["scenes"]["int8"]["height_128"] == {"count": 0}


@pytest.mark.parametrize(("folder", "few", "all_of_them"), [(0, 2, 8), (1, 6, 8)], ids=["faces", "scenes"])
def test_all_pictures_can_be_asked_for(model: Path, data: list[Path], folder: int, few: int, all_of_them: int) -> None:
    some = chosen_from(data[folder], model, all_pictures=False)
    every = chosen_from(data[folder], model, all_pictures=True)
    assert (len(some.subjects), len(every.subjects)) == (few, all_of_them)
    assert "whether the model was trained with them or not" in every.which


def test_all_pictures_may_be_of_split_dev(model: Path, tmp_path: Path) -> None:
    folder = boxed_scenes(tmp_path / "scenes", train=0, dev=2)
    assert len(chosen_from(folder, model, all_pictures=True).subjects) == 4


def test_all_pictures_are_judged_as_frames_too(model: Path, tmp_path: Path) -> None:
    folder = boxed_scenes(tmp_path / "scenes", train=2, dev=1)
    for every, count in ((False, 1), (True, 3)):
        figures = evaluate_model(
            model=model, data=[folder], detector="face_detector_320_int8.tflite", all_pictures=every
        )
        assert figures["pipeline"]["scenes"]["pictures"] == count


def test_a_detector_without_scenes_is_refused_before_the_work(model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"give a --data folder with boxes\.jsonl"):
        evaluate_model(model=model, data=[single_faces(tmp_path / "mine", 1)], detector="face_detector_320_int8.tflite")


def test_one_class_alone_is_said(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = single_faces(tmp_path / "mine", 2)
    for picture in (folder / "without_mask").iterdir():
        picture.unlink()
    evaluate_model(model=model, data=[folder], all_pictures=True)
    assert "all faces are labelled mask" in " ".join(capsys.readouterr().out.split())


def test_it_says_what_was_judged(result: tuple[dict[str, Any], Path]) -> None:
    figures, output = result
    assert figures["judged"] == {
        "faces": "2 pictures, only tested with by the training, of 8",
        "scenes": "3 pictures, split dev",
    }
    page = (output / "report" / "index.html").read_text()
    assert all(which in page for which in figures["judged"].values())


def test_a_picture_that_is_none_is_left_out_and_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = single_faces(tmp_path / "mine", 2)
    (folder / "with_mask" / "notes.txt").write_text("no picture")
    figures = evaluate_model(model=model, data=[folder])
    assert figures["data"]["mine"]["int8"]["all"]["count"] == 4
    assert "notes.txt; left out" in capsys.readouterr().out.replace("\n", "")


def test_a_picture_whose_name_is_no_utf_8_is_left_out_and_named(model: Path, tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "mine", 2)
    (folder / "with_mask" / "0.png").rename(folder / "with_mask" / os.fsdecode(b"M\xfcller.png"))
    program = "from converter.cli import evaluate_model as run; run()"
    ended = subprocess.run(
        [sys.executable, "-c", program, str(model), "--data", str(folder), "--report", str(tmp_path / "report")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert r"M\xfcller.png: its name is no UTF-8; rename it; left out" in ended.stdout


def test_a_folder_whose_name_is_no_utf_8_is_refused(model: Path, tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "faces", 1).rename(tmp_path / os.fsdecode(b"M\xfcller"))
    with pytest.raises(InputError, match=r"M\\xfcller is no UTF-8"):
        evaluate_model(model=model, data=[folder])


def test_folders_of_the_same_name_are_refused(model: Path, tmp_path: Path) -> None:
    data = [single_faces(tmp_path / side / "faces", 1) for side in ("left", "right")]
    with pytest.raises(InputError, match="a name of its own"):
        evaluate_model(model=model, data=data)


def test_what_is_wrong_with_an_option_is_said_before_the_work(
    model: Path, data: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("converter.evaluate_model.judge_all", lambda *_: pytest.fail("it has begun"))
    (tmp_path / "file").write_text("")
    for wrong, error in (
        ({"detector": "missing.tflite"}, ModelError),
        ({"report": tmp_path / "file"}, OutputError),
        ({"json_file": tmp_path / "file" / "all.json"}, OutputError),
        ({"json_file": tmp_path}, OutputError),
    ):
        arguments: dict[str, Any] = {"model": model, "data": data} | wrong
        with pytest.raises(error):
            evaluate_model(**arguments)


def test_the_page_needs_nothing_else(result: tuple[dict[str, Any], Path]) -> None:
    _, output = result
    page = (output / "report" / "index.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:image/)[^"]*"', page) == []
    assert "http" not in page
    assert page.count("data:image/png;base64,") == 5
    assert "detector and classifier together" in page


def test_what_the_detector_gets_wrong_is_shown(result: tuple[dict[str, Any], Path]) -> None:
    figures, output = result
    page = (output / "report" / "index.html").read_text()
    listed, counted = figures["without_label"]["scenes"], figures["pipeline"]["scenes"]["height_16"]["detector"]
    found = counted["precision"]["count"]
    assert len(listed) == found - round(found * (counted["precision"]["value"] or 0))
    faces = [counted[f"recall_{label}"] for label in LABELS]
    missed = sum(one["count"] - round(one["count"] * (one["value"] or 0)) for one in faces)
    assert missed > 0, "the drawn faces are found, and the page's second sheet is not tried"
    assert f"{len(listed)} finds where no face is labelled" in page
    _, sheet = page.split(f"{missed} labelled faces that were not found")
    assert sheet.count("labelled <b>") == sheet.count("data:image/jpeg;base64,") == missed


def test_names_in_the_page_are_escaped(model: Path, tmp_path: Path) -> None:
    # Crude faces are not what the model was trained with: with both labels given to each, half are mistakes.
    folder = single_faces(tmp_path / "faces", 1)
    for name, other in (("with_mask", "without_mask"), ("without_mask", "with_mask")):
        shutil.copy(folder / name / "0.png", folder / other / "<script>.png")
    evaluate_model(model=model, data=[folder], report=tmp_path / "report", all_pictures=True)
    page = (tmp_path / "report" / "index.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("named", ["mask_classifier.keras", INT8])
def test_an_int8_model_of_another_training_is_refused(tmp_path: Path, named: str) -> None:
    for name in (INT8, "mask_classifier.keras", "manifest.json"):
        shutil.copy(packaged_models() / name, tmp_path)
    int8, network = tmp_path / INT8, tmp_path / "mask_classifier.keras"
    assert versions_of(tmp_path / named) == (int8, network)
    network.write_bytes(network.read_bytes() + b"trained again")
    with pytest.raises(ModelError, match="was converted from another training"):
        versions_of(tmp_path / named)
    # Of an entry without a recipe nothing can be said.
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for entry in manifest["models"]:
        entry.pop("recipe", None)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert versions_of(tmp_path / named) == (int8, network)


@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_of_another_size_than_its_boxes_is_refused(model: Path, tmp_path: Path, turned: bool) -> None:  # noqa: FBT001 - pytest passes it
    folder = boxed_scenes(tmp_path / "scenes", train=1, dev=2)
    for index in range(3):
        path = folder / "images" / f"{index}.png"
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        cv2.imwrite(str(path), np.ascontiguousarray(image.swapaxes(0, 1)) if turned else image[::2, ::2])
    found, why = ("120 x 240", ".*its EXIF data") if turned else ("120 x 60", "")
    said = rf"\d\.png has {found} pixels, and 240 x 120 by the list{why}"
    with pytest.raises(InputError, match=said):
        evaluate_model(model=model, data=[folder])
    with pytest.raises(InputError, match=said):
        readable(find_pictures(folder))
    with pytest.raises(InputError, match=said):
        cut_held_out(read_list(folder, "train"), 0.1, 0)


def test_a_scene_that_cannot_be_read_is_left_out_of_both_parts(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = boxed_scenes(tmp_path / "scenes", train=0, dev=3)
    (folder / "images" / "1.png").write_bytes(b"no picture")
    figures = evaluate_model(model=model, data=[folder], detector="face_detector_320_int8.tflite")
    assert figures["pipeline"]["scenes"]["pictures"] == 2
    assert capsys.readouterr().out.count("images/1.png; left out") == 2


def test_a_full_disk_is_said_with_the_name_of_the_file(model: Path, data: list[Path], tmp_path: Path) -> None:
    (tmp_path / "index.html").symlink_to("/dev/full")
    for output in ({"json_file": tmp_path / "index.html"}, {"report": tmp_path}):
        arguments: dict[str, Any] = {"model": model, "data": [data[0]]} | output
        with pytest.raises(OutputError, match=r"index\.html cannot be written: No space left"):
            evaluate_model(**arguments)


def test_names_in_square_brackets_are_printed_whole(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = single_faces(tmp_path / "faces [old]", 2)
    (folder / "with_mask" / "bad5 [copy] :smile:.jpg").write_text("no picture")
    evaluate_model(model=model, data=[folder])
    told = capsys.readouterr().out
    assert "bad5 [copy] :smile:.jpg; left out" in told
    assert told.count("faces [old]") == 3


def test_mistakes_of_use_are_one_sentence(model: Path, data: list[Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for wrong, error in (
        ({"model": tmp_path / "absent.tflite"}, ModelError),
        ({"model": tmp_path / "model.h5"}, ModelError),
        ({"data": [tmp_path / "empty"]}, InputError),
    ):
        arguments: dict[str, Any] = {"model": model, "data": data} | wrong
        with pytest.raises(error) as caught:
            evaluate_model(**arguments)
        assert "\n" not in str(caught.value)


def test_an_int8_model_is_evaluated_without_tensorflow(model: Path, data: list[Path]) -> None:
    program = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        "from converter.cli import evaluate_model as run; run()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(model), "--data", str(data[0])],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "2 pictures, only tested with by the training, of 8" in ended.stdout


@pytest.mark.shared_data
def test_int8_and_float_are_evaluated_beside_each_other(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")
    lines = (shared / "data" / "scenes" / "boxes.jsonl").read_text().splitlines()
    few = [line for line in lines if json.loads(line)["split"] == "dev"][:12]
    (tmp_path / "boxes.jsonl").write_text("\n".join(few) + "\n")
    (tmp_path / "images").symlink_to((shared / "data" / "scenes" / "images").resolve())
    figures = evaluate_model(model=packaged_models() / INT8, data=[tmp_path])
    (scenes,) = figures["data"].values()
    assert scenes["int8"]["all"]["count"] == scenes["float"]["all"]["count"] >= 20
    assert scenes["agreement"]["value"] > 0.9
    assert scenes["int8"]["all"]["accuracy"]["value"] > 0.9
