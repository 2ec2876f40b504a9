"""Devices without a camera: the real outbox and publisher of each, and violations that nobody committed.

    python -m tests.fleet.devices FOLDER SERVER... --devices 30 --rate 300 --seconds 60 [--first 0] [--protocol 3.1.1]

Prints one line of JSON at the end: how many messages were decided, and how many of them nobody has acknowledged.
"""

import argparse
import itertools
import json
import logging
import sys
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from facemask_edge.config import MqttConfig
from facemask_edge.identifiers import uuid7
from facemask_edge.manifest import ModelEntry, find_model
from facemask_edge.messages import Topics, people_payload, violation_payload
from facemask_edge.mqtt import Publisher
from facemask_edge.store import Store
from facemask_edge.values import Box, Label, Track, Verdict, Violation

CAMERA = "door"
LASTS = 1.0
"""Seconds from the start of a violation to its end."""
MAX_BYTES = 50_000_000
DRAIN_TIMEOUT = 120.0
"""Seconds to wait for the acknowledgements after the last one."""


class Device:
    """One that sees somebody without a mask again and again."""

    def __init__(self, folder: Path, name: str, config: MqttConfig, model: ModelEntry) -> None:
        self.name = name
        self._model = model
        self._topics = Topics(config.prefix, name)
        self._in_view: dict[str, Verdict] = {}
        store = Store(folder / name / "outbox.sqlite3", max_bytes=MAX_BYTES)
        self.publisher = Publisher(config, device=name, store=store)
        self.publisher.start()

    def starts(self) -> Violation:
        """Somebody without a mask comes."""
        track = Track(str(uuid.uuid4()), Box(412, 120, 96, 118), 0.9)
        violation = Violation("violation_start", uuid7(), track, 0.97, 6, time.monotonic())
        self._in_view[violation.id] = Verdict(track, Label.NO_MASK, 0.97, 6)
        self._tell(violation)
        return violation

    def ends(self, violation: Violation) -> None:
        """They leave."""
        del self._in_view[violation.id]
        self._tell(replace(violation, event_type="violation_end", duration=LASTS, reason="left"))

    def _tell(self, violation: Violation) -> None:
        payload = violation_payload(violation, (1280, 720), device=self.name, camera=CAMERA, model=self._model)
        self.publisher.submit(self._topics.violation(CAMERA), payload)
        labels = [verdict.label for verdict in self._in_view.values()]
        people = people_payload(labels, len(self._in_view))
        self.publisher.publish_latest(self._topics.people(CAMERA), people)


def run(devices: Sequence[Device], *, rate: float, seconds: float) -> tuple[int, int]:
    """So many violations a second, each with a start and an end, spread over all devices.

    Returns:
        How many messages were decided, and how many were never acknowledged.
    """
    open_since: deque[tuple[float, Device, Violation]] = deque()
    decided = 0
    begin = time.monotonic()
    in_turn = itertools.cycle(devices)
    for number in range(round(rate * seconds)):
        due = begin + number / rate
        while open_since and open_since[0][0] + LASTS <= due:
            _, device, violation = open_since.popleft()
            device.ends(violation)
            decided += 1
        time.sleep(max(due - time.monotonic(), 0))
        device = next(in_turn)
        open_since.append((due, device, device.starts()))
        decided += 1
    for _, device, violation in open_since:
        device.ends(violation)
        decided += 1
    give_up = time.monotonic() + DRAIN_TIMEOUT
    for device in devices:
        device.publisher.drain(max(give_up - time.monotonic(), 0.1))
    return decided, sum(device.publisher.delivery.store.waiting for device in devices)


def main() -> None:
    """Be so many devices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("servers", nargs="+")
    parser.add_argument("--devices", type=int, default=30)
    parser.add_argument("--rate", type=float, default=300.0, help="violations a second, of all")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="number of the first one")
    parser.add_argument("--protocol", default="3.1.1")
    options = parser.parse_args()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    config = MqttConfig(servers=options.servers, protocol=options.protocol)
    _, model = find_model("mask_classifier_int8.tflite")
    names = [f"door-{number:04}" for number in range(options.first, options.first + options.devices)]
    devices = [Device(options.folder, name, config, model) for name in names]
    decided, unacknowledged = run(devices, rate=options.rate, seconds=options.seconds)
    for device in devices:
        device.publisher.stop()
    print(json.dumps({"decided": decided, "unacknowledged": unacknowledged}))


if __name__ == "__main__":
    main()
