import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facemask_edge.cameras.waiting_time import waiting_time
from tests.busy import work


def waited_in(action: Callable[[], None]) -> float:
    before = waiting_time()
    action()
    return waiting_time() - before


def test_who_sleeps_waits() -> None:
    assert 0.19 < waited_in(lambda: time.sleep(0.2)) < 0.4


def test_who_works_does_not() -> None:
    assert abs(waited_in(lambda: work(0.3))) < 0.05


def test_nor_does_who_waits_for_a_processor() -> None:
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})
    try:
        with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as other:
            started = time.monotonic()
            waited = waited_in(lambda: work(0.3))
            elapsed = time.monotonic() - started
            other.kill()
    finally:
        os.sched_setaffinity(0, mine)
    assert elapsed > 0.45
    assert abs(waited) < 0.05


@pytest.mark.parametrize("told", [None, "0 0 0\n", "", "a b c\n"])
def test_where_the_kernel_does_not_tell_nobody_waits(
    told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "schedstat"
    if told is not None:
        file.write_text(told)
    monkeypatch.setattr("facemask_edge.cameras.waiting_time.SCHEDULED", file)
    assert waited_in(lambda: time.sleep(0.01)) == 0.0
