from pathlib import Path

import numpy as np
import pytest

from converter.detector_data import BoxedPicture
from converter.evaluate_detector import match_faces
from converter.evaluate_pipeline import JudgedPicture, missed_faces, pipeline_figures, strays
from facemask_edge.values import Box, Face

pytestmark = pytest.mark.converter
MASK, NO_MASK = 0, 1


def _picture(
    labelled: list[tuple[Box, str]], found: list[tuple[Box, int]], undetermined: tuple[int, ...] = ()
) -> JudgedPicture:
    boxes = np.array([[box.x, box.y, box.width, box.height] for box, _ in labelled], np.float32).reshape(-1, 4)
    faces = [Face(box, 0.9 - 0.01 * number) for number, (box, _) in enumerate(found)]
    return JudgedPicture(
        BoxedPicture(Path("a.jpg"), boxes, tuple(label for _, label in labelled)),
        match_faces(boxes, faces),
        faces,
        np.array([0.9 if judged == NO_MASK else 0.1 for _, judged in found]),
        np.array([number not in undetermined for number in range(len(found))], np.bool_),
    )


FAR_LEFT, LEFT, RIGHT = Box(0, 0, 40, 40), Box(100, 0, 40, 40), Box(200, 0, 40, 40)
SMALL, SMALL_AWAY = Box(300, 0, 20, 20), Box(400, 0, 20, 20)


def test_detector_and_classifier_are_counted_together() -> None:
    one = _picture(
        [(FAR_LEFT, "mask"), (LEFT, "no_mask"), (RIGHT, "no_mask")],
        # Found and right, found and wrong, and one of no face; RIGHT is missed.
        [(FAR_LEFT, MASK), (LEFT, MASK), (Box(500, 0, 40, 40), NO_MASK)],
    )
    figures = pipeline_figures([one])["height_32"]
    assert figures["detector"]["recall_mask"]["value"] == 1
    assert figures["detector"]["recall_no_mask"]["value"] == 0.5
    assert figures["detector"]["precision"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["mask"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert figures["no_mask"]["f1"]["value"] == 0


def test_strays_and_missed_faces_are_told() -> None:
    one = _picture(
        [(FAR_LEFT, "mask"), (LEFT, "no_mask"), (Box(600, 0, 60, 60), "mask"), (Box(700, 0, 60, 60), "incorrect")],
        [(FAR_LEFT, MASK), (Box(500, 0, 40, 40), NO_MASK), (Box(550, 0, 10, 10), NO_MASK), (Box(800, 0, 20, 20), MASK)],
    )
    away, small = strays([one])
    assert (away.box, away.probability) == (Box(500, 0, 40, 40), 0.9)
    assert away.score == pytest.approx(0.89)
    assert small.box == Box(800, 0, 20, 20)
    assert [(face.box, face.label) for face in missed_faces([one])] == [
        (Box(600, 0, 60, 60), "mask"),
        (LEFT, "no_mask"),
    ]


def test_what_stays_undetermined_is_no_false_alarm_but_a_missed_face() -> None:
    one = _picture(
        [(FAR_LEFT, "mask"), (LEFT, "no_mask"), (RIGHT, "no_mask")],
        [(FAR_LEFT, MASK), (LEFT, NO_MASK), (RIGHT, NO_MASK), (Box(500, 0, 40, 40), NO_MASK)],
        undetermined=(2, 3),
    )
    figures = pipeline_figures([one])["height_32"]["no_mask"]
    assert (figures["precision"]["value"], figures["recall"]["value"]) == (pytest.approx(2 / 3, abs=1e-4), 1)
    assert (figures["one_look"]["precision"]["value"], figures["one_look"]["recall"]["value"]) == (1, 0.5)
    assert figures["f1"]["value"] == pytest.approx(0.8)
    assert figures["one_look"]["f1"]["value"] == pytest.approx(2 / 3, abs=1e-4)


def test_what_does_not_count_is_neither_right_nor_wrong() -> None:
    one = _picture(
        [(FAR_LEFT, "mask"), (LEFT, "incorrect"), (SMALL, "no_mask")],
        # The face that counts, an incorrect one, a small one, and a small one of no face.
        [(FAR_LEFT, MASK), (LEFT, NO_MASK), (SMALL, MASK), (SMALL_AWAY, NO_MASK)],
    )
    by_size = pipeline_figures([one])
    assert by_size["height_32"]["detector"]["precision"] == by_size["height_32"]["mask"]["f1"] | {
        "interval_95": by_size["height_32"]["detector"]["precision"]["interval_95"]
    }
    assert by_size["height_32"]["detector"]["precision"]["value"] == 1
    assert by_size["height_32"]["no_mask"]["recall"]["value"] is None
    # From 16 px on the small ones count.
    assert by_size["height_16"]["detector"]["precision"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert by_size["height_16"]["no_mask"]["f1"]["value"] == 0


def test_a_picture_without_faces_or_detections() -> None:
    figures = pipeline_figures([_picture([], []), _picture([], [(LEFT, NO_MASK)])])["height_16"]
    assert figures["detector"]["precision"]["value"] == 0
    assert figures["no_mask"]["precision"]["count"] == 1
