"""The commands of ``facemask-edge outbox``, on an outbox that a store writes meanwhile."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge import outbox_requests
from facemask_edge.events import Changes, Event, Key
from facemask_edge.store import Store
from tests.test_cli import Ended, assert_explained, facemask_edge, settings


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Six events, of which the second and the fourth are dead letters."""
    with closing(Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)) as opened:
        event = {"camera": "door", "event_type": "violation_start"}
        opened.commit(Changes(events=[Event("topic", event | {"number": number}) for number in range(1, 7)]))
        stream = opened.take(1)[0].key.stream
        opened.commit(Changes(dead={Key(stream, 2): "packet too large", Key(stream, 4): "topic name invalid"}))
        yield opened


def outbox(folder: Path, *arguments: str) -> Ended:
    return facemask_edge("outbox", *arguments, *settings(outbox__path=str(folder / "outbox.sqlite3")))


@pytest.mark.usefixtures("store")
def test_the_list_shows_what_waits_and_what_is_dead(tmp_path: Path) -> None:
    ended = outbox(tmp_path, "list")
    assert ended.returncode == 0
    assert "packet too large" in ended.stdout
    assert ended.stdout.count("waits") == 4
    assert "4 wait, 2 dead letters, 0 dropped so far" in ended.stdout
    dead = json.loads(outbox(tmp_path, "list", "--dead", "--json").stdout)
    assert (dead["waiting"], dead["dead_letters"]) == (4, 2)
    assert [event["number"] for event in dead["events"]] == [2, 4]
    assert "4 more" in outbox(tmp_path, "list", "--limit", "2").stdout


@pytest.mark.usefixtures("store")
def test_one_event_is_shown_whole(tmp_path: Path) -> None:
    shown = json.loads(outbox(tmp_path, "show", "4").stdout)
    assert (shown["number"], shown["dead_reason"], shown["topic"]) == (4, "topic name invalid", "topic")
    assert (shown["event"]["camera"], shown["event"]["sequence"]) == ("door", 4)
    assert_explained(outbox(tmp_path, "show", "99"), 66, "no event has the number 99")


def test_dead_letters_are_sent_again_on_request(store: Store, tmp_path: Path) -> None:
    sent = [message.key.sequence for message in store.take(10)]
    assert sent == [3, 5, 6]
    assert outbox(tmp_path, "retry", "2").returncode == 0
    store.commit(Changes())
    assert [message.key.sequence for message in store.take(10)] == [2]
    assert outbox(tmp_path, "retry", "--all").returncode == 0
    store.commit(Changes())
    assert [message.key.sequence for message in store.take(10)] == [4]
    assert store.state().dead_letters == 0
    assert outbox_requests.requested(tmp_path / "outbox.sqlite3") == []


@pytest.mark.usefixtures("store")
def test_a_retry_needs_a_dead_letter(tmp_path: Path) -> None:
    assert_explained(outbox(tmp_path, "retry", "1"), 66, "1 is no dead letter")
    assert outbox(tmp_path, "retry").returncode == 64


@pytest.mark.usefixtures("store")
def test_a_damaged_event_is_shown_as_such_and_cannot_be_sent_again(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as database, database:
        database.execute("UPDATE events SET payload = x'00', recorded = 1e300 WHERE position = 4")
    shown = outbox(tmp_path, "list", "--dead")
    assert shown.returncode == 0
    assert "damaged on the disk" in shown.stdout
    event = json.loads(outbox(tmp_path, "show", "4").stdout)
    assert (event["dead_reason"], event["recorded"], event["event"]) == ("damaged on the disk", None, {})
    assert_explained(outbox(tmp_path, "retry", "4"), 66, "nothing is left of it")
    assert "1 dead letters" in outbox(tmp_path, "retry", "--all").stdout


def test_a_request_that_cannot_be_taken_away_is_carried_out_once(store: Store, tmp_path: Path) -> None:
    stream = store.take(10)[0].key.stream
    # What unlink cannot take away, even of root's.
    (tmp_path / "outbox.sqlite3.requests" / "retry-2").mkdir()
    for expected in ([2], [], []):
        store.commit(Changes())
        assert [message.key.sequence for message in store.take(10)] == expected
        store.commit(Changes(dead={Key(stream, 2): "packet too large"}))


@pytest.mark.usefixtures("store")
def test_events_are_exported_as_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    assert outbox(tmp_path, "export", str(file)).returncode == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["event"]["number"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert_explained(outbox(tmp_path, "export", str(file)), 73, "--force")
    assert outbox(tmp_path, "export", "--force", "--dead", str(file)).returncode == 0
    assert len(file.read_text().splitlines()) == 2
    assert len(outbox(tmp_path, "export", "-").stdout.splitlines()) == 6
    assert_explained(outbox(tmp_path, "export", str(tmp_path / "missing" / "file")), 73, "No such file")


def test_an_outbox_that_is_not_there_or_is_none_is_explained(tmp_path: Path) -> None:
    assert_explained(outbox(tmp_path, "list"), 66, "there is none")
    (tmp_path / "outbox.sqlite3").write_bytes(b"no database" * 100)
    assert_explained(outbox(tmp_path, "list"), 66, "not a database")


@pytest.mark.parametrize("name", ["retry-02", "retry-0", "retry-٢", "retry-2.tmp"])
def test_a_request_that_is_written_in_another_way_is_none(name: str, store: Store, tmp_path: Path) -> None:
    assert store.state().dead_letters == 2
    (tmp_path / "outbox.sqlite3.requests" / name).touch()
    assert outbox_requests.requested(tmp_path / "outbox.sqlite3") == []


def test_requests_of_an_outbox_hold_nothing_that_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    assert outbox_requests.requested(path) == []
    outbox_requests.ask_for_retry(path, [3, 1])
    folder = outbox_requests.folder_of(path)
    for name in ("retry-x", "retry-1; rm", "retry-" + "9" * 40, "other"):
        (folder / name).touch()
    assert outbox_requests.requested(path) == [1, 3]
    outbox_requests.done(path, [1, 3])
    assert outbox_requests.requested(path) == []
