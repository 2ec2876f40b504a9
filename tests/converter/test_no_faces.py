from pathlib import Path

import cv2
import numpy as np
import pytest

from converter import no_faces
from converter.classifier_data import NO_FACE, BoxedFace, Picture
from converter.device_faces import training_detector
from converter.no_faces import with_no_faces
from facemask_edge.values import Box, Face, Image
from tests.converter.portraits import ASTRONAUT_FACE, astronaut

pytestmark = pytest.mark.converter


class Finder:
    """Finds what a test says: in a picture as it is, and in the views of a second look."""

    def __init__(self, in_picture: list[Face], in_view: list[Face]) -> None:
        self._found = (in_picture, in_view)

    def detect(self, image: Image) -> list[Face]:
        return self._found[image.shape[:2] == (320, 320)]


def test_only_what_a_second_look_does_not_confirm_is_no_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), np.zeros((200, 300, 3), np.uint8))
    labelled = Box(20, 20, 40, 40)
    found = [Face(labelled, 0.9), Face(Box(150, 80, 50, 50), 0.7), Face(Box(250, 20, 12, 12), 0.7)]
    scene, single = Picture(path, (BoxedFace(labelled, 0),)), Picture(path, (BoxedFace(None, 1),))
    for in_view, added in (([], [BoxedFace(Box(150, 80, 50, 50), NO_FACE)]), ([Face(Box(112, 112, 96, 96), 0.9)], [])):
        finder = Finder(found, list(in_view))
        monkeypatch.setattr(no_faces, "training_detector", lambda _score, finder=finder: finder)
        marked, same = with_no_faces([scene, single])
        assert marked.faces == (*scene.faces, *added)
        assert same == single


def test_what_a_labelled_face_covers_is_a_box_of_that_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), np.zeros((200, 300, 3), np.uint8))
    faces = (BoxedFace(Box(20, 20, 40, 40), 0), BoxedFace(Box(200, 20, 40, 40), 0))
    chin, beside = Box(20, 55, 40, 40), Box(62, 20, 40, 40)
    finder = Finder([Face(chin, 0.7), Face(beside, 0.7)], [])
    monkeypatch.setattr(no_faces, "training_detector", lambda _score: finder)
    (marked,) = with_no_faces([Picture(path, faces)])
    assert marked.faces == (*faces, BoxedFace(beside, NO_FACE))


def test_a_face_that_is_not_taught_is_still_a_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scene.png"
    cv2.imwrite(str(path), np.zeros((200, 300, 3), np.uint8))
    incorrect = Box(150, 80, 50, 50)
    finder = Finder([Face(incorrect, 0.7)], [])
    monkeypatch.setattr(no_faces, "training_detector", lambda _score: finder)
    faces = (BoxedFace(Box(20, 20, 40, 40), 0),)
    (known,) = with_no_faces([Picture(path, faces, (incorrect,))])
    (unknown,) = with_no_faces([Picture(path, faces)])
    assert known.faces == faces
    assert unknown.faces == (*faces, BoxedFace(incorrect, NO_FACE))


def test_the_packaged_detector_knows_a_face_without_a_label(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "scene.png"), astronaut())
    picture = Picture(tmp_path / "scene.png", (BoxedFace(Box(0, 440, 40, 40), 0),))
    (marked,) = with_no_faces([picture])
    candidates = training_detector(no_faces.CANDIDATE_SCORE).detect(astronaut())
    assert any(abs(face.box.centre[0] - ASTRONAUT_FACE.centre[0]) < 30 for face in candidates)
    others = [face.box for face in marked.faces if face.label == NO_FACE]
    assert all(abs(box.centre[0] - ASTRONAUT_FACE.centre[0]) > 30 for box in others if box)
