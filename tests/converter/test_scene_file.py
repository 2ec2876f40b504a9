import json
from pathlib import Path
from typing import Any

import pytest

from converter.scene_file import read_scene_file
from facemask_edge.errors import InputError
from facemask_edge.values import Box

SCENE = {
    "image": "images/a.jpg",
    "width": 64,
    "height": 48,
    "split": "train",
    "faces": [{"box": [1, 2, 3, 4], "label": "mask"}],
}


def written(folder: Path, *lines: str) -> Path:
    (folder / "boxes.jsonl").write_text("\n".join(lines))
    return folder


def test_a_scene_is_read(tmp_path: Path) -> None:
    (scene,) = read_scene_file(written(tmp_path, json.dumps(SCENE)))
    assert (scene.picture, scene.width, scene.height) == (tmp_path / "images" / "a.jpg", 64, 48)
    assert (scene.split, scene.faces) == ("train", ((Box(1, 2, 3, 4), "mask"),))


@pytest.mark.parametrize(
    "wrong",
    [
        "{",
        "[" * 100_000,
        json.dumps(SCENE | {"width": float("inf")}),
        json.dumps(SCENE | {"faces": [{"box": [1, 2, 3], "label": "mask"}]}),
        json.dumps(SCENE | {"faces": [{"box": [1, 2, 3, float("nan")], "label": "mask"}]}),
        json.dumps(SCENE | {"faces": [{"box": "1234", "label": "mask"}]}),
        json.dumps(SCENE | {"faces": 3}),
        json.dumps({"image": "a.jpg"}),
    ],
)
def test_what_is_no_scene_is_named_with_its_line(wrong: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2 is not a scene with"):
        read_scene_file(written(tmp_path, json.dumps(SCENE), wrong))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"split": "val"}, r"line 1: 'val' is none of train, dev"),
        (
            {"faces": [{"box": [1, 2, 3, 4], "label": "no-mask"}]},
            r"line 1: 'no-mask' is none of mask, no_mask, incorrect",
        ),
    ],
)
def test_a_slip_of_the_pen_is_no_other_label(wrong: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_scene_file(written(tmp_path, json.dumps(SCENE | wrong)))


@pytest.mark.parametrize("box", [[64, 2, 9, 9], [1, -20, 9, 12], [1, 47.5, 9, 9], [1, 2, 0, 9], [100, 100, 9, 9]])
def test_a_box_outside_of_the_picture_is_no_face(box: list[float], tmp_path: Path) -> None:
    wrong = SCENE | {"faces": [{"box": box, "label": "mask"}]}
    with pytest.raises(InputError, match=r"line 2: the box .* lies outside of the 64 x 48 pixels"):
        read_scene_file(written(tmp_path, json.dumps(SCENE), json.dumps(wrong)))


def test_a_face_at_the_edge_is_one(tmp_path: Path) -> None:
    read_scene_file(written(tmp_path, json.dumps(SCENE | {"faces": [{"box": [-4, 40, 9, 12], "label": "mask"}]})))


def test_a_byte_order_mark_and_empty_lines_at_the_end_are_no_scenes(tmp_path: Path) -> None:
    (tmp_path / "boxes.jsonl").write_text(f"\ufeff{json.dumps(SCENE)}\r\n\n  \n", encoding="utf-8")
    assert len(read_scene_file(tmp_path)) == 1


@pytest.mark.parametrize("name", ["/etc/passwd", "../../a.jpg", "a\0b"])
def test_a_picture_outside_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not lie in the folder"):
        read_scene_file(written(tmp_path, json.dumps(SCENE | {"image": name})))


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "boxes.jsonl").write_bytes(b'{"image": "\xff"}')
    with pytest.raises(InputError, match="no UTF-8 text, byte 12"):
        read_scene_file(tmp_path)


def test_a_name_that_is_no_utf_8_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 1: 'M\\udcfcller.jpg' is no UTF-8"):
        read_scene_file(written(tmp_path, json.dumps(SCENE | {"image": "M\udcfcller.jpg"})))
