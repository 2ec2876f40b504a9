"""How long each stage of the frame loop takes, over the newest frames."""

import time
from collections import defaultdict, deque
from collections.abc import Iterable
from functools import partial

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
        self.seconds: defaultdict[str, deque[float]] = defaultdict(partial(deque, maxlen=KEPT))

    def stopwatch(self, stage: str) -> "_Stopwatch":
        """Measures a stage each time it is entered."""
        return _Stopwatch(self.seconds, stage)

    def newest(self, stage: str) -> float:
        """Seconds that a stage took in the frame last measured."""
        return self.seconds[stage][-1]


class _Stopwatch:
    """A context that adds how long it took; what ends with an exception does not count.

    A generator's would take longer than some of the stages, and so would a new one for each frame.
    """

    __slots__ = ("_seconds", "_stage", "_start")

    def __init__(self, seconds: defaultdict[str, deque[float]], stage: str) -> None:
        self._seconds = seconds
        self._stage = stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._seconds[self._stage].append(time.perf_counter() - self._start)
