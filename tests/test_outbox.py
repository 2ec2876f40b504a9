import json
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from facemask_edge.errors import OutputError
from facemask_edge.outbox import Outbox


def new_outbox(folder: Path, max_bytes: int = 1_000_000) -> Outbox:
    return Outbox(folder / "state" / "outbox.sqlite3", max_bytes=max_bytes)


def test_events_are_numbered_kept_in_order_and_gone_once_deleted(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    for number in range(5):
        outbox.append(f"topic/{number}", {"number": number})
    first, second = outbox.waiting(0, 2)
    assert (first.sequence, first.topic) == (1, "topic/0")
    assert json.loads(first.payload) == {"number": 0, "stream": outbox.stream, "sequence": 1}
    assert [message.sequence for message in outbox.waiting(second.sequence, 10)] == [3, 4, 5]
    outbox.delete([1, 3])
    assert [message.sequence for message in outbox.waiting(0, 10)] == [2, 4, 5]
    assert outbox.counts() == (3, 0)


def test_a_sequence_number_is_never_given_twice(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    outbox.append("topic", {})
    outbox.delete([1])
    outbox.close()
    outbox = new_outbox(tmp_path)
    outbox.append("topic", {})
    assert [message.sequence for message in outbox.waiting(0, 10)] == [2]


def test_events_and_stream_outlive_the_process(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    outbox.append("topic", {"text": "Türe"})
    stream = outbox.stream
    outbox.close()
    again = new_outbox(tmp_path)
    assert again.stream == stream
    assert json.loads(again.waiting(0, 1)[0].payload)["text"] == "Türe"
    assert new_outbox(tmp_path / "other").stream != stream


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    with pytest.raises(ZeroDivisionError), outbox.transaction():  # noqa: PT012 - the point is what the block leaves
        outbox.append("topic", {})
        raise ZeroDivisionError
    assert outbox.counts() == (0, 0)


def test_a_committed_event_is_in_the_file_for_others_to_see(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    with sqlite3.connect(tmp_path / "state" / "outbox.sqlite3") as reader:
        with outbox.transaction():
            outbox.append("topic", {})
            assert reader.execute("SELECT count(*) FROM messages").fetchone() == (0,)
        assert reader.execute("SELECT count(*) FROM messages").fetchone() == (1,)
        assert outbox._database.execute("PRAGMA synchronous").fetchone() == (2,)  # noqa: SLF001 - FULL, measured: no less keeps a commit
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_above_the_cap_the_oldest_are_dropped_and_counted(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path, max_bytes=100)
    for _ in range(10):
        outbox.append("topic", {"text": "ä" * 10})  # 31 bytes each
    assert [message.sequence for message in outbox.waiting(0, 10)] == [8, 9, 10]
    assert outbox.dropped == 7
    outbox.delete([8, 9, 10])
    outbox.append("topic", {"text": "ä" * 10})
    assert outbox.dropped == 7


def test_a_dead_letter_is_kept_but_not_sent(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    outbox.append("topic", {})
    outbox.append("topic", {})
    outbox.bury(1, "packet too large")
    assert [message.sequence for message in outbox.waiting(0, 10)] == [2]
    assert outbox.counts() == (1, 1)


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    new_outbox(tmp_path)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "outbox.sqlite3").stat().st_mode) == 0o600


def test_a_file_that_is_no_outbox_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite3"
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(OutputError, match="move the file away"):
        Outbox(file, max_bytes=1000)
    assert file.read_bytes() == b"no database" * 1000


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"outbox\.path"):
        Outbox(tmp_path / "file" / "outbox.sqlite3", max_bytes=1000)
    if os.geteuid() != 0:
        with pytest.raises(OutputError, match="Permission denied"):
            Outbox(Path("/proc/outbox.sqlite3"), max_bytes=1000)
