from pathlib import Path

from facemask_edge.restarts import Restarts


def test_starts_after_an_end_that_was_not_orderly_are_counted(tmp_path: Path) -> None:
    outbox = tmp_path / "folder" / "outbox.sqlite3"
    first = Restarts(outbox)
    first.begin()
    outbox.touch()
    assert first.count == 0
    for deaths in (1, 2):
        died = Restarts(outbox)
        assert died.count == deaths
        died.begin()
    last = Restarts(outbox)
    last.begin()
    last.end()
    after_an_orderly_end = Restarts(outbox)
    assert after_an_orderly_end.count == 3
    after_an_orderly_end.begin()
    after_an_orderly_end.end()
    assert Restarts(outbox).count == 3


def test_a_start_that_fails_counts_nothing(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    outbox.touch()
    for _ in range(3):
        Restarts(outbox)
    assert Restarts(outbox).count == 0


def test_a_new_outbox_begins_at_none(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    outbox.touch()
    Restarts(outbox).begin()
    assert Restarts(outbox).count == 1
    outbox.unlink()
    assert Restarts(outbox).count == 0
