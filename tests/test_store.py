import errno
import fcntl
import json
import random
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.errors import OutputError
from facemask_edge.events import Changes, Event, Key
from facemask_edge.store import Store
from tests.faults.forgetful_disk import Fault, ForgetfulDisk
from tests.faults.small_disk import fill, small_disk
from tests.test_outbox import END, ENDING, START

FILLER = 20_000


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path) as disk:
        yield disk


@pytest.fixture
def forgetful_disk(tmp_path: Path) -> Iterator[ForgetfulDisk]:
    """A disk that fails when told to."""
    with closing(ForgetfulDisk(tmp_path, seed=0)) as disk:
        yield disk


def remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


def new_store(folder: Path) -> Store:
    return Store(folder / "outbox.sqlite3", max_bytes=50_000_000)


def submit(store: Store, *numbers: int, size: int = 0) -> None:
    store.commit(Changes(events=[Event("topic", {"number": number, "text": "x" * size}) for number in numbers]))


def numbers(store: Store) -> list[int]:
    return [json.loads(message.payload)["number"] for message in store.take(1000)]


def deliver(store: Store, limit: int = 1000) -> list[int]:
    """Take and acknowledge; what the broker got."""
    messages = store.take(limit)
    store.commit(Changes(delivered=[message.key for message in messages]))
    return [json.loads(message.payload).get("number") for message in messages]


def try_the_disk_now(store: Store) -> None:
    store._next_try = 0.0  # noqa: SLF001 - ten seconds are long
    store.commit(Changes())


def test_events_are_handed_out_once_and_again_after_rewinding(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    submit(store, 1, 2, 3)
    assert numbers(store) == [1, 2, 3]
    assert numbers(store) == []
    submit(store, 4)
    assert numbers(store) == [4]
    store.rewind()
    assert deliver(store, 2) == [1, 2]
    store.rewind()
    assert numbers(store) == [3, 4]


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    Store(tmp_path / "state" / "outbox.sqlite3", max_bytes=1_000_000)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    made = list((tmp_path / "state").iterdir())
    assert {stat.S_IMODE(file.stat().st_mode) for file in made if file.is_file()} == {0o600}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in made if folder.is_dir()} == {0o700}


def test_a_second_process_is_locked_out(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    with pytest.raises(OutputError, match="another facemask-edge uses it"):
        new_store(tmp_path)
    store.close()
    new_store(tmp_path).close()


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"outbox\.path"):
        Store(tmp_path / "file" / "outbox.sqlite3", max_bytes=1000)


def test_on_a_full_disk_events_are_delivered_from_memory_and_go_to_the_disk_when_there_is_room(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = new_store(small_disk)
    submit(store, 1, 2)
    filler = fill(small_disk)
    submit(store, 3, size=FILLER)
    submit(store, *range(4, 8), size=FILLER)
    state = store.state()
    assert (state.kept, state.fault, state.waiting) == ("memory", "database or disk is full", 7)
    assert "kept in memory" in caplog.text
    assert deliver(store, 4) == [1, 2, 3, 4]
    assert store.state().waiting == 3
    try_the_disk_now(store)
    assert store.state().kept == "memory"
    filler.unlink()
    try_the_disk_now(store)
    assert (store.state().kept, store.state().fault, store.state().waiting) == ("disk", None, 3)
    submit(store, 8)
    store.close()
    with closing(new_store(small_disk)) as again:
        assert deliver(again) == [5, 6, 7, 8]


def test_on_a_full_disk_a_start_succeeds(small_disk: Path) -> None:
    with closing(new_store(small_disk)) as store:
        submit(store, 1, 2)
    filler = fill(small_disk)
    store = new_store(small_disk)
    submit(store, 3, size=FILLER)
    assert store.state().kept == "memory"
    filler.unlink()
    try_the_disk_now(store)
    assert deliver(store) == [1, 2, 3]


def test_on_a_read_only_disk_events_are_kept_in_memory(small_disk: Path) -> None:
    with closing(new_store(small_disk)) as store:
        submit(store, 1)
    remount(small_disk, "ro")
    store = new_store(small_disk)
    submit(store, 2)
    assert store.state().kept == "memory"
    remount(small_disk, "rw")
    try_the_disk_now(store)
    assert store.state().kept == "disk"
    assert deliver(store) == [1, 2]


@pytest.mark.parametrize("seed", range(8))
def test_what_a_flaky_disk_kept_of_a_failed_commit_is_not_delivered_twice(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    with closing(ForgetfulDisk(tmp_path, seed)) as disk:
        with closing(new_store(disk.path)) as store:
            disk.fail(Fault.FLAKY)
            delivered: list[int] = []
            for number in range(40):
                submit(store, number)
                # Opened again, the file may show what was written by a commit that failed.
                try_the_disk_now(store)
                if chance.random() < 0.1:
                    store.rewind()
                delivered += deliver(store, chance.randrange(3))
                assert store.state().waiting == number + 1 - len(delivered)
            disk.fail(Fault.NONE)
            try_the_disk_now(store)
            assert (store.state().kept, store.state().waiting) == ("disk", 40 - len(delivered))
            delivered += deliver(store)
        assert sorted(delivered) == list(range(40))
        with closing(new_store(disk.path)) as again:
            assert numbers(again) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_commit_that_failed_does_not_make_later_ones_forgettable(seed: int, tmp_path: Path) -> None:
    with closing(ForgetfulDisk(tmp_path, seed)) as disk:
        store = new_store(disk.path)
        submit(store, 1)
        disk.fail(Fault.FSYNC)
        submit(store, 2)
        # Opened again while the disk fails: what the failed commit wrote can be read, but is not on the disk.
        try_the_disk_now(store)
        disk.fail(Fault.NONE)
        try_the_disk_now(store)
        submit(store, 3)
        assert store.state().kept == "disk"
        disk.cut_power(1, victim=0)
        store.close()
        disk.power_on()
        with closing(new_store(disk.path)) as again:
            assert deliver(again) == [1, 2, 3]


def test_what_waits_is_counted_while_the_disk_cannot_be_opened(forgetful_disk: ForgetfulDisk) -> None:
    store = new_store(forgetful_disk.path)
    submit(store, 1, 2, 3)
    forgetful_disk.fail(Fault.READ_ONLY)
    assert deliver(store, 2) == [1, 2]
    try_the_disk_now(store)
    submit(store, 4)
    assert (store.state().kept, store.state().waiting) == ("memory", 2)
    forgetful_disk.fail(Fault.NONE)
    try_the_disk_now(store)
    assert (store.state().kept, store.state().waiting) == ("disk", 2)
    with closing(store):
        assert deliver(store) == [3, 4]


def test_a_disk_that_is_gone_does_not_keep_the_store_from_closing(forgetful_disk: ForgetfulDisk) -> None:
    store = new_store(forgetful_disk.path)
    submit(store, 1)
    forgetful_disk.cut_power(1, victim=0)
    submit(store, 2)
    try_the_disk_now(store)
    assert store.state().kept == "memory"
    store.close()


def test_events_of_memory_are_never_mistaken_for_others(small_disk: Path) -> None:
    store = new_store(small_disk)
    submit(store, 1)
    filler = fill(small_disk)
    submit(store, 2, 3, size=FILLER)
    taken = store.take(10)
    # The process ends here; what it sent from memory may have arrived.
    filler.unlink()
    fcntl.flock(store._lock or 0, fcntl.LOCK_UN)  # noqa: SLF001 - as a kill would
    again = new_store(small_disk)
    submit(again, 4)
    known = {message.key for message in taken}
    new = [message for message in again.take(10) if json.loads(message.payload)["number"] == 4]
    assert new
    assert new[0].key not in known


def test_a_violation_that_ends_while_the_disk_fails_ends_once(small_disk: Path) -> None:
    store = new_store(small_disk)
    store.commit(Changes(events=[START]))
    filler = fill(small_disk)
    submit(store, 1, size=FILLER)
    store.commit(Changes(events=[END]))
    assert store.state().kept == "memory"
    filler.unlink()
    store.close()
    with closing(new_store(small_disk)) as again:
        kinds = [json.loads(message.payload).get("event_type") for message in again.take(10)]
    assert kinds == ["violation_start", None, "violation_end"]


def test_violations_left_open_end_at_the_next_start(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.commit(Changes(events=[START]))
    store.commit(Changes(still_open={"a": Event("topic", ENDING | {"duration_s": 7.0})}))
    store.close()
    with closing(new_store(tmp_path)) as again:
        ended = json.loads(again.take(10)[-1].payload)
    assert (ended["event_type"], ended["reason"], ended["duration_s"]) == ("violation_end", "restart", 7.0)


def test_what_is_no_outbox_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "outbox.sqlite3"
    file.write_bytes(b"no database" * 1000)
    store = new_store(tmp_path)
    submit(store, 1)
    aside = store.state().set_aside
    assert aside
    assert (tmp_path / aside).read_bytes() == b"no database" * 1000
    assert "set aside" in caplog.text
    assert (deliver(store), store.state().kept) == ([1], "disk")


def test_of_damaged_outboxes_the_newest_stay(tmp_path: Path) -> None:
    for _ in range(6):
        (tmp_path / "outbox.sqlite3").write_bytes(b"no database")
        new_store(tmp_path).close()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 3


def damage(file: Path, chance: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if chance.random() < 0.3:
        del content[chance.randrange(len(content)) :]
    else:
        for _ in range(chance.choice((1, 1, 4, 50))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    file.write_bytes(content)


@pytest.mark.parametrize("seed", range(10))
def test_no_damage_ends_the_store_or_invents_an_event(seed: int, tmp_path: Path) -> None:
    events = {number: f"{number} {random.Random(number).random()}" for number in range(200)}
    store = new_store(tmp_path)
    for number, text in events.items():
        store.commit(Changes(events=[Event("topic", {"number": number, "text": text})]))
    store.close()
    damage(tmp_path / "outbox.sqlite3", random.Random(seed))
    with closing(new_store(tmp_path)) as again:
        submit(again, 1000)
        found = {}
        while messages := again.take(50):
            for message in messages:
                event = json.loads(message.payload)
                assert Key(event["stream"], event["sequence"]) == message.key
                found[event["number"]] = event["text"]
            again.commit(Changes(delivered=[message.key for message in messages]))
        assert found.pop(1000) == ""
        assert found.items() <= events.items()
        assert (again.state().kept, again.state().waiting) == ("disk", 0)


def test_damage_while_it_runs_is_noticed_and_what_is_whole_saved(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    submit(store, *range(2000), size=300)
    store._disk._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr] # noqa: SLF001
    store._disk._database.execute("PRAGMA cache_size=2")  # type: ignore[union-attr] # noqa: SLF001
    with (tmp_path / "outbox.sqlite3").open("r+b") as file:
        file.seek(400_000)
        file.write(b"\xff" * 8192)
    delivered: list[int] = []
    while len(delivered) < 1800:
        delivered += deliver(store, 20)
        store.commit(Changes())
    assert store.state().set_aside
    assert len(set(delivered)) == len(delivered)
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_what_was_set_aside_when_the_process_ended_is_read_at_the_next_start(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        submit(store, 1, 2)
    # As a kill in the middle leaves it: one file has its new name, the other one not.
    (tmp_path / "outbox.sqlite3").rename(tmp_path / "outbox.sqlite3.salvaging-20261125T120000Z")
    with closing(new_store(tmp_path)) as again:
        assert deliver(again) == [1, 2]
        assert again.state().set_aside
    assert not list(tmp_path.glob("*.salvaging-*"))
    (tmp_path / "outbox.sqlite3").rename(tmp_path / "outbox.sqlite3.salvaging-20261125T120001Z-wal")
    new_store(tmp_path).close()


def test_rows_that_a_damaged_file_shows_twice_are_saved_once(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        submit(store, *range(100), size=300)
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()[0]
        (page,) = database.execute("PRAGMA page_size").fetchone()
    with (tmp_path / "outbox.sqlite3").open("r+b") as file:
        file.seek((root - 1) * page)
        content = bytearray(file.read(page))
        assert content[0] == 5, "an inner page of a table"
        first, second = (int.from_bytes(content[12 + 2 * cell : 14 + 2 * cell], "big") for cell in (0, 1))
        content[second : second + 4] = content[first : first + 4]
        file.seek((root - 1) * page)
        file.write(content)
    with closing(new_store(tmp_path)) as again:
        assert again.state().kept == "disk"
        delivered = deliver(again)
    assert len(delivered) == len(set(delivered)) > 50


def test_a_number_that_damage_made_smaller_is_not_given_twice(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        submit(store, *range(20))
        stream = store.take(1)[0].key.stream
        store.rewind()
        deliver(store)
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        database.execute("UPDATE meta SET value = 3 WHERE name = 'sequence'")
    with closing(new_store(tmp_path)) as again:
        submit(again, 20)
        (message,) = again.take(10)
        assert message.key.stream != stream


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "outbox.sqlite3"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE photos (name TEXT)")
    before = file.read_bytes()
    with pytest.raises(OutputError, match=r"another program; choose another outbox\.path"):
        new_store(tmp_path)
    assert file.read_bytes() == before


def test_a_topic_can_be_left_out_for_a_while(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.commit(Changes(events=[Event(topic, {"number": number}) for number, topic in enumerate("aabab")]))
    assert [message.topic for message in store.take(2)] == ["a", "a"]
    assert [message.topic for message in store.take(10, except_topics={"a"})] == ["b", "b"]
    store.look_again()
    assert numbers(store) == [3]


def test_what_is_on_its_way_from_memory_is_dropped_last(small_disk: Path) -> None:
    store = Store(small_disk / "outbox.sqlite3", max_bytes=60_000)
    filler = fill(small_disk)
    submit(store, 1, size=FILLER)
    assert numbers(store) == [1]
    submit(store, 2, size=FILLER)
    submit(store, 3, size=FILLER)
    assert store.state().kept == "memory"
    assert numbers(store) == [3]
    filler.unlink()


def test_a_violation_that_came_to_the_disk_from_memory_ends_once(small_disk: Path) -> None:
    store = new_store(small_disk)
    filler = fill(small_disk)
    submit(store, 1, size=FILLER)
    store.commit(Changes(events=[START]))
    assert store.state().kept == "memory"
    filler.unlink()
    try_the_disk_now(store)
    filler = fill(small_disk)
    submit(store, 2, size=FILLER)
    store.commit(Changes(events=[END]))
    assert store.state().kept == "memory"
    filler.unlink()
    store.close()
    with closing(new_store(small_disk)) as again:
        kinds = [json.loads(message.payload).get("event_type") for message in again.take(10)]
    assert kinds.count("violation_end") == 1


def test_a_value_too_large_to_read_is_damage(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        submit(store, 1, 2, 3)
    with sqlite3.connect(tmp_path / "outbox.sqlite3") as database:
        database.execute("UPDATE events SET payload = zeroblob(50000000) WHERE position = 2")
    with closing(new_store(tmp_path)) as again:
        delivered: list[int] = []
        for _ in range(3):
            delivered += deliver(again)
        assert sorted(delivered) == [1, 3]
        assert again.state().set_aside


def test_a_damaged_event_at_the_head_blocks_nothing_while_the_disk_is_read_only(forgetful_disk: ForgetfulDisk) -> None:
    with closing(new_store(forgetful_disk.path)) as store:
        submit(store, 1, 2, 3)
        store._disk._database.execute("UPDATE events SET payload = x'00' WHERE position = 1")  # type: ignore[union-attr] # noqa: SLF001
        forgetful_disk.fail(Fault.READ_ONLY)
        assert numbers_one_by_one(store) == [2, 3]
        forgetful_disk.fail(Fault.NONE)


def numbers_one_by_one(store: Store) -> list[int]:
    return [json.loads(message.payload)["number"] for _ in range(5) for message in store.take(1)]


def test_a_topic_that_is_left_out_comes_when_it_is_looked_for_again(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        store.commit(Changes(events=[Event("held", {"number": 1}), Event("free", {"number": 2})]))
        assert [message.topic for message in store.take(10, except_topics=["held"])] == ["free"]
        assert store.take(10) == []
        store.look_again()
        assert [message.topic for message in store.take(10)] == ["held"]


def test_one_flipped_bit_in_an_events_place_costs_no_other(tmp_path: Path) -> None:
    with closing(new_store(tmp_path)) as store:
        submit(store, *range(400))
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray((tmp_path / "outbox.sqlite3").read_bytes())
    # The place of event 200 as SQLite writes it: 0x81 0x48; with one bit more it is 8392.
    payload = content.index(b'"number":199,')
    place = content.rindex(b"\x81\x48", payload - 150, payload)
    content[place : place + 2] = b"\xc1\x48"
    (tmp_path / "outbox.sqlite3").write_bytes(content)
    with closing(new_store(tmp_path)) as again:
        assert again.state().set_aside
        assert len(set(deliver(again))) >= 399


def test_a_full_disk_while_a_damaged_outbox_is_saved_costs_nothing(small_disk: Path) -> None:
    with closing(Store(small_disk / "outbox.sqlite3", max_bytes=50_000_000)) as store:
        submit(store, *range(900))
        store.commit(Changes(events=[START]))
    with closing(sqlite3.connect(small_disk / "outbox.sqlite3")) as database, database:
        database.execute("UPDATE meta SET value = 3 WHERE name = 'checksum'")
    filler = fill(small_disk)
    with closing(new_store(small_disk)) as again:
        assert again.state().kept == "memory"
        for _ in range(3):
            try_the_disk_now(again)
        assert again.state().kept == "memory"
        filler.unlink()
        try_the_disk_now(again)
        assert again.state().kept == "disk"
        delivered = deliver(again, 2000)
    assert delivered == [*range(900), None, None], "and the start with its end"


def test_what_could_not_be_renamed_after_it_was_saved_is_not_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(new_store(tmp_path)) as store:
        submit(store, 1)
        store.commit(Changes(events=[START]))
    with closing(sqlite3.connect(tmp_path / "outbox.sqlite3")) as database, database:
        database.execute("UPDATE meta SET value = 3 WHERE name = 'checksum'")

    def fails(*_: object) -> Path:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("facemask_edge.store.keep", fails)
        failing = new_store(tmp_path)
        assert failing.state().kept == "memory"
        failing.close()
    with closing(new_store(tmp_path)) as again:
        assert deliver(again) == [1, None, None]
    assert not list(tmp_path.glob("*.salvaging-*"))


@pytest.mark.parametrize("seed", range(5))
def test_what_a_failed_commit_left_on_a_damaged_disk_is_not_delivered_twice(seed: int, tmp_path: Path) -> None:
    with closing(ForgetfulDisk(tmp_path, seed=seed)) as disk:
        store = new_store(disk.path)
        submit(store, 1)
        disk.fail(Fault.FSYNC)
        submit(store, 2)
        assert store.state().kept == "memory"
        disk.fail(Fault.NONE)
        store._close_disk()  # noqa: SLF001 - as _return_to_disk does
        with closing(sqlite3.connect(disk.path / "outbox.sqlite3")) as database, database:
            database.execute("UPDATE meta SET value = 3 WHERE name = 'checksum'")
        try_the_disk_now(store)
        assert (store.state().kept, bool(store.state().set_aside)) == ("disk", True)
        assert sorted(deliver(store)) == [1, 2]
        store.close()


def test_the_first_drops_of_a_new_outbox_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(Store(tmp_path / "outbox.sqlite3", max_bytes=1000)) as store:
        submit(store, *range(20))
        caplog.clear()
        store._cannot_be_read(sqlite3.DatabaseError("malformed"))  # noqa: SLF001 - as a damaged page would
        store._next_drop_log = 0.0  # noqa: SLF001 - a minute is long
        submit(store, *range(5), size=500)
        assert "no room" in caplog.text
