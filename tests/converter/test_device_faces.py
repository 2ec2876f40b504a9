from pathlib import Path

import cv2
import numpy as np
import pytest

from converter.classifier_data import BoxedFace, Picture
from converter.device_faces import with_found_boxes
from facemask_edge.values import Box
from tests.converter.portraits import ASTRONAUT_FACE, astronaut, grace_hopper

pytestmark = pytest.mark.converter


def test_labelled_and_single_faces_get_the_detectors_box(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "scene.png"), astronaut())
    cv2.imwrite(str(tmp_path / "single.png"), grace_hopper())
    cv2.imwrite(str(tmp_path / "empty.png"), np.full((200, 200, 3), 90, np.uint8))
    elsewhere = Box(0, 400, 60, 60)
    scene, single, empty = with_found_boxes(
        [
            Picture(tmp_path / "scene.png", (BoxedFace(ASTRONAUT_FACE, 1), BoxedFace(elsewhere, 0))),
            Picture(tmp_path / "single.png", (BoxedFace(None, 1),)),
            Picture(tmp_path / "empty.png", (BoxedFace(None, 0),)),
        ]
    )
    found = scene.faces[0].found
    assert found is not None
    assert found.centre == pytest.approx(ASTRONAUT_FACE.centre, abs=25)
    assert scene.faces[1].found is None
    assert scene.faces[0].box == ASTRONAUT_FACE
    assert single.faces[0].found is not None
    assert empty.faces[0] == BoxedFace(None, 0)
