"""What is true of the store whatever happens in whatever order, tried with thousands of orders.

A real SQLite file on a real file system that can be told to fail (tests/faults/forgetful_disk.py).
"""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from facemask_edge.events import Changes, Event, Key, Message
from facemask_edge.store import Store
from tests.faults.forgetful_disk import Fault, ForgetfulDisk

TOPICS = ("door", "yard")


class Life(RuleBasedStateMachine):
    """A store on a disk, a broker that takes what it is given, and the world."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.disk = ForgetfulDisk(self.folder, seed=0)
        self.store = self._opened()
        self.submitted: list[str] = []
        self.delivered: dict[str, Key] = {}
        self.on_their_way: list[Message] = []
        self.open: set[str] = set()
        """Violations that started and were not ended by this process."""
        self.works = True

    def _opened(self) -> Store:
        return Store(self.disk.path / "outbox.sqlite3", max_bytes=50_000_000)

    @rule(topic=st.sampled_from(TOPICS), ends=st.booleans())
    def start(self, topic: str, *, ends: bool) -> None:
        name = f"{len(self.submitted)}"
        start, end = {"id": name, "event_type": "start"}, {"id": name, "event_type": "end"}
        events = [Event(topic, start, end)] + ([Event(topic, end)] if ends else [])
        self.store.commit(Changes(events=events))
        self.submitted += [f"{name} start", f"{name} end"]
        if not ends:
            self.open.add(name)

    @rule(limit=st.integers(1, 5), held=st.sampled_from([(), ("door",), ("yard",)]))
    def take(self, limit: int, held: tuple[str, ...]) -> None:
        taken = self.store.take(limit, except_topics=held)
        assert not {message.key for message in taken} & {message.key for message in self.on_their_way}
        assert not {message.topic for message in taken} & set(held)
        self.on_their_way += taken

    @precondition(lambda self: self.on_their_way)
    @rule(count=st.integers(1, 5))
    def acknowledge(self, count: int) -> None:
        done, self.on_their_way = self.on_their_way[:count], self.on_their_way[count:]
        for message in done:
            self._got(message)
        self.store.commit(Changes(delivered=[message.key for message in done]))

    @rule()
    def connect_again(self) -> None:
        self.store.rewind()
        self.on_their_way.clear()

    @rule()
    def look_again(self) -> None:
        self.store.look_again()

    @rule(fault=st.sampled_from([Fault.FULL, Fault.READ_ONLY, Fault.FSYNC]))
    def disk_fails(self, fault: Fault) -> None:
        self.disk.fail(fault)
        self.works = False

    @rule()
    def disk_works(self) -> None:
        self.disk.fail(Fault.NONE)
        self.works = True
        self.store._next_try = 0.0  # noqa: SLF001 - ten seconds are long
        self.store.commit(Changes())
        assert self.store.state().kept == "disk"

    @precondition(lambda self: self.works and self.store.state().kept == "disk")
    @rule()
    def start_the_program_again(self) -> None:
        self.store.close()
        self.on_their_way.clear()
        self.store = self._opened()
        # Their ends were made by that.
        self.open.clear()

    def _got(self, message: Message) -> None:
        event = json.loads(message.payload)
        name = f"{event['id']} {event['event_type']}"
        assert name in self.submitted, "invented"
        assert Key(event["stream"], event["sequence"]) == message.key
        assert self.delivered.setdefault(name, message.key) == message.key, "under two keys"

    @invariant()
    def counts_what_waits(self) -> None:
        ended = {name for name in self.submitted if name.removesuffix(" end") not in self.open}
        assert self.store.state().waiting == len(ended - self.delivered.keys())

    def teardown(self) -> None:
        with suppress(AssertionError):
            self.disk_works()
        self.store.close()
        last = self._opened()
        while taken := last.take(10):
            for message in taken:
                self._got(message)
            last.commit(Changes(delivered=[message.key for message in taken]))
        last.close()
        self.disk.close()
        assert self.delivered.keys() == set(self.submitted), "nothing is lost, and every violation has its end"


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_invented_in_any_order() -> None:
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
