import numpy as np
import pytest

from facemask_edge.stage_times import StageTimes, percentiles


@pytest.mark.parametrize("count", [1, 2, 3, 20, 1000])
def test_percentiles_are_those_of_numpy(count: int) -> None:
    seconds = list(np.random.default_rng(count).exponential(0.01, count))
    assert percentiles(iter(seconds)) == tuple(round(1000 * value, 3) for value in np.percentile(seconds, (50, 95)))


def test_what_fails_is_not_measured() -> None:
    times = StageTimes()
    with pytest.raises(ValueError, match="x"), times.stopwatch("detection"):
        raise ValueError("x")
    assert times.seconds == {}
