"""How long each stage of the frame loop takes, over the newest frames."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

KEPT = 1000
"""Frames over which a stage's times are known."""


def percentiles(seconds: Iterable[float]) -> tuple[float, float]:
    """The median of some durations and what 19 of 20 are below, in milliseconds."""
    ordered = sorted(seconds)
    ranks = [part * (len(ordered) - 1) for part in (0.5, 0.95)]
    # As numpy.percentile, which imports what takes 25 ms and a mebibyte or two first.
    p50, p95 = (round(1000 * float(value), 3) for value in np.interp(ranks, range(len(ordered)), ordered))
    return p50, p95


class StageTimes:
    """The newest durations of each stage, in seconds, by the stage's name in the order of the loop."""

    def __init__(self) -> None:
        self.seconds: dict[str, deque[float]] = {}

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Measure what is done inside; what ends with an exception does not count."""
        start = time.perf_counter()
        yield
        self.seconds.setdefault(stage, deque(maxlen=KEPT)).append(time.perf_counter() - start)

    def newest(self, stage: str) -> float:
        """Seconds that a stage took in the frame last measured."""
        return self.seconds[stage][-1]
