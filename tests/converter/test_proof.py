"""Whom a converted model is proven with, and what is said of it then."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")

from converter import evaluation_subjects, picture_files, proof
from converter.check_model import checked
from converter.gates import USUAL, Gate, Limits
from converter.proof import Proof, held_out_faces
from converter.tflite_file import read_tflite
from facemask_edge.manifest import packaged_models
from facemask_edge.values import Image
from tests.converter.pictures import boxed_scenes, single_faces

pytestmark = pytest.mark.converter
QUIET = Console(quiet=True)


def test_faces_are_drawn_from_all_and_only_those_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = single_faces(tmp_path / "faces", 12)
    model = tmp_path / "model.keras"
    read: list[Path] = []

    def counted(path: Path) -> Image | None:
        read.append(path)
        return picture_files.read_picture(path)

    monkeypatch.setattr(evaluation_subjects, "read_picture", counted)
    monkeypatch.setattr(proof, "MOST_HELD_OUT", 5)
    drawn = held_out_faces(model, [folder], set(), QUIET)
    assert len(drawn) == len(read) == 5
    assert {face.label for face in drawn} == {0, 1}
    assert drawn == held_out_faces(model, [folder], set(), QUIET)
    others = held_out_faces(model, [folder], {face.path for face in drawn}, QUIET)
    assert not {face.path for face in others} & {face.path for face in drawn}


def test_pictures_that_cannot_be_read_are_said_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = boxed_scenes(tmp_path / "scenes", train=1, dev=2)
    whole = held_out_faces(tmp_path / "model.keras", [scenes], set(), QUIET)
    broken = whole[0].path
    broken.write_bytes(b"no picture")
    left = held_out_faces(tmp_path / "model.keras", [scenes], set(), Console())
    assert left == [face for face in whole if face.path != broken]
    assert len(left) < len(whole)
    assert "".join(capsys.readouterr().out.split()).count(f"cannotread{broken};leftout") == 1


def test_the_verdict_says_by_which_limits() -> None:
    path = packaged_models() / "mask_classifier_int8.tflite"
    gate = Gate("a", "b", "c", passed=True, hint="")
    proven = Proof(checked(read_tflite(path), path.name), [gate], USUAL, {})
    assert proven.verdict == "Converted and proven: int8 judges as float does."
    assert "by the limits that were given" in replace(proven, limits=Limits(least_agreement=0.9)).verdict
    assert "not proven" in replace(proven, gates=[gate, replace(gate, passed=None)]).verdict
