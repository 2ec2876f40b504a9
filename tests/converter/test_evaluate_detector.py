from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the converter extra (TensorFlow) is not installed")

from converter.detector_data import BoxedPicture, read_scenes
from converter.evaluate_detector import Judged, balanced_score, close_up_recall, figures_of, judge, match_faces
from facemask_edge.values import Box, Face
from tests.converter.drawn_scenes import draw_scenes

pytestmark = pytest.mark.converter

BOXES = np.array([[0, 0, 40, 40], [100, 0, 20, 20], [200, 0, 40, 40], [300, 0, 10, 10]], np.float32)
LABELS = ("mask", "no_mask", "incorrect", "mask")


def judged(*faces: Face) -> list[Judged]:
    return [Judged(BoxedPicture(Path("drawn.png"), BOXES, LABELS), match_faces(BOXES, faces))]


def test_a_face_is_found_once_by_the_best_detection() -> None:
    match = match_faces(BOXES, [Face(Box(0, 0, 40, 40), 0.9), Face(Box(1, 1, 40, 40), 0.8)])
    assert match.faces.tolist() == [0, -1]
    assert match.found == pytest.approx([0.9, 0, 0, 0])


def test_recall_counts_only_faces_large_enough_of_its_label() -> None:
    figures = figures_of(judged(Face(Box(0, 0, 40, 40), 0.9), Face(Box(100, 0, 20, 20), 0.5)))
    assert figures["recall_mask_32px"]["value"] == 1
    assert figures["recall_mask_16px"]["count"] == 1
    assert figures["recall_no_mask_16px"]["value"] == 0
    assert figures["recall_no_mask_32px"]["count"] == 0


def test_detections_of_small_and_incorrect_faces_are_left_out_but_others_are_wrong() -> None:
    small, incorrect = Face(Box(300, 0, 10, 10), 0.9), Face(Box(200, 0, 40, 40), 0.9)
    right, wrong = Face(Box(0, 0, 40, 40), 0.9), Face(Box(400, 0, 40, 40), 0.9)
    figures = figures_of(judged(small, incorrect, right, wrong))
    assert figures["precision_16px"] == {"value": 0.5, "count": 2, "interval_95": pytest.approx([0.0945, 0.9055])}
    # A Poisson count of 1 lies between 0.025 and 5.57 (exact); Byar's approximation is near.
    assert figures["false_positives_per_picture_32px"]["value"] == 1
    assert figures["false_positives_per_picture_32px"]["interval_95"] == pytest.approx([0.025, 5.57], abs=0.05)


def test_what_is_found_of_no_face_counts_from_its_own_height_on() -> None:
    right, wrong = Face(Box(0, 0, 40, 40), 0.9), Face(Box(400, 0, 20, 20), 0.9)
    figures = figures_of(judged(right, wrong))
    assert figures["precision_16px"]["value"] == 0.5
    assert figures["precision_32px"]["value"] == 1


def test_one_label_cannot_outvote_the_other() -> None:
    masked, bare = Face(Box(0, 0, 40, 40), 0.8), Face(Box(100, 0, 20, 20), 0.8)
    assert balanced_score(judged(masked, bare)) == 1
    assert balanced_score(judged(masked)) == pytest.approx(2 / 3)
    assert balanced_score(judged()) == 0


def test_pictures_are_judged_from_their_files(tmp_path: Path) -> None:
    pictures = read_scenes([draw_scenes(tmp_path)], "dev")
    (first, _) = judge(pictures, lambda _: [])
    assert not first.match.found.any()
    figures = close_up_recall(pictures, lambda _: [], 320)
    assert figures["recall_mask_close_up"]["count"] == 6
    assert figures["recall_no_mask_close_up"]["count"] == 0  # 24 px are too blurred to be enlarged
