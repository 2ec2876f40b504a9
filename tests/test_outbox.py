import json
import sqlite3
import zlib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.events import DAMAGED, Changes, Event, Key, Message
from facemask_edge.outbox import ROW_BYTES, Outbox

EVENT = Event("topic", {})
ENDING = {"id": "a", "event_type": "violation_end", "duration_s": 0.0, "reason": "restart"}
START = Event("topic", {"id": "a", "event_type": "violation_start"}, ENDING)
END = Event("topic", {"id": "a", "event_type": "violation_end", "duration_s": 3.0, "reason": "left"})


def new_outbox(folder: Path, max_bytes: int = 1_000_000, **limits: int) -> Outbox:
    return Outbox(folder / "outbox.sqlite3", max_bytes=max_bytes, **limits)


def append(outbox: Outbox, *events: Event) -> None:
    outbox.commit(Changes(events=list(events)))


def after(outbox: Outbox, position: int, limit: int) -> list[Message]:
    return outbox.after(position, limit)[0]


def keys(outbox: Outbox, *sequences: int) -> list[Key]:
    return [Key(outbox.stream, sequence) for sequence in sequences]


def sequences(messages: list[Message]) -> list[int]:
    return [message.key.sequence for message in messages]


def test_events_are_numbered_kept_in_order_and_gone_once_delivered(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, *(Event(f"topic/{number}", {"number": number}) for number in range(5)))
    first, second = after(outbox, 0, 2)
    assert (first.key, first.topic) == (Key(outbox.stream, 1), "topic/0")
    assert json.loads(first.payload) == {"number": 0, "stream": outbox.stream, "sequence": 1}
    assert sequences(after(outbox, second.position, 10)) == [3, 4, 5]
    outbox.commit(Changes(delivered=keys(outbox, 1, 3)))
    assert sequences(after(outbox, 0, 10)) == [2, 4, 5]
    assert (outbox.waiting, outbox.dead) == (3, 0)


def test_a_sequence_number_is_never_given_twice(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT)
    outbox.commit(Changes(delivered=keys(outbox, 1)))
    outbox.close()
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT)
    assert sequences(after(outbox, 0, 10)) == [2]


def test_events_and_stream_outlive_the_process(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, Event("topic", {"text": "Türe"}), START)
    outbox.close()
    again = new_outbox(tmp_path)
    assert again.stream == outbox.stream
    assert (again.waiting, again.dead) == (2, 0)
    assert json.loads(after(again, 0, 1)[0].payload)["text"] == "Türe"
    (tmp_path / "other").mkdir()
    assert new_outbox(tmp_path / "other").stream != outbox.stream


def test_a_commit_that_fails_leaves_nothing_and_numbers_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT)
    with pytest.raises(TypeError):
        append(outbox, EVENT, Event("topic", {"no JSON": object()}))
    assert (outbox.waiting, sequences(after(outbox, 0, 10))) == (1, [1])
    append(outbox, EVENT)
    assert sequences(after(outbox, 0, 10)) == [1, 2]


def test_a_committed_event_is_in_the_file_for_others_to_see(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT)
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as reader:
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert outbox._database.execute("PRAGMA synchronous").fetchone() == (2,)  # noqa: SLF001 - FULL, measured: no less keeps a commit
        assert reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_violation_left_open_by_an_earlier_process_ends_as_it_was_last_known(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, START)
    outbox.commit(Changes(still_open={"a": Event("topic", ENDING | {"duration_s": 20.0})}))
    outbox.close()
    again = new_outbox(tmp_path)
    assert [end.payload["id"] for end in again.close_open_violations()] == ["a"]
    start, end = (json.loads(message.payload) for message in after(again, 0, 10))
    assert (start["event_type"], start["sequence"]) == ("violation_start", 1)
    assert (end["event_type"], end["duration_s"], end["reason"], end["sequence"]) == (
        "violation_end",
        20.0,
        "restart",
        2,
    )
    assert again.close_open_violations() == []


def test_a_violation_that_has_ended_ends_once(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, START, END)
    outbox.commit(Changes(still_open={"a": Event("topic", ENDING)}))
    outbox.close()
    assert new_outbox(tmp_path).close_open_violations() == []


def test_above_the_cap_the_oldest_are_dropped_and_counted(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path, max_bytes=4 * (ROW_BYTES + 200))
    for _ in range(10):
        append(outbox, Event("topic", {"text": "ä" * 50}))
    kept = sequences(after(outbox, 0, 10))
    assert kept == [7, 8, 9, 10]
    assert outbox.dropped == 6
    outbox.commit(Changes(delivered=keys(outbox, *kept)))
    append(outbox, EVENT)
    outbox.close()
    again = new_outbox(tmp_path)
    assert (again.dropped, sequences(after(again, 0, 10))) == (6, [11])


def test_dead_letters_are_dropped_first_and_what_is_on_its_way_last(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path, max_bytes=4 * (ROW_BYTES + 200))
    event = Event("topic", {"text": "ä" * 50})
    append(outbox, event, event, event, event)
    outbox.commit(Changes(dead={Key(outbox.stream, 3): "packet too large"}))
    append(outbox, event)
    assert (sequences(after(outbox, 0, 10)), outbox.dead) == ([1, 2, 4, 5], 0)
    outbox.commit(Changes(events=[event], sent_up_to=2))
    assert sequences(after(outbox, 0, 10)) == [1, 2, 5, 6]


def test_on_a_nearly_full_disk_it_keeps_a_little(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path, max_bytes=100_000_000, min_free_bytes=2**62)
    event = Event("topic", {"text": "x" * 100_000})
    append(outbox, *[event] * 20)
    assert sequences(after(outbox, 0, 30)) == list(range(12, 21))
    assert outbox.dropped == 11


def test_a_dead_letter_is_kept_but_not_sent_until_it_is_revived(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT, EVENT)
    outbox.commit(Changes(dead={Key(outbox.stream, 1): "packet too large"}))
    assert sequences(after(outbox, 0, 10)) == [2]
    assert (outbox.waiting, outbox.dead) == (1, 1)
    outbox.commit(Changes(revived=[1]))
    assert sequences(after(outbox, 0, 10)) == [1, 2]


def test_a_row_changed_on_the_disk_is_never_sent(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, Event("topic", {"probability": 0.97}), EVENT)
    outbox.close()
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        database.execute("UPDATE events SET payload = CAST(replace(payload, '0.97', '0.17') AS BLOB)")
    again = new_outbox(tmp_path)
    assert sequences(after(again, 0, 10)) == [2]
    again.commit(Changes())
    assert (again.waiting, again.dead) == (1, 1)
    again.commit(Changes(revived=[1]))
    assert again.dead == 1
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        assert database.execute("SELECT dead_reason FROM events WHERE sequence = 1").fetchone() == (DAMAGED,)


def test_it_takes_over_what_stood_in_for_it(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT, EVENT, EVENT, START)
    last = Key(outbox.stream, outbox.sequence)
    # As left behind by a commit that failed but reached the disk nevertheless.
    append(outbox, END)
    memory = Outbox(None, max_bytes=1_000_000)
    append(memory, END, EVENT)
    settled = {Key(outbox.stream, 1): None, Key(outbox.stream, 2): "packet too large"}
    outbox.absorb(memory, last=last, settled=settled, ended=["a"])
    first, start, end, newest = after(outbox, 0, 10)
    assert [first.key.sequence, start.key.sequence] == [3, 4]
    assert [end.key, newest.key] == keys(memory, 1, 2)
    assert (outbox.waiting, outbox.dead, outbox.close_open_violations()) == (4, 1, [])
    append(outbox, EVENT)
    assert after(outbox, newest.position, 10)[0].key == Key(outbox.stream, 5)


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + bytes(4080)])
def test_a_file_that_is_no_outbox_is_refused_and_left_as_it_is(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite3"
    file.write_bytes(content)
    with pytest.raises(sqlite3.DatabaseError):
        Outbox(file, max_bytes=1000)
    assert file.read_bytes() == content


def test_a_database_with_other_tables_is_refused(tmp_path: Path) -> None:
    new_outbox(tmp_path).close()
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        database.execute("CREATE TRIGGER more AFTER INSERT ON events BEGIN DELETE FROM events; END")
    with pytest.raises(sqlite3.DatabaseError, match="no outbox of this version"):
        new_outbox(tmp_path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("topic", "facemask/#"),
        ("topic", "facemask/+/violation"),
        ("topic", ""),
        ("topic", "\0"),
        ("topic", "x" * 70_000),
        ("sequence", 0),
        ("recorded", 1e300),
    ],
)
def test_a_row_that_somebody_made_with_the_right_checksum_but_cannot_be_sent_is_not(
    column: str, value: object, tmp_path: Path
) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT, EVENT)
    outbox.close()
    forge(tmp_path, "events", {column: value}, ("stream", "sequence", "topic", "payload"))
    again = new_outbox(tmp_path)
    assert sequences(after(again, 0, 10)) == [2]
    again.commit(Changes())
    assert (again.waiting, again.dead) == (1, 1)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("topic", "#"),
        ("ending", b"[]"),
        ("ending", b"{"),
        ("ending", b"[" * 100_000),
        ("ending", b"\xff"),
        ("ending", b'{"id": "b"}'),
        ("ending", b'{"id": {}}'),
        ("ending", b'{"id": "a", "x": "\\ud800"}'),
    ],
)
def test_an_end_that_somebody_made_but_is_none_is_forgotten(column: str, value: object, tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, START)
    outbox.close()
    forge(tmp_path, "open_violations", {column: value}, ("id", "topic", "ending"))
    with closing(new_outbox(tmp_path)) as again:
        assert again.close_open_violations() == []
    with closing(new_outbox(tmp_path)) as again:
        assert list(again.open_rows()) == []


@pytest.mark.parametrize("position", [-5, 0, 2**63 - 1])
def test_an_order_that_cannot_go_on_is_damage(position: int, tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT)
    outbox.close()
    forge(tmp_path, "events", {"position": position}, ("stream", "sequence", "topic", "payload"))
    with pytest.raises(sqlite3.DatabaseError, match="order"):
        new_outbox(tmp_path)


@pytest.mark.parametrize(("name", "value"), [("sequence", 2**63 - 1), ("sequence", -1), ("dropped", 2**63 - 1)])
def test_counters_that_cannot_go_on_are_damage(name: str, value: int, tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    outbox.close()
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as database, database:
        database.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))
        counted = value if name == "sequence" else 0
        checksum = zlib.crc32(f"{outbox.stream}\0{counted}".encode())
        database.execute("UPDATE meta SET value = ? WHERE name = 'checksum'", (checksum,))
    with pytest.raises(sqlite3.DatabaseError, match="counters"):
        new_outbox(tmp_path)


def test_counters_older_than_the_events_are_damage(tmp_path: Path) -> None:
    # As a card leaves it that has lost one write.
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT)
    (older,) = outbox._database.execute("SELECT value FROM meta WHERE name = 'checksum'").fetchone()  # noqa: SLF001
    append(outbox, EVENT, EVENT)
    outbox.close()
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as database, database:
        database.execute("UPDATE meta SET value = 1 WHERE name = 'sequence'")
        database.execute("UPDATE meta SET value = ? WHERE name = 'checksum'", (older,))
    with pytest.raises(sqlite3.DatabaseError, match="older than its events"):
        new_outbox(tmp_path)


def test_an_event_whose_number_is_taken_is_not_said_to_be_recorded(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT, EVENT)
    outbox.sequence = 1
    with pytest.raises(sqlite3.DatabaseError, match="taken"):
        append(outbox, EVENT)
    assert outbox.waiting == 2


def test_what_was_taken_over_is_not_taken_over_again(tmp_path: Path) -> None:
    other = Outbox(None, max_bytes=1_000_000)
    append(other, EVENT, START)
    outbox = new_outbox(tmp_path)
    outbox.take_over(other.rows(), other.open_rows(), source="damaged")
    append(outbox, END)
    outbox.commit(Changes(delivered=[*keys(other, 1, 2), *keys(outbox, 1)]))
    outbox.close()
    with closing(new_outbox(tmp_path)) as again:
        again.take_over(other.rows(), other.open_rows(), source="damaged")
        assert (again.waiting, again.close_open_violations()) == (0, [])
        again.take_over(other.rows(), [], source="another")
        assert again.waiting == 2


def test_a_damaged_event_does_not_hide_those_behind_it(tmp_path: Path) -> None:
    outbox = new_outbox(tmp_path)
    append(outbox, EVENT, EVENT, EVENT)
    outbox._database.execute("UPDATE events SET payload = x'00' WHERE position = 1")  # noqa: SLF001
    found, read_up_to = outbox.after(0, 1)
    assert (found, read_up_to) == ([], 1)
    found, read_up_to = outbox.after(1, 5)
    assert (sequences(found), read_up_to) == ([2, 3], 3)
    assert outbox.after(3, 5) == ([], 3)


def forge(folder: Path, table: str, changed: dict[str, object], summed: Sequence[str]) -> None:
    """Change the first row of a table as somebody would who knows how checksums are made."""
    with closing(sqlite3.connect(folder / "outbox.sqlite3")) as database, database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute(f"SELECT * FROM {table} LIMIT 1").fetchone())  # noqa: S608 - a test's own words
        names = list(row)
        identity = row[names[0]]
        row |= changed
        parts = [part if isinstance(part := row[name], bytes) else str(part).encode() for name in summed]
        row["checksum"] = zlib.crc32(b"\0".join(parts))
        sets = ", ".join(f"{name} = ?" for name in names)
        database.execute(f"UPDATE {table} SET {sets} WHERE {names[0]} = ?", (*row.values(), identity))  # noqa: S608 - as above
