"""A benchmark that misses what is asked of it says so, in its result and as its exit code."""

import json
import math
from pathlib import Path

import pytest

from benchmarks.bars import Bar, finish


@pytest.mark.parametrize(
    ("bar", "is_reached"),
    [
        (Bar("ratio", 1.25, at_most=1.25), True),
        (Bar("ratio", 1.26, at_most=1.25), False),
        (Bar("rate", 12.0, at_least=12.0), True),
        (Bar("rate", 11.9, at_least=12.0), False),
        (Bar("never seen", math.nan, at_most=0.5), False),
        (Bar("never seen", math.nan, at_least=0.5), False),
        (Bar("never", math.inf, at_most=3.0), False),
    ],
)
def test_a_bar_is_reached_or_not(bar: Bar, *, is_reached: bool) -> None:
    assert bar.is_reached is is_reached


def test_what_is_missed_is_named_and_stands_in_the_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "result.json"
    with pytest.raises(SystemExit) as ended:
        finish(
            file,
            [Bar("cost", 2.5, at_most=2), Bar("found", 59, at_least=59), Bar("never", math.inf, at_most=3)],
            {"rounds": [1, 2]},
        )
    assert ended.value.code == 1
    assert "not reached: cost is 2.5, asked for: at most 2" in capsys.readouterr().err
    told = json.loads(file.read_text())
    assert [(each["value"], each["reached"]) for each in told["asked"]] == [(2.5, False), (59, True), (None, False)]
    assert told["details"] == {"rounds": [1, 2]}
    assert told["hardware"]["cores"] >= 1


def test_what_is_reached_ends_in_order() -> None:
    with pytest.raises(SystemExit) as ended:
        finish(None, [Bar("cost", 1.5, at_most=2)], {})
    assert not ended.value.code
