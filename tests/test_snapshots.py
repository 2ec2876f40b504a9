import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from facemask_edge.config import Config
from facemask_edge.faces.thorough import ThoroughDetector
from facemask_edge.snapshot import Shot
from facemask_edge.snapshots import MOST_WAITING, Snapshots
from facemask_edge.values import Box, Track, Violation
from tests.subscriber import wait_until


def config(folder: Path, *, enabled: bool = True, **settings: object) -> Config:
    outbox = {"path": str(folder / "outbox.sqlite3"), "min_free_bytes": 0}
    return Config.model_validate({"outbox": outbox, "snapshots": {"enabled": enabled, **settings}})


@contextmanager
def running(config: Config, send: Callable[[Shot, bytes], None]) -> Iterator[Snapshots]:
    snapshots = Snapshots(config, send, ThoroughDetector().boxes if config.snapshots.enabled else None)
    snapshots.start()
    yield snapshots
    snapshots.stop(10)


def shot(name: str) -> Shot:
    violation = Violation("violation_start", name, Track("track", Box(300, 100, 40, 50), 0.9), 0.97, 5, 1.0)
    return Shot("door", np.full((480, 640, 3), 90, np.uint8), (), violation, "2026-11-27T08:00:00.000Z")


def test_what_is_asked_for_is_sent_and_kept_before_it_ends(tmp_path: Path) -> None:
    sent = []
    with running(config(tmp_path), lambda shot, jpeg: sent.append((shot.time, jpeg))) as snapshots:
        for name in ("a", "b"):
            snapshots.take(shot(name), wait=True)
    assert [time for time, _ in sent] == ["2026-11-27T08:00:00.000Z"] * 2
    folder = tmp_path / "outbox.sqlite3.snapshots" / "door"
    assert [path.name for path in sorted(folder.iterdir())] == ["a.jpg", "b.jpg"]
    assert (folder / "b.jpg").read_bytes() == sent[1][1]


def test_a_live_camera_never_waits_for_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    may_go_on, count = threading.Event(), 0

    def slow(_shot: Shot, _jpeg: bytes) -> None:
        nonlocal count
        may_go_on.wait(30)
        count += 1

    with running(config(tmp_path), slow) as snapshots:
        started = time.monotonic()
        for number in range(MOST_WAITING + 5):
            snapshots.take(shot(f"{number}"), wait=False)
        assert time.monotonic() - started < 5
        may_go_on.set()
    assert MOST_WAITING <= count <= MOST_WAITING + 1
    assert "some are left out" in caplog.text


def test_a_picture_that_fails_is_not_sent_and_does_not_end_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[str] = []
    with running(config(tmp_path), lambda shot, _: sent.append(shot.time)) as snapshots:
        # Nobody can find a face in it, so nobody may see it.
        snapshots.take(Shot("door", np.zeros((0, 0, 3), np.uint8), (), shot("a").violation, "first"), wait=True)
        snapshots.take(Shot("door", np.zeros((8, 8, 3), np.uint8), (), shot("b").violation, "second"), wait=True)
    assert sent == ["second"]
    assert "a snapshot failed" in caplog.text


def test_a_folder_that_cannot_be_written_is_told_and_pictures_are_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.sqlite3.snapshots").write_text("of somebody")
    sent = []
    with running(config(tmp_path), lambda _, jpeg: sent.append(jpeg)) as snapshots:
        for name in ("a", "b"):
            snapshots.take(shot(name), wait=True)
    assert len(sent) == 2
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "outbox.sqlite3.snapshots" in warnings[0]


def test_what_is_too_old_is_deleted_also_where_no_more_are_wanted(tmp_path: Path) -> None:
    old = tmp_path / "outbox.sqlite3.snapshots" / "door" / "0199d2c6-7a31-7c3e-9d0a-000000000000.jpg"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"jpeg")
    os.utime(old, (time.time() - 4 * 86_400,) * 2)
    with running(config(tmp_path, enabled=False), lambda _shot, _jpeg: None):
        assert wait_until(lambda: not old.exists())
