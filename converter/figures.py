"""Shares with the count they rest on and their 95 % interval: the form every published figure has."""

import math
from typing import Any

Z_95 = 1.959964
"""The normal quantile that leaves 2.5 % on either side."""


def wilson_interval(successes: int, count: int) -> tuple[float, float]:
    """The 95 % score interval of a share (E. B. Wilson, "Probable inference", 1927).

    Unlike the textbook interval it is right for small counts and for shares near 1.

    Args:
        successes: How many of ``count`` were right.
        count: At least 1.
    """
    share, square = successes / count, Z_95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z_95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share(successes: int, count: int) -> dict[str, Any]:
    """A share as manifests and reports hold it; one of nothing has no value and no interval."""
    if count == 0:
        return {"value": None, "count": 0, "interval_95": None}
    low, high = wilson_interval(successes, count)
    return {"value": round(successes / count, 4), "count": count, "interval_95": [round(low, 4), round(high, 4)]}


def in_words(figure: dict[str, Any]) -> str:
    """One ``share`` as text: ``0.9975 of 400 (0.9860 to 0.9996)``."""
    if figure["value"] is None:
        return "none"
    low, high = figure["interval_95"]
    return f"{figure['value']:.4f} of {figure['count']} ({low:.4f} to {high:.4f})"
