from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from converter.detector_data import (
    box_single_faces,
    cut_held_out,
    on_canvas,
    read_image,
    read_scenes,
    single_face_files,
    without_copies,
)
from facemask_edge.errors import InputError
from facemask_edge.values import Box, Face
from tests.converter.drawn_scenes import draw_scenes


def test_reads_only_the_wanted_split_also_from_a_folder_below(tmp_path: Path) -> None:
    draw_scenes(tmp_path / "scenes")
    assert [picture.path.name for picture in read_scenes([tmp_path], "dev")] == ["4.png", "5.png"]
    first = read_scenes([tmp_path / "scenes"], "train")[0]
    assert first.labels == ("mask", "no_mask")
    assert first.boxes.shape == (2, 4)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone cannot be read: No such file"):
        read_scenes([tmp_path / "gone"], "train")


def test_a_folder_without_boxes_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no boxes\.jsonl"):
        read_scenes([tmp_path], "train")


@pytest.mark.parametrize("line", ["{", "[]", '{"image": "a.png"}', '{"image": "a", "faces": [{}], "split": "dev"}'])
def test_a_wrong_line_is_numbered(tmp_path: Path, line: str) -> None:
    good = (draw_scenes(tmp_path) / "boxes.jsonl").read_text().splitlines()[0]
    (tmp_path / "boxes.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(InputError, match="line 2 is not a scene"):
        read_scenes([tmp_path], "train")


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.png cannot be read"):
        read_image(tmp_path / "gone.png")


def test_the_held_out_part_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    pictures = read_scenes([draw_scenes(tmp_path)], "train")
    train, held_out = cut_held_out(pictures, 0.25, 0)
    assert (len(train), len(held_out)) == (3, 1)
    assert [picture.path for picture in cut_held_out(pictures, 0.25, 0)[1]] == [picture.path for picture in held_out]


def test_no_held_out_scene_has_a_copy_among_those_that_are_trained_with(tmp_path: Path) -> None:
    pictures = read_scenes([draw_scenes(tmp_path)], "train")
    for seed in range(4):
        train, held_out = cut_held_out([*pictures, *pictures], 0.25, seed)
        assert len(held_out) == 2
        assert not {picture.path for picture in train} & {picture.path for picture in held_out}


def test_frames_of_a_fixed_camera_are_held_out_in_their_part(tmp_path: Path) -> None:
    scene = read_scenes([draw_scenes(tmp_path)], "train")[0]
    pictures = [replace(scene, boxes=scene.boxes + number) for number in range(20)]
    train, held_out = cut_held_out(pictures, 0.15, 0)
    assert (len(train), len(held_out)) == (17, 3)
    console = Console(quiet=True)
    assert len(without_copies(pictures, [scene], console)) == 20
    assert without_copies(pictures[:3], [scene], console) == []
    assert without_copies([replace(picture, is_scene=False) for picture in pictures], [scene], console) == []


def test_frames_are_scaled_down_but_never_up() -> None:
    canvas, scale = on_canvas(np.full((240, 400, 3), 9, np.uint8), 320)
    assert scale == 0.8
    assert canvas[:192].all()
    assert not canvas[192:].any()
    canvas, scale = on_canvas(np.full((240, 400, 3), 9, np.uint8), 512)
    assert scale == 1.0
    assert canvas.sum() == 9 * 240 * 400 * 3


def test_single_faces_get_the_box_of_a_sure_detection(tmp_path: Path) -> None:
    (tmp_path / "faces" / "with_mask").mkdir(parents=True)
    (tmp_path / "faces" / "without_mask").mkdir()
    for kind in ("with_mask", "without_mask"):
        cv2.imwrite(str(tmp_path / "faces" / kind / "one.png"), np.zeros((320, 320, 3), np.uint8))
    (tmp_path / "faces" / "with_mask" / "readme.txt").write_text("no picture")
    files = single_face_files(tmp_path)
    boxed = box_single_faces(
        files, lambda _: [Face(Box(40, 40, 80, 100), 0.9), Face(Box(0, 0, 9, 9), 0.1)], Console(quiet=True)
    )
    assert [picture.labels for picture in boxed] == [("mask",), ("no_mask",)]
    np.testing.assert_allclose(boxed[0].boxes, [[80, 80, 160, 200]])


@pytest.mark.parametrize(
    "faces",
    [
        [],
        [Face(Box(40, 40, 80, 100), 0.7)],
        [Face(Box(40, 40, 20, 20), 0.9)],
        [Face(Box(40, 40, 80, 100), 0.9), Face(Box(0, 0, 30, 30), 0.5)],
    ],
    ids=["none", "unsure", "small", "two"],
)
def test_single_faces_without_one_sure_large_detection_are_left_out(tmp_path: Path, faces: list[Face]) -> None:
    cv2.imwrite(str(tmp_path / "one.png"), np.zeros((160, 160, 3), np.uint8))
    assert box_single_faces([(tmp_path / "one.png", "mask")], lambda _: faces, Console(quiet=True)) == []
