import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from converter.classifier_data import (
    BoxedFace,
    Picture,
    describe_source,
    difference_hash,
    find_pictures,
    near_duplicate_groups,
    read_picture,
    readable,
    split_by_group,
)
from facemask_edge.errors import InputError
from facemask_edge.values import Box
from tests.converter.pictures import boxed_scenes, face, single_faces

pytestmark = pytest.mark.converter


def test_single_faces_take_their_label_from_the_folder(tmp_path: Path) -> None:
    pictures = find_pictures(single_faces(tmp_path / "faces", 3))
    assert [picture.path.parent.name for picture in pictures] == ["with_mask"] * 3 + ["without_mask"] * 3
    assert [picture.faces[0].label for picture in pictures] == [0, 0, 0, 1, 1, 1]


def test_scenes_leave_out_incorrect_and_tiny_faces(tmp_path: Path) -> None:
    (picture,) = find_pictures(boxed_scenes(tmp_path / "scenes", train=1, dev=2))
    assert picture.faces == (BoxedFace(Box(10, 20, 64, 64), 0), BoxedFace(Box(100, 20, 64, 64), 1))


def test_training_never_sees_split_dev(tmp_path: Path) -> None:
    folder = boxed_scenes(tmp_path / "scenes", train=3, dev=2)
    training = {picture.path for picture in find_pictures(folder)}
    development = {picture.path for picture in find_pictures(folder, split="dev")}
    assert len(training) == 3
    assert len(development) == 2
    assert not training & development


def test_a_limit_keeps_both_classes(tmp_path: Path) -> None:
    pictures = find_pictures(single_faces(tmp_path / "faces", 5), limit=4)
    assert [picture.faces[0].label for picture in pictures] == [0, 0, 1, 1]


@pytest.mark.parametrize("missing", ["absent", "unknown", "empty"])
def test_a_useless_folder_is_one_sentence(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / missing
    if missing == "unknown":
        folder.mkdir()
    if missing == "empty":
        (folder / "with_mask").mkdir(parents=True)
        (folder / "without_mask").mkdir()
    with pytest.raises(InputError) as caught:
        find_pictures(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["{", "[]", '{"split": "train"}', '{"split": "train", "image": "a", "faces": [{}]}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "boxes.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match="line 1"):
        find_pictures(tmp_path)


def test_unreadable_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "faces", 2)
    (folder / "with_mask" / "broken.jpg").write_bytes(b"no picture")
    good, hashes, bad = readable(find_pictures(folder))
    assert [path.name for path in bad] == ["broken.jpg"]
    assert len(good) == 4
    assert hashes.shape == (4, 64)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 4)])
def test_grey_and_transparent_pictures_become_bgr(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), np.full(shape, 128, dtype=np.uint8))
    image = read_picture(tmp_path / "picture.png")
    assert image is not None
    assert image.shape == (20, 30, 3)


def test_a_compressed_and_shrunk_copy_is_a_near_duplicate() -> None:
    original = face(masked=True, seed=1, side=160)
    _, content = cv2.imencode(".jpg", cv2.resize(original, (90, 90), interpolation=cv2.INTER_AREA))
    copy = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), dtype=np.uint8)
    other = face(masked=True, seed=2, side=160)
    hashes = np.array([difference_hash(image) for image in (original, other, copy)])
    groups = near_duplicate_groups(["a.png", "b.png", "c.jpg"], hashes)
    assert groups[0] == groups[2] != groups[1]


def test_augmented_images_are_one_group() -> None:
    hashes = np.random.default_rng(0).random((4, 64)) < 0.5
    groups = near_duplicate_groups(["augmented_image_1.jpg", "a.jpg", "augmented_image_2.jpg", "b.jpg"], hashes)
    assert groups[0] == groups[2]
    assert len(set(groups)) == 3


def _pictures(count: int) -> list[Picture]:
    return [Picture(Path(f"{index}.png"), (BoxedFace(None, index % 2),)) for index in range(count)]


def test_the_split_never_mixes_groups() -> None:
    pictures = _pictures(200)
    groups = [index // 4 for index in range(200)]
    split = split_by_group(pictures, groups, held_out=0.1, seed=0)
    group_of = {picture.path: group for picture, group in zip(pictures, groups, strict=True)}
    training = {group_of[picture.path] for picture in split.training}
    held_out = {group_of[picture.path] for picture in split.held_out}
    assert not training & held_out
    assert len(split.training) + len(split.held_out) == 200
    assert 20 <= len(split.held_out) < 24


def test_the_split_repeats_by_seed() -> None:
    pictures, groups = _pictures(60), list(range(60))
    first, again = (split_by_group(pictures, groups, held_out=0.1, seed=7) for _ in range(2))
    assert first == again
    assert first != split_by_group(pictures, groups, held_out=0.1, seed=8)


def test_augmented_images_are_never_held_out() -> None:
    pictures = [*_pictures(8), Picture(Path("augmented_image_1.jpg"), (BoxedFace(None, 0),))]
    for seed in range(10):
        split = split_by_group(pictures, list(range(9)), held_out=0.4, seed=seed)
        assert pictures[-1] in split.training


def test_too_few_pictures_are_one_sentence() -> None:
    with pytest.raises(InputError, match="too few"):
        split_by_group(_pictures(2), [0, 1], held_out=0.1, seed=0)


def test_a_source_without_a_known_licence_says_so(tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "mine", 1)
    assert (
        describe_source(folder, find_pictures(folder)) == "mine: 2 faces of 2 pictures; source and licence not stated"
    )


@pytest.mark.shared_data
def test_the_shared_folders_are_recognised(shared: Path) -> None:
    single, scenes = find_pictures(shared / "data" / "masks4095"), find_pictures(shared / "data" / "scenes")
    assert len(single) == 4094
    assert sum(len(picture.faces) for picture in scenes) == 2378


@pytest.mark.shared_data
def test_the_shared_folders_hold_near_duplicates(shared: Path, tmp_path: Path) -> None:
    pictures = find_pictures(shared / "data" / "masks4095", limit=100)
    path = tmp_path / pictures[0].path.name
    shutil.copy(pictures[0].path, path)
    good, hashes, bad = readable([*pictures, Picture(path, pictures[0].faces)])
    assert not bad
    groups = near_duplicate_groups([picture.path.name for picture in good], hashes)
    assert groups[0] == groups[-1]
