from pathlib import Path

import numpy as np
import pytest

from converter.evaluate_classifier import agreement, figures_by_height
from converter.evaluation_subjects import Subject
from facemask_edge.values import Box

pytestmark = pytest.mark.converter


def _face(height: float, label: int) -> Subject:
    return Subject(Path("scene.png"), Box(0, 0, height, height), label)


def test_figures_count_by_height_and_class() -> None:
    faces = [_face(16, 0), _face(31.9, 1), _face(32, 0), _face(100, 1)]
    figures = figures_by_height(faces, np.array([0.1, 0.2, 0.7, 0.9]))
    assert figures["height_16"]["all"]["count"] == 4
    assert figures["height_16"]["all"]["value"] == 0.5
    assert figures["height_16"]["mask"]["value"] == 0.5
    assert figures["height_32"]["mask"]["value"] == 0.0
    assert figures["height_64"]["no_mask"]["value"] == 1.0
    assert figures["height_64"]["mask"]["count"] == 0


def test_agreement_tells_labels_from_probabilities() -> None:
    figures = agreement(np.array([0.1, 0.6]), np.array([0.11, 0.4]))
    assert figures["same_label"]["value"] == 0.5
    assert figures["share_within_0.02"] == 0.5
    assert figures["mean_difference"] == pytest.approx(0.105)
