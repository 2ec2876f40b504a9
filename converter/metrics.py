"""Figures of a two-class classifier and of detections, each with its count and a 95 % interval.

Shares have Wilson's interval; what is no share (loss, F1, calibration error) has the percentiles of a bootstrap (Efron,
1979) with a fixed seed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.classifier_data import LABELS
from converter.figures import share
from facemask_edge.values import Label

SMALLEST_PROBABILITY = 1 / 512
"""A loss clips probabilities to this: an int8 output cannot say less."""
BINS = 15
"""Of confidence, of the same width, for the calibration error."""
RESAMPLES = 500

Probabilities = NDArray[np.float64]
"""Of no_mask, n."""
Truth = NDArray[np.int64]
"""Places in ``LABELS``, n."""
_MASK, _NO_MASK = LABELS.index(Label.MASK), LABELS.index(Label.NO_MASK)


def classifier_figures(truth: Truth, probabilities: Probabilities) -> dict[str, Any]:
    """All figures of a classifier on some faces, at a threshold of 0.5; of none, only their count."""
    if not len(truth):
        return {"count": 0}
    judged = judged_labels(probabilities)
    matrix = confusion_matrix(truth, judged)
    figures: dict[str, Any] = {
        "count": len(truth),
        "accuracy": share(int((judged == truth).sum()), len(truth)),
        "loss": bootstrapped(loss, truth, probabilities),
        "calibration_error": _calibration_figure(truth, probabilities),
        "auc": area_under_roc(truth, probabilities),
        "confusion": matrix.tolist(),
    }
    for place, name in enumerate(LABELS):
        right = int(matrix[place, place])
        figures[name] = {
            "precision": share(right, int(matrix[:, place].sum())),
            "recall": share(right, int(matrix[place].sum())),
            "f1": bootstrapped(partial(_f1_at_half, place), truth, probabilities) | {"count": int(matrix[place].sum())},
            "calibration_error": _calibration_figure(truth[judged == place], probabilities[judged == place]),
        }
    return figures


def judged_labels(probabilities: Probabilities) -> Truth:
    """The more probable label of each."""
    return np.where(probabilities >= 0.5, _NO_MASK, _MASK)  # noqa: PLR2004 - the more probable of two


def confusion_matrix(truth: Truth, judged: Truth) -> NDArray[np.int64]:
    """How many faces of each label (row) were judged as each (column)."""
    size = len(LABELS)
    return np.bincount(truth * size + judged, minlength=size * size).reshape(size, size)


def loss(truth: Truth, probabilities: Probabilities) -> float:
    """The mean logarithmic loss."""
    of_truth = np.where(truth == _NO_MASK, probabilities, 1 - probabilities)
    return float(-np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)).mean())


def reliability(truth: Truth, probabilities: Probabilities) -> list[tuple[float, float, int]]:
    """For each bin of confidence that is not empty: mean confidence, share right, count."""
    confidence = np.maximum(probabilities, 1 - probabilities)
    right = judged_labels(probabilities) == truth
    places = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return [
        (float(confidence[places == place].mean()), float(right[places == place].mean()), int((places == place).sum()))
        for place in np.unique(places)
    ]


def calibration_error(truth: Truth, probabilities: Probabilities) -> float:
    """The expected calibration error (Guo and others, "On calibration of modern neural networks", 2017)."""
    bins = reliability(truth, probabilities)
    return sum(count * abs(confidence - right) for confidence, right, count in bins) / len(truth)


def calibration_error_by_chance(probabilities: Probabilities) -> float:
    """The median calibration error that these probabilities would have if they were perfectly calibrated.

    Among few faces the share that is right is never quite what is expected, and an error only adds up. What is measured
    says something where it is more than this (consistency resampling: Bröcker and Smith, "Increasing the reliability of
    reliability diagrams", 2007).
    """
    random = np.random.default_rng(0)
    drawn = random.random((RESAMPLES, len(probabilities))) < probabilities
    return float(np.median([calibration_error(truth, probabilities) for truth in np.where(drawn, _NO_MASK, _MASK)]))


def _calibration_figure(truth: Truth, probabilities: Probabilities) -> dict[str, Any]:
    figure = bootstrapped(calibration_error, truth, probabilities)
    by_chance = round(calibration_error_by_chance(probabilities), 4) if len(truth) else None
    return figure | {"by_chance": by_chance}


def f1(truth: Truth, judged: Truth, place: int) -> float | None:
    """The harmonic mean of precision and recall of one label; None where it neither occurs nor is judged."""
    right = int(((truth == place) & (judged == place)).sum())
    every = int((truth == place).sum() + (judged == place).sum())
    return 2 * right / every if every else None


def _f1_at_half(place: int, truth: Truth, probabilities: Probabilities) -> float | None:
    return f1(truth, judged_labels(probabilities), place)


def roc(truth: Truth, probabilities: Probabilities) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates of no_mask for every threshold, from the highest one on; each starts with 0."""
    order = np.argsort(-probabilities, kind="stable")
    positive = truth[order] == _NO_MASK
    # Equal probabilities share one threshold.
    last = np.append(np.diff(probabilities[order]) != 0, True)
    true, false = np.cumsum(positive)[last], np.cumsum(~positive)[last]
    return np.append(0.0, false / max(false[-1], 1)), np.append(0.0, true / max(true[-1], 1))


def area_under_roc(truth: Truth, probabilities: Probabilities) -> float | None:
    """The area under the ROC curve; None where a label is missing."""
    if len(np.unique(truth)) < len(LABELS):
        return None
    return round(float(_area(*roc(truth, probabilities))), 5)


def bootstrapped(
    figure: Callable[[Truth, Probabilities], float | None], truth: Truth, probabilities: Probabilities
) -> dict[str, Any]:
    """A figure with its count and the interval that holds 95 % of its values on resampled faces; of none, no value.

    Where the figure says nothing (None), it has no value either, and such resamples do not count.
    """
    if not len(truth):
        return share(0, 0)
    random = np.random.default_rng(0)
    values = []
    for _ in range(RESAMPLES):
        chosen = random.integers(0, len(truth), len(truth))
        values.append(figure(truth[chosen], probabilities[chosen]))
    return _with_interval(figure(truth, probabilities), values, len(truth))


def bootstrapped_f1(counts: NDArray[np.int64]) -> dict[str, Any]:
    """F1 of detections, resampled by picture.

    Args:
        counts: pictures x 3: right ones, wrong ones and missed ones; of none at all, there is no F1.
    """

    def of(rows: NDArray[np.int64]) -> float | None:
        right, wrong, missed = rows.sum(axis=0)
        return float(2 * right / (2 * right + wrong + missed)) if rows.any() else None

    if not len(counts):
        return share(0, 0)
    random = np.random.default_rng(0)
    values = [of(counts[random.integers(0, len(counts), len(counts))]) for _ in range(RESAMPLES)]
    return _with_interval(of(counts), values, int(counts[:, [0, 2]].sum()))


def _with_interval(value: float | None, values: list[float | None], count: int) -> dict[str, Any]:
    if value is None:
        return {"value": None, "count": count, "interval_95": None}
    low, high = np.percentile([one for one in values if one is not None], [2.5, 97.5])
    return {"value": round(value, 4), "count": count, "interval_95": [round(float(low), 4), round(float(high), 4)]}


def _area(across: NDArray[np.float64], up: NDArray[np.float64]) -> float:
    # numpy 1 calls it trapz, numpy 2 trapezoid.
    return float(np.sum(np.diff(across) * (up[1:] + up[:-1]) / 2))
