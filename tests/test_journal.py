import datetime as dt
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facemask_edge import journal as journal_module
from facemask_edge.clock import utc_now
from facemask_edge.journal import LARGEST_FILE, Entry, Journal, forget
from facemask_edge.values import Box, Track, Violation
from tests.subscriber import wait_until

HEAT = [[0.0, 0.25], [1.0, 0.5]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "outbox.sqlite3.journal.jsonl"


@contextmanager
def running(file: Path) -> Iterator[Journal]:
    journal = Journal(file)
    journal.start()
    yield journal
    journal.stop()


def hours_ago(hours: float) -> str:
    return (
        (dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def entry(name: str, time: str | None = None) -> Entry:
    return Entry(
        id=name, camera="door", time=time or utc_now(), probability=0.97, heat=HEAT, place=(0.3, 0.2, 0.4), aspect=0.5
    )


def end(name: str, duration: float = 2.5, reason: str = "left") -> Violation:
    track = Track("track", Box(0, 0, 10, 10), 0.9)
    return Violation("violation_end", name, track, 0.97, 5, 1.0, duration=duration, reason=reason)


def ids(journal: Journal) -> list[str]:
    return [one.id for one in journal.entries()]


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_is_told_is_known_at_once_also_before_it_is_written(file: Path) -> None:
    journal = Journal(file)
    journal.began(entry("a"))
    assert [(one.id, one.duration_s, one.reason) for one in journal.entries()] == [("a", None, None)]
    journal.ended(end("a"))
    assert [(one.id, one.duration_s, one.reason) for one in journal.entries()] == [("a", 2.5, "left")]


def test_it_is_kept_over_a_restart(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(file) as before:
        for name in ("a", "b"):
            before.began(entry(name))
        before.ended(end("b", 7.25, "mask_on"))
        before.ended(end("a"))
        told = before.entries()
    with running(file) as after:
        assert after.entries() == told
    assert Journal(file).entries() == told
    assert warnings(caplog) == []


def test_what_the_process_did_not_end_ended_with_it(file: Path) -> None:
    with running(file) as before:
        before.began(entry("a"))
        assert before.entries()[0].reason is None
    for _ in range(2):
        with running(file) as after:
            assert [(one.id, one.duration_s, one.reason) for one in after.entries()] == [("a", None, "restart")]


def test_what_is_asked_for_is_nobody_else_s_to_change(file: Path) -> None:
    journal = Journal(file)
    journal.began(entry("a"))
    journal.entries()[0].reason = "changed"
    journal.entries().clear()
    assert [one.reason for one in journal.entries()] == [None]


def test_an_end_whose_start_is_not_known_is_none(file: Path) -> None:
    with running(file) as journal:
        journal.ended(end("a"))
    assert Journal(file).entries() == []


def test_a_last_line_that_is_torn_costs_no_other(file: Path) -> None:
    with running(file) as before:
        for name in ("a", "b", "c"):
            before.began(entry(name))
    file.write_bytes(file.read_bytes()[:-20])
    with running(file) as after:
        assert ids(after) == ["a", "b"]
        after.began(entry("d"))
    assert ids(Journal(file)) == ["a", "b", "d"]


LINE = entry("a").model_dump_json().encode()


@pytest.mark.parametrize(
    "content",
    [
        b"\n\n",
        b"\0" * 4_096,
        b"\xff\xfe",
        b"{",
        b'null\n[]\n1\n"x"\n{}',
        b"[" * 9_000,
        b'{"heat":' + b"[" * 9_000,
        LINE.replace(b'"door"', b"7"),
        LINE.replace(b'"door"', b'"\\ud800"'),
        LINE.replace(b"0.97", b"1.5"),
        LINE.replace(b"0.97", b"NaN"),
        LINE.replace(b"0.25", b"-1"),
        LINE.replace(b"[0.3", b"[Infinity"),
        LINE.replace(b'"aspect":0.5', b'"aspect":1e999'),
        LINE.replace(b"{", b'{"of_another_version":1,'),
    ],
    ids=lambda content: f"{content!r:.40}",
)
def test_what_is_no_violation_is_left_out(content: bytes, file: Path) -> None:
    file.write_bytes(content + b"\n" + LINE.replace(b'"a"', b'"b"') + b"\n" + content)
    with running(file) as journal:
        assert ids(journal) == ["b"]
    assert [line["id"] for line in lines(file)] == ["b"]


def test_a_file_that_is_far_too_large_is_not_read_as_a_whole(file: Path) -> None:
    file.write_bytes(LINE + b"\n" + b"x" * (LARGEST_FILE + 1_000) + b"\n" + LINE.replace(b'"a"', b'"b"'))
    with running(file) as journal:
        assert ids(journal) == ["a"]
    assert file.stat().st_size < 1_000


def test_a_file_that_cannot_be_written_is_said_once_and_all_is_known_until_the_end(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.mkdir()
    (file / "of somebody").write_text("")
    with running(file) as journal:
        for name in ("a", "b"):
            journal.began(entry(name))
            journal.ended(end(name))
        assert ids(journal) == ["a", "b"]
    said = warnings(caplog)
    assert len(said) == 2
    assert "cannot be read, and is taken for empty" in said[0]
    assert said[1].endswith("Is a directory; the page forgets today's violations when the daemon ends")
    assert (file / "of somebody").exists()


def test_a_folder_that_is_not_there_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(tmp_path / "gone" / "journal.jsonl") as journal:
        journal.began(entry("a"))
        assert ids(journal) == ["a"]
    assert len(warnings(caplog)) == 1


def test_what_is_older_than_a_day_is_forgotten(file: Path) -> None:
    with running(file) as journal:
        for name, hours in (("old", 24.01), ("new", 23.99), ("now", 0.0)):
            journal.began(entry(name, hours_ago(hours)))
        assert ids(journal) == ["new", "now"]
    with running(file) as journal:
        assert ids(journal) == ["new", "now"]
    assert [line["id"] for line in lines(file)] == ["new", "now"]


def test_a_time_that_is_wrong_is_no_reason_to_be_kept_for_ever(file: Path) -> None:
    journal = Journal(file)
    for name, wrong in (("ahead", hours_ago(-24.01)), ("none", "zzz"), ("nothing", " "), ("right", utc_now())):
        journal.began(entry(name, wrong))
    assert ids(journal) == ["right"]


def test_of_too_many_the_oldest_are_left_out(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MOST", 3)
    names = [f"{number}" for number in range(5)]
    with running(file) as journal:
        for name in names:
            journal.began(entry(name))
        assert ids(journal) == names[-3:]
    with running(file) as journal:
        assert ids(journal) == names[-3:]


def test_the_file_is_bounded_however_long_it_runs(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MOST", 5)
    most = 0
    with running(file) as journal:
        for number in range(100):
            journal.began(entry(f"{number}"))
            journal.ended(end(f"{number}"))
            assert wait_until(journal._unwritten.empty, 5)  # noqa: SLF001 - only there it is to be seen
            most = max(most, file.read_bytes().count(b"\n") if file.exists() else 0)
        assert 5 <= most <= 11
        assert len(journal._entries) <= 11  # noqa: SLF001 - to ask for them would be to forget
    after = Journal(file).entries()
    assert [(one.id, one.reason) for one in after] == [(f"{number}", "left") for number in range(95, 100)]


def test_thousands_that_are_forgotten_at_once_hold_nobody_up(file: Path) -> None:
    old = entry("a", hours_ago(30)).model_dump_json().encode()
    file.write_bytes(b"\n".join(old.replace(b'"a"', b'"%d"' % number) for number in range(10_000)))
    journal = Journal(file)
    started = time.process_time()
    assert journal.entries() == []
    assert time.process_time() - started < 0.5


def test_nobody_else_may_read_it(file: Path) -> None:
    with running(file) as journal:
        journal.began(entry("a"))
    assert file.stat().st_mode & 0o777 == 0o600
    file.unlink()
    with running(file) as journal:
        assert wait_until(file.exists, 5)
        file.unlink()
        journal.began(entry("a"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_it_may_end_without_having_begun(file: Path) -> None:
    journal = Journal(file)
    journal.began(entry("a"))
    journal.stop()
    assert not file.exists()


def test_the_journal_of_a_time_with_a_page_is_deleted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text("{}\n")
    for _ in range(2):
        forget(file)
        assert not file.exists()
    forget(tmp_path / "nowhere" / "journal.jsonl")
    assert caplog.text == ""
    (file / "folder").mkdir(parents=True)
    forget(file)
    assert "the journal of a time with a page stays" in caplog.text


def test_the_file_holds_nothing_for_much_longer_than_it_is_known(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.journal.REWRITE_INTERVAL", 0.3)
    old = (dt.datetime.now(dt.UTC) - dt.timedelta(days=1) + dt.timedelta(seconds=0.5)).isoformat()
    journal = Journal(file)
    journal.start()
    journal.began(Entry(id="old", camera="door", time=old, probability=0.9))
    assert wait_until(lambda: file.exists() and b"old" in file.read_bytes())
    assert wait_until(lambda: file.read_bytes() == b"", 5)
    journal.stop()
