"""The recordings in the repository: they agree with their ground truth, and that with the script that made them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.make_recordings import FPS, HEIGHT, RECORDINGS, SCHEMA, WIDTH, direct, make_truth

EMPTY_S = 2.5

each_recording = pytest.mark.parametrize(("path", "seed"), RECORDINGS, ids=lambda value: getattr(value, "stem", ""))


def read_truth(path: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return truth


@each_recording
def test_ground_truth_is_what_its_seed_makes(path: Path, seed: int) -> None:
    people, frames = direct(seed)
    assert read_truth(path) == json.loads(json.dumps(make_truth(seed, people, frames)))


@each_recording
def test_recording_is_small_and_as_its_ground_truth_says(path: Path, seed: int) -> None:
    truth = read_truth(path)
    assert (truth["schema"], truth["seed"]) == (SCHEMA, seed)
    assert (truth["width"], truth["height"], truth["fps"]) == (WIDTH, HEIGHT, FPS)
    assert path.stat().st_size <= 1_000_000
    video = cv2.VideoCapture(str(path))
    frames = 0
    while video.grab():
        frames += 1
    assert frames == truth["frames"]
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(FPS)
    assert (video.get(cv2.CAP_PROP_FRAME_WIDTH), video.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (WIDTH, HEIGHT)
    video.release()


@each_recording
def test_everybody_comes_stays_and_leaves(path: Path, seed: int) -> None:
    del seed
    truth = read_truth(path)
    for person in truth["people"]:
        assert 0.5 <= person["enters_s"] < person["fully_in_view_from_s"]
        assert person["fully_in_view_to_s"] - person["fully_in_view_from_s"] >= 2.5
        assert person["fully_in_view_to_s"] < person["leaves_s"] <= truth["frames"] / FPS - EMPTY_S


@each_recording
def test_boxes_are_whole_while_the_face_is_in_view(path: Path, seed: int) -> None:
    del seed
    for person in read_truth(path)["people"]:
        whole = [
            box
            for frame, *box in person["boxes"]
            if person["fully_in_view_from_s"] <= round(frame / FPS, 2) <= person["fully_in_view_to_s"]
        ]
        assert len(whole) >= 7
        for x, y, width, height in whole:
            assert x >= 0
            assert y >= 0
            assert x + width <= WIDTH
            assert y + height <= HEIGHT
            assert 70 <= height <= 150


@each_recording
def test_both_kinds_appear_alone_and_together(path: Path, seed: int) -> None:
    del seed
    people = read_truth(path)["people"]
    together = {
        (first["mask"], second["mask"])
        for first, second in pairwise(people)
        if second["fully_in_view_from_s"] < first["fully_in_view_to_s"]
    }
    assert (False, False) in together
    assert (True, False) in together or (False, True) in together
    gaps = [second["enters_s"] - first["leaves_s"] for first, second in pairwise(people)]
    assert max(gaps) >= EMPTY_S


@pytest.mark.parametrize("seed", range(8))
def test_a_portrait_is_never_in_view_twice(seed: int) -> None:
    people, frames = direct(seed)
    people_in_truth = make_truth(seed, people, frames)["people"]
    for name in ("astronaut", "hopper"):
        appearances = [person for person in people_in_truth if person["portrait"] == name]
        assert all(first["leaves_s"] <= second["enters_s"] for first, second in pairwise(appearances))


def test_one_person_of_the_second_recording_puts_a_mask_on_in_full_view() -> None:
    path, _ = RECORDINGS[1]
    (person,) = [person for person in read_truth(path)["people"] if "mask_from_s" in person]
    assert person["mask"] is False
    assert person["fully_in_view_from_s"] + 1 < person["mask_from_s"] < person["fully_in_view_to_s"] - 1
