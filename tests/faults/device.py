"""A device without a camera: the real store and publisher, and made-up violations at any rate.

Run as a program of its own, so that it can be killed::

    python -m tests.faults.device --rate 50 --count 200 --set mqtt.servers=[...] --set outbox.path=...

It says on stdout ``decided ID KIND`` before it hands an event over, and on stderr, as the daemon does, what was
recorded.
"""

import argparse
import dataclasses
import faulthandler
import logging
import random
import signal
import sys
import threading
import time
from typing import Any

from facemask_edge.config_file import load_config
from facemask_edge.health import Health
from facemask_edge.identifiers import uuid7
from facemask_edge.manifest import ModelEntry, find_model
from facemask_edge.messages import Topics, violation_payload
from facemask_edge.mqtt import Publisher
from facemask_edge.store import Store
from facemask_edge.values import Box, Track, Violation

SIZE = 640, 480
ON_CPU = {"classifier": "cpu", "detector": "cpu", "edge_tpu_deaths": 0}
LONGEST_VIOLATION = 1.0
"""Seconds."""


class Device:
    """Starts and ends violations, as the frame loop does."""

    def __init__(self, overrides: list[str], seed: int) -> None:
        config = load_config(None, overrides)
        outbox = config.outbox
        store = Store(outbox.path, max_bytes=outbox.max_bytes, min_free_bytes=outbox.min_free_bytes)
        self.publisher = Publisher(config.mqtt, device=config.device_name, store=store)
        self.health = Health(config.health)
        self._topics = Topics(config.mqtt.prefix, config.device_name)
        self._device = config.device_name
        self._model: ModelEntry = find_model(config.classifier.model)[1]
        self._chance = random.Random(seed)
        self._open: list[tuple[float, Violation]] = []

    def start_one(self) -> None:
        box = Box(self._chance.uniform(0, 500), self._chance.uniform(0, 300), 60.0, 70.0)
        started = Violation("violation_start", uuid7(), Track(uuid7(), box, 0.9), 0.97, 5, time.monotonic())
        self._submit(started, ending=self._ended(started, "restart"))
        self._open.append((time.monotonic() + self._chance.uniform(0, LONGEST_VIOLATION), started))

    def end_those_over(self) -> None:
        now = time.monotonic()
        for until, started in list(self._open):
            if now >= until:
                self._open.remove((until, started))
                self._submit(self._ended(started, "left"))

    def end_all(self, reason: str) -> None:
        for _, started in self._open:
            self._submit(self._ended(started, reason))
        self._open.clear()

    def tell_health(self) -> None:
        if self.health.is_due(self.publisher.delivery, {}):
            message = self.health.message(self.publisher.delivery, {}, ON_CPU, [])
            self.publisher.publish_latest(self._topics.health, message.to_json(), qos=1)

    def _ended(self, started: Violation, reason: str) -> Violation:
        duration = time.monotonic() - started.timestamp
        return dataclasses.replace(started, event_type="violation_end", duration=duration, reason=reason)

    def _submit(self, violation: Violation, *, ending: Violation | None = None) -> None:
        print("decided", violation.id, violation.event_type, flush=True)
        last = None if ending is None else self._payload(ending)
        self.publisher.submit(self._topics.violation("door"), self._payload(violation), ending=last)

    def _payload(self, violation: Violation) -> dict[str, Any]:
        return violation_payload(violation, SIZE, device=self._device, camera="door", model=self._model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=50, help="violations a second")
    parser.add_argument("--count", type=int, default=0, help="violations in all; 0 goes on until it is stopped")
    parser.add_argument("--drain", type=float, default=0, help="seconds to wait for the broker at the end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    # Never set: time.sleep fails under libfaketime when the clock jumps, and an event that a signal sets in the middle
    # of its own wait would wait for itself.
    pause = threading.Event()
    stops: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stops.append(received))
    # Whoever finds that this process hangs may ask where.
    faulthandler.register(signal.SIGUSR1)
    device = Device(arguments.overrides, arguments.seed)
    device.publisher.start()
    started, made = time.monotonic(), 0
    while not stops and device.publisher.is_alive and not (arguments.count and made >= arguments.count):
        # What was missed while this process was stopped or slow is caught up, but not once it is to end.
        due = int((time.monotonic() - started) * arguments.rate)
        for _ in range(min(due, arguments.count or due) - made):
            if stops:
                break
            device.start_one()
            made += 1
        pause.wait(0.002)
        device.end_those_over()
        device.tell_health()
    device.end_all("stopped")
    delivered = device.publisher.drain(1.5 if stops else arguments.drain)
    device.publisher.stop()
    sys.exit(0 if delivered or stops else 75)


if __name__ == "__main__":
    main()
