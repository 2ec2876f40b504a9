from pathlib import Path

import numpy as np
import pytest

from converter.detector_augmentation import View, close_up, joined, varied_view
from converter.detector_data import NO_FACE, UNLABELLED, BoxedPicture
from facemask_edge.values import Image


def marked(boxes: list[list[int]]) -> Image:
    """A grey picture whose faces are bright, so that a view shows where they went."""
    image = np.full((200, 300, 3), 40, np.uint8)
    for x, y, width, height in boxes:
        image[y : y + height, x : x + width] = 250
    return image


def picture(boxes: list[list[int]], labels: tuple[str, ...]) -> BoxedPicture:
    return BoxedPicture(Path("drawn.png"), np.array(boxes, np.float32).reshape(-1, 4), labels)


def test_boxes_follow_their_faces() -> None:
    boxes = [[100, 60, 60, 80]]
    random = np.random.default_rng(0)
    for _ in range(100):
        view = varied_view(marked(boxes), picture(boxes, ("mask",)), 320, random)
        for (x, y, width, height), taught in zip(view.faces.round().astype(int), view.taught, strict=True):
            if not taught or min(width, height) < 12:
                continue
            inner = view.canvas[y + 3 : y + height - 3, x + 3 : x + width - 3].astype(float).mean()
            assert inner > 1.5 * view.canvas[view.canvas.any(axis=2)].astype(float).min()
            assert x >= 0
            assert x + width <= 320
            assert y >= 0
            assert y + height <= 320


def test_faces_of_all_sizes_are_seen() -> None:
    boxes = [[100, 60, 60, 80]]
    random = np.random.default_rng(0)
    views = [varied_view(marked(boxes), picture(boxes, ("mask",)), 320, random) for _ in range(300)]
    heights = np.concatenate([view.faces[view.taught, 3] for view in views])
    assert heights.min() < 16
    assert heights.max() > 280


def test_the_same_seed_makes_the_same_view() -> None:
    boxes = [[100, 60, 60, 80]]
    first, second = (
        varied_view(marked(boxes), picture(boxes, ("mask",)), 320, np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.canvas, second.canvas)
    np.testing.assert_array_equal(first.faces, second.faces)


@pytest.mark.parametrize("boxes", [[], [[100, 60, 60, 80]]], ids=["no face", "only an unlabelled one"])
def test_pictures_without_a_labelled_face_teach_no_face(boxes: list[list[int]]) -> None:
    random = np.random.default_rng(0)
    for _ in range(10):
        view = varied_view(marked(boxes), picture(boxes, (UNLABELLED,) * len(boxes)), 320, random)
        assert not view.taught.any()
        assert len(view.faces) == len(boxes)


def test_what_is_no_face_is_looked_at_but_not_taught() -> None:
    boxes = [[100, 60, 60, 80]]
    random = np.random.default_rng(0)
    views = [varied_view(marked(boxes), picture(boxes, (NO_FACE,)), 320, random) for _ in range(50)]
    assert all(len(view.faces) == 0 for view in views)
    # Some fill the input with it: the whole picture would show it at 80 of 320 pixels.
    assert max((view.canvas[..., 0] > 150).mean() for view in views) > 0.3


def test_a_close_up_fills_the_wanted_part_of_the_input() -> None:
    boxes = [[100, 60, 60, 80], [10, 10, 20, 20]]
    view = close_up(marked(boxes), np.array(boxes, np.float32), 0, 0.9, 512)
    assert view.faces[0, 3] == pytest.approx(0.9 * 512, abs=6)


def test_joined_views_keep_their_places() -> None:
    canvas = np.zeros((160, 160, 3), np.uint8)
    views = [View(canvas + number, np.array([[1, 2, 3, 4]], np.float32), np.array([True])) for number in range(4)]
    whole = joined(views)
    assert whole.canvas[[0, 0, -1, -1], [0, -1, 0, -1], 0].tolist() == [0, 1, 2, 3]
    assert whole.faces.tolist() == [[1, 2, 3, 4], [161, 2, 3, 4], [1, 162, 3, 4], [161, 162, 3, 4]]
