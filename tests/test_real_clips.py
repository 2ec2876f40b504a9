"""Violations on real footage are those that were seen when watching it."""

import re
from pathlib import Path

import pytest

from tests.judge_real_clips import BEGIN, EXPECTED, PAGE, reported, table
from tests.make_model_figures import END

pytestmark = pytest.mark.shared_data
TIMES = re.compile(r"\d+\.\d\d s")
"""As reported; they differ by a frame between processors."""


@pytest.mark.parametrize("clip", EXPECTED)
def test_a_clip_is_judged_as_it_was_seen(clip: str, shared: Path) -> None:
    rows = reported(shared / "data" / "clips" / clip)
    assert [row.row() for row in rows if not row.is_as_expected] == []
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    for line in table({clip: rows}).splitlines()[2:]:
        assert TIMES.sub("", line) in TIMES.sub("", shown), "run: python -m tests.judge_real_clips DATA/clips --write"
