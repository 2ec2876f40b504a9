import numpy as np
import pytest

from converter.metrics import (
    area_under_roc,
    bootstrapped_f1,
    calibration_error,
    calibration_error_by_chance,
    classifier_figures,
    confusion_matrix,
    f1,
    judged_labels,
    loss,
    reliability,
    roc,
)

pytestmark = pytest.mark.converter

# Labels: 0 is mask, 1 is no_mask; probabilities are of no_mask.
TRUTH = np.array([0, 0, 0, 1, 1])
GIVEN = np.array([0.1, 0.2, 0.7, 0.6, 0.9])


def test_figures_by_hand() -> None:
    assert judged_labels(GIVEN).tolist() == [0, 0, 1, 1, 1]
    assert confusion_matrix(TRUTH, judged_labels(GIVEN)).tolist() == [[2, 1], [0, 2]]
    assert f1(TRUTH, judged_labels(GIVEN), 1) == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))
    assert loss(TRUTH, GIVEN) == pytest.approx(-np.log([0.9, 0.8, 0.3, 0.6, 0.9]).mean())
    # Of the six pairs of a masked and a bare face, only (0.7, 0.6) is the wrong way round.
    assert area_under_roc(TRUTH, GIVEN) == pytest.approx(5 / 6, abs=1e-4)


def test_a_loss_is_clipped() -> None:
    assert loss(np.array([1]), np.array([0.0])) == pytest.approx(np.log(512))


def test_calibration_by_hand() -> None:
    # Two bins: confidence 0.8 of which half is right, and confidence 1 that is always right.
    truth, given = np.array([1, 0, 1, 1]), np.array([0.8, 0.8, 1.0, 1.0])
    assert reliability(truth, given) == [(pytest.approx(0.8), 0.5, 2), (1.0, 1.0, 2)]
    assert calibration_error(truth, given) == pytest.approx(0.3 / 2)


def test_calibrated_probabilities_have_no_error() -> None:
    random = np.random.default_rng(0)
    given = random.random(50_000)
    truth = (random.random(50_000) < given).astype(np.int64)
    assert calibration_error(truth, given) < 0.01
    assert calibration_error(truth, np.where(given >= 0.5, 0.99, 0.01)) > 0.2


def test_few_faces_have_a_calibration_error_by_chance() -> None:
    # Of four faces with a confidence of 0.75, k are right with the chances 1, 12, 54, 108 and 81 of 256: in the median
    # the share is a quarter away (k of 2 or 4: 135 of 256).
    assert calibration_error_by_chance(np.full(4, 0.75)) == pytest.approx(0.25)
    many = np.random.default_rng(0).random(20_000)
    assert calibration_error_by_chance(many) < 0.02
    assert calibration_error_by_chance(np.array([0.0, 1.0, 1.0])) == 0
    # It knows nothing of who is right.
    figures = classifier_figures(np.array([0, 0, 0, 0]), np.full(4, 0.75))
    assert figures["no_mask"]["calibration_error"]["value"] == pytest.approx(0.75)
    assert figures["no_mask"]["calibration_error"]["by_chance"] == pytest.approx(0.25)
    assert figures["mask"]["calibration_error"]["by_chance"] is None


def test_the_roc_starts_at_the_origin_and_ends_at_one() -> None:
    false, true = roc(TRUTH, GIVEN)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(false) >= 0)
    assert np.all(np.diff(true) >= 0)
    # Equal probabilities are one threshold: no order among them may be claimed.
    assert area_under_roc(np.array([0, 1, 0, 1]), np.full(4, 0.5)) == 0.5


def test_all_figures_have_counts_and_intervals() -> None:
    figures = classifier_figures(np.tile(TRUTH, 20), np.tile(GIVEN, 20))
    assert figures["count"] == 100
    assert figures["accuracy"]["value"] == 0.8
    assert figures["mask"]["recall"]["count"] == 60
    for figure in (figures["loss"], figures["calibration_error"], figures["no_mask"]["f1"]):
        low, high = figure["interval_95"]
        assert low <= figure["value"] <= high
        assert high - low > 0.01


def test_nothing_and_one_label_are_no_error() -> None:
    empty = np.zeros(0)
    assert classifier_figures(empty.astype(np.int64), empty) == {"count": 0}
    figures = classifier_figures(np.zeros(4, np.int64), np.full(4, 0.1))
    assert figures["auc"] is None
    assert figures["no_mask"]["recall"]["value"] is None
    assert figures["no_mask"]["calibration_error"]["value"] is None


def test_each_label_has_its_own_calibration_error() -> None:
    # All that is judged mask is so; what is judged no_mask with 0.8 is right half of the time.
    truth, given = np.array([0, 0, 1, 0]), np.array([0.0, 0.0, 0.8, 0.8])
    figures = classifier_figures(truth, given)
    assert figures["mask"]["calibration_error"]["value"] == 0
    assert figures["no_mask"]["calibration_error"]["value"] == pytest.approx(0.3)
    assert figures["no_mask"]["calibration_error"]["count"] == 2


def test_an_f1_of_nothing_has_no_value() -> None:
    nothing, truth = {"value": None, "count": 0, "interval_95": None}, np.zeros(4, np.int64)
    assert classifier_figures(truth, np.full(4, 0.1))["no_mask"]["f1"] == nothing
    # Judged so without being so is an F1 of nothing right.
    assert classifier_figures(truth, np.full(4, 0.9))["no_mask"]["f1"] == nothing | {
        "value": 0.0,
        "interval_95": [0.0, 0.0],
    }
    assert bootstrapped_f1(np.zeros((3, 3), np.int64)) == bootstrapped_f1(np.zeros((0, 3), np.int64)) == nothing
    assert bootstrapped_f1(np.array([[0, 1, 0]]))["value"] == 0


def test_resamples_without_such_a_face_do_not_count() -> None:
    # One bare face, found and right: a third of the resamples lacks it.
    truth, given = np.array([1, 0, 0, 0]), np.array([0.9, 0.1, 0.1, 0.1])
    figures = classifier_figures(truth, given)
    assert figures["no_mask"]["f1"] == {"value": 1.0, "count": 1, "interval_95": [1.0, 1.0]}
    assert figures["mask"]["f1"]["count"] == 3
    assert bootstrapped_f1(np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]]))["interval_95"] == [1.0, 1.0]


def test_f1_of_detections_by_picture() -> None:
    figure = bootstrapped_f1(np.array([[3, 1, 0], [1, 0, 1]]))
    assert figure["value"] == pytest.approx(2 * 4 / (2 * 4 + 1 + 1))
    assert figure["count"] == 5
