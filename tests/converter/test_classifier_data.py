import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from converter.classifier_data import (
    BoxedFace,
    Picture,
    Split,
    classes_of,
    describe_source,
    find_pictures,
    readable,
    split_pictures,
)
from converter.picture_files import read_picture
from facemask_edge.errors import InputError
from facemask_edge.values import Box
from tests.converter.pictures import boxed_scenes, single_faces

pytestmark = pytest.mark.converter


def test_single_faces_take_their_label_from_the_folder(tmp_path: Path) -> None:
    pictures = find_pictures(single_faces(tmp_path / "faces", 3))
    assert [picture.path.parent.name for picture in pictures] == ["with_mask"] * 3 + ["without_mask"] * 3
    assert [picture.faces[0].label for picture in pictures] == [0, 0, 0, 1, 1, 1]


def test_single_faces_may_lie_in_folders_of_days(tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "faces", 1)
    for name in ("with_mask/monday/door", "with_mask/tuesday", "without_mask/.thumbnails"):
        (folder / name).mkdir(parents=True)
        shutil.copy(folder / "with_mask" / "0.png", folder / name)
    found = [picture.path.relative_to(folder).as_posix() for picture in find_pictures(folder)]
    assert found == [
        "with_mask/0.png",
        "with_mask/monday/door/0.png",
        "with_mask/tuesday/0.png",
        "without_mask/0.png",
    ]


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
    assert hashes.shape == (4, 32, 18)


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 4)])
def test_grey_and_transparent_pictures_become_bgr(tmp_path: Path, shape: tuple[int, ...]) -> None:
    cv2.imwrite(str(tmp_path / "picture.png"), np.full(shape, 128, dtype=np.uint8))
    image = read_picture(tmp_path / "picture.png")
    assert image is not None
    assert image.shape == (20, 30, 3)


def _pictures(count: int) -> list[Picture]:
    return [Picture(Path(f"{index}.png"), (BoxedFace(None, index % 2),)) for index in range(count)]


def _scenes(count: int) -> list[Picture]:
    box = Box(0, 0, 20, 20)
    return [Picture(Path(f"scene{index}.png"), (BoxedFace(box, 0), BoxedFace(box, 1))) for index in range(count)]


def _split(pictures: Sequence[Picture], groups: Sequence[int], seed: int = 0, **wishes: Any) -> Split:
    settings: dict[str, Any] = {"kind": "groups", "test_part": 0.2, "held_out_part": 0.1} | wishes
    return split_pictures(pictures, groups, seed=seed, **settings)


def _labels(pictures: Sequence[Picture]) -> list[int]:
    return [face.label for picture in pictures for face in picture.faces]


@pytest.mark.parametrize("seed", range(20))
def test_the_split_never_mixes_groups(seed: int) -> None:
    pictures = _pictures(300) + _scenes(50)
    groups = [int(group) for group in np.random.default_rng(seed).integers(0, 120, 350)]
    split = _split(pictures, groups, seed)
    group_of = {picture.path: group for picture, group in zip(pictures, groups, strict=True)}
    parts = [{group_of[picture.path] for picture in part} for part in (split.training, split.held_out, split.test)]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]
    assert len(split.training) + len(split.held_out) + len(split.test) == 350


def test_each_label_has_its_part() -> None:
    pictures = [*_pictures(400), *[Picture(Path(f"more{index}"), (BoxedFace(None, 0),)) for index in range(400)]]
    split = _split(pictures, range(800))
    assert _labels(split.test).count(0) == 120
    assert _labels(split.test).count(1) == 40
    assert _labels(split.held_out).count(0) == 48
    assert _labels(split.held_out).count(1) == 16


def test_scenes_are_held_out_but_never_tested_with() -> None:
    split = _split(_pictures(100) + _scenes(100), range(200))
    assert all(face.box is None for picture in split.test for face in picture.faces)
    assert sum(picture.path.name.startswith("scene") for picture in split.held_out) == 10


def test_a_random_split_ignores_groups() -> None:
    pictures = _pictures(200)
    groups = [index // 10 for index in range(200)]
    split = _split(pictures, groups, kind="random", held_out_part=0.0)
    assert len(split.test) == 40
    assert not split.held_out
    tested = {groups[pictures.index(picture)] for picture in split.test}
    assert len(tested & {groups[pictures.index(picture)] for picture in split.training}) > 10


def test_the_split_repeats_by_seed() -> None:
    pictures, groups = _pictures(60), list(range(60))
    assert _split(pictures, groups, seed=7) == _split(pictures, groups, seed=7)
    assert _split(pictures, groups, seed=7) != _split(pictures, groups, seed=8)


def test_derived_pictures_without_an_origin_stand_nowhere() -> None:
    pictures = [*_pictures(40), Picture(Path("augmented_image_1.jpg"), (BoxedFace(None, 0),))]
    for seed in range(10):
        split = _split(pictures, range(41), seed, test_part=0.4)
        assert pictures[-1] not in [*split.learnt, *split.test]
        assert len([*split.learnt, *split.test]) == 40
    # With its origin it goes where that goes.
    beside_origin = [*range(40), 0]
    parts = [_split(pictures, beside_origin, seed, test_part=0.4) for seed in range(10)]
    assert any(pictures[-1] in part.test for part in parts)
    assert all((pictures[-1] in part.test) == (pictures[0] in part.test) for part in parts)


@pytest.mark.parametrize("seed", range(5))
def test_a_group_that_holds_half_of_all_is_trained_with(seed: int) -> None:
    pictures = _pictures(400)
    split = _split(pictures, [0] * 200 + list(range(1, 201)), seed)
    assert len(split.test) == pytest.approx(400 * 0.2, abs=40)
    assert set(map(id, pictures[:200])) <= set(map(id, split.training))


@pytest.mark.parametrize(("groups", "size"), [(3, 10), (5, 10), (4, 25), (8, 10)])
def test_of_few_groups_one_is_tested_with_and_one_held_out(groups: int, size: int) -> None:
    pictures = [Picture(Path(f"{number}"), (BoxedFace(None, number % 2),)) for number in range(2 * groups * size)]
    # Of each label ``groups`` groups.
    split = _split(pictures, [number % (2 * groups) for number in range(len(pictures))], held_out_part=0.1)
    assert classes_of(split.training) == classes_of(split.held_out) == classes_of(split.test) == {0, 1}


def test_too_few_pictures_are_one_sentence() -> None:
    with pytest.raises(InputError, match="too few"):
        _split(_pictures(2), [0, 1])
    with pytest.raises(InputError, match="that differ there are 1 of mask and 0 of no_mask"):
        _split([Picture(Path("a"), (BoxedFace(None, 0),))] * 3, [0, 0, 0])


def test_a_source_without_a_known_licence_says_so(tmp_path: Path) -> None:
    folder = single_faces(tmp_path / "mine", 1)
    learnt = [*find_pictures(folder), Picture(tmp_path / "other" / "a.jpg", (BoxedFace(None, 0),))]
    assert describe_source(folder, learnt) == "mine: 2 faces of 2 pictures; source and licence not stated"


@pytest.mark.shared_data
def test_the_shared_folders_are_recognised(shared: Path) -> None:
    single, scenes = find_pictures(shared / "data" / "masks4095"), find_pictures(shared / "data" / "scenes")
    assert len(single) == 4094
    assert sum(len(picture.faces) for picture in scenes) == 2378
