"""No fault but much to do: many violations a second, and a backlog of a million."""

import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.peak_memory import mebibytes
from facemask_edge.events import Changes, Event
from facemask_edge.store import Store
from tests.conftest import Mosquitto
from tests.faults.broker_faults import PERSISTENT
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import device, settings
from tests.subscriber import Subscriber, wait_until

RATE = 100
"""Violations a second, each with a start and an end."""
BACKLOG_ROUND = 10_000
"""Events that one round stands for; a hundred rounds are a million."""
MOST_GROWTH = 10.0
"""MiB that the device may grow by while it delivers a backlog of any length."""


def sustained_load(folder: Path, rounds: int, seed: int) -> Outcome:
    """100 violations a second for as many seconds as there are rounds."""
    broker = Mosquitto(folder, *PERSISTENT).start()
    with closing(Subscriber(broker.port, persistent=True)) as witness:
        running = device(settings(folder, broker.url), rate=RATE, count=RATE * rounds, drain=60, seed=seed)
        assert running.wait(rounds + 90) == 0, running.log[-20:]
        wait_until(lambda: arrived(witness.events()) >= set(running.recorded), 30)
        outcome = compare(
            "100 violations a second", witness.events(), recorded=running.recorded, decided=running.decided
        )
    broker.stop()
    outcome.tries = rounds
    outcome.remark = f"{rounds} s, largest queue {_largest_queue(witness)}"
    return outcome


def backlog(folder: Path, rounds: int, seed: int) -> Outcome:  # noqa: ARG001 - there is no chance in it
    """A backlog of 10,000 events a round, in order, without memory growing."""
    count = BACKLOG_ROUND * rounds
    _fill(folder, count)
    broker = Mosquitto(folder, *PERSISTENT).start()
    with closing(Counter(broker.port)) as counter:
        options = settings(folder, broker.url, outbox__max_bytes=4_000_000_000)
        started = time.monotonic()
        running = device(options, rate=0.1)
        assert wait_until(lambda: counter.events > count * 0.1, 600)
        before = mebibytes("VmRSS", running.process.pid) or 0.0
        assert wait_until(lambda: counter.events >= count * 0.99, 3600)
        growth = (mebibytes("VmRSS", running.process.pid) or 0.0) - before
        assert wait_until(lambda: counter.events >= count, 60)
        seconds = time.monotonic() - started
        running.stop()
    broker.stop()
    return Outcome(
        "backlog",
        tries=1,
        decided=count,
        delivered=counter.events,
        lost=max(count - counter.events, 0),
        invented=counter.disordered,
        duplicates=counter.duplicates,
        recovery=seconds,
        remark=f"{count / seconds:.0f} events a second, memory {growth:+.1f} MiB",
    )


def _fill(folder: Path, count: int) -> None:
    payload: dict[str, Any] = {"camera": "door", "event_type": "violation_start", "text": "x" * 500}
    with closing(Store(folder / "outbox.sqlite3", max_bytes=4_000_000_000)) as store:
        for first in range(0, count, 1000):
            events = [
                Event("facemask/pi/door/backlog", payload | {"number": number}) for number in range(first, first + 1000)
            ]
            store.commit(Changes(events=events))


def _largest_queue(witness: Subscriber) -> int:
    return max((health["queued"] for health in witness.healths()), default=0)


class Counter:
    """A subscriber that keeps no event, only how many there were and whether their order was right."""

    def __init__(self, port: int) -> None:
        self.events = 0
        self.disordered = 0
        self.duplicates = 0
        self._newest = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = self._count
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("facemask/pi/door/backlog", qos=1)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _count(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        sequence = json.loads(message.payload)["sequence"]
        if sequence <= self._newest:
            self.duplicates += 1
            return
        self.disordered += sequence != self._newest + 1
        self._newest = sequence
        self.events += 1
