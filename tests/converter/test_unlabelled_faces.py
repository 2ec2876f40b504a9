from pathlib import Path

import cv2
import numpy as np
import pytest

from converter.detector_data import NO_FACE, UNLABELLED, read_scenes
from converter.unlabelled_faces import LOOK_SIDES, LOOK_SIZE, mark_unlabelled, second_look
from facemask_edge.values import Box, Face, Image
from tests.converter.drawn_scenes import draw_scenes


def bright_spots(image: Image) -> list[Face]:
    """A finder of what is bright: as a detector it has the box right at every scale and in the mirror."""
    contours, _ = cv2.findContours((image.max(axis=2) > 200).astype(np.uint8), cv2.RETR_EXTERNAL, 2)
    return [Face(Box(*map(float, cv2.boundingRect(contour))), 0.9) for contour in contours]


def test_a_second_look_finds_the_same_thing_larger_and_mirrored() -> None:
    image = np.zeros((100, 160, 3), np.uint8)
    cv2.rectangle(image, (20, 30), (43, 59), (255, 255, 255), -1)
    seen: list[tuple[int, int]] = []

    def look(view: Image) -> list[Face]:
        assert view.shape == (LOOK_SIZE, LOOK_SIZE, 3)
        faces = bright_spots(view)
        seen.extend((round(face.box.height), round(sum(face.box.centre))) for face in faces)
        return faces

    assert second_look(image, Box(20, 30, 24, 30), look) == 0.9
    heights = [height for height, _ in seen]
    assert heights == pytest.approx([side for side in LOOK_SIDES for _ in range(2)], abs=3)
    assert [middle for _, middle in seen] == pytest.approx([LOOK_SIZE] * 6, abs=4)


def test_what_is_large_is_shrunk_smoothly() -> None:
    """Of a pattern finer than a view's pixels only its mean is left."""
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    views: list[Image] = []

    def look(view: Image) -> list[Face]:
        views.append(view)
        return []

    second_look(stripes, Box(0, 0, 400, 400), look)
    for side, view in zip(LOOK_SIDES, views[::2], strict=True):
        middle = view[LOOK_SIZE // 2 - side // 4 : LOOK_SIZE // 2 + side // 4, LOOK_SIZE // 2 - side // 4 :][
            :, : side // 2
        ]
        assert abs(float(middle.mean()) - 127.5) < 4
        assert middle.std() < 45


def test_a_candidate_is_judged_by_its_own_box_and_not_by_a_neighbour() -> None:
    image = np.zeros((100, 160, 3), np.uint8)
    cv2.rectangle(image, (20, 30), (43, 59), (255, 255, 255), -1)
    assert second_look(image, Box(50, 30, 24, 30), bright_spots) == 0


def test_faces_without_a_label_are_told_from_what_only_looks_like_one(tmp_path: Path) -> None:
    picture = read_scenes([draw_scenes(tmp_path)], "train")[0]
    image = np.zeros((200, 300, 3), np.uint8)
    cv2.rectangle(image, (250, 150), (279, 189), (255, 255, 255), -1)
    cv2.imwrite(str(picture.path), image)
    x, y, width, height = (float(side) for side in picture.boxes[0])
    badly_placed, face = Face(Box(x, y, width, height / 2), 0.9), Face(Box(250, 150, 30, 40), 0.7)
    hood = Face(Box(-30, -30, 20, 20), 0.8)
    (marked,) = mark_unlabelled([picture], lambda _: [badly_placed, face, hood], bright_spots)
    assert marked.labels == ("mask", "no_mask", UNLABELLED, NO_FACE)
    np.testing.assert_array_equal(marked.boxes[2:], [[250, 150, 30, 40], [-30, -30, 20, 20]])
