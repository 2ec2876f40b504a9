"""What leaves the device: topics and payloads of the MQTT contract, version 1 (see docs/mqtt.md)."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from facemask_edge.clock import clock_is_synchronized, utc_now
from facemask_edge.manifest import ModelEntry
from facemask_edge.values import Label, Violation

VIOLATION_SCHEMA = "facemask-edge/violation/1"
SCHEMA_FILE = Path(__file__).parent / "schemas" / "violation-1.json"


class Topics:
    """The topics of one device."""

    def __init__(self, prefix: str, device: str) -> None:
        self._device = f"{prefix}/{device}"

    @property
    def status(self) -> str:
        """``online``, ``offline`` (last will) or ``stopped``; retained."""
        return f"{self._device}/status"

    @property
    def health(self) -> str:
        """How the device is, as JSON; retained."""
        return f"{self._device}/health"

    @property
    def everything(self) -> str:
        """Matches all topics of this device."""
        return f"{self._device}/#"

    @property
    def orders(self) -> str:
        """Matches the topics on which orders come."""
        return self.order("+")

    @property
    def error(self) -> str:
        """Which order was refused, and why."""
        return f"{self._device}/error"

    @property
    def check(self) -> str:
        """Where ``facemask-edge check`` sends a message to itself."""
        return f"{self._device}/check"

    def order(self, name: str) -> str:
        """Where a switch is changed, or an action ordered."""
        return f"{self._device}/{name}/set"

    def name_of_order(self, topic: str) -> str:
        """Of the switch or action."""
        return topic.removeprefix(f"{self._device}/").removesuffix("/set")

    def switch(self, name: str) -> str:
        """What a switch is now; retained."""
        return f"{self._device}/{name}/state"

    def violation(self, camera: str) -> str:
        """One JSON object for each start and each end."""
        return f"{self._device}/{camera}/violation"

    def snapshot(self, camera: str) -> str:
        """A JPEG of a violation, or of what was to be seen when one was ordered."""
        return f"{self._device}/{camera}/snapshot"

    def people(self, camera: str) -> str:
        """Counts of the faces in view and of open violations, on change; retained."""
        return f"{self._device}/{camera}/people"


def violation_payload(
    violation: Violation, size: tuple[int, int], *, device: str, camera: str, model: ModelEntry
) -> dict[str, Any]:
    """The payload of a violation, without the ``stream`` and ``sequence`` that the outbox gives it.

    Args:
        violation: What starts or ends.
        size: Width and height of the camera's frames in pixels.
        device: Its name.
        camera: Its name.
        model: The classifier that judged.
    """
    width, height = size
    return {
        "schema": VIOLATION_SCHEMA,
        "event_type": violation.event_type,
        "id": violation.id,
        "device": device,
        "camera": camera,
        "time": utc_now(),
        "clock_synchronized": clock_is_synchronized(),
        "track": violation.track.id,
        "probability": round(violation.probability, 3),
        "observations": violation.observations,
        "face": violation.track.box.clipped(width, height).rounded(),
        "frame": {"width": width, "height": height},
        "model": {"name": model.name, "sha256": model.sha256},
        **violation.details(),
    }


def people_payload(labels: Iterable[Label], violations: int) -> str:
    """The counts of the faces in view by label, and of the violations that are open, as JSON."""
    counts = Counter(labels)
    return json.dumps({label.value: counts[label] for label in Label} | {"violations": violations})


def refusal_payload(topic: str, payload: str, reason: str) -> str:
    """The answer to an order that was not carried out, as JSON."""
    return json.dumps({"time": utc_now(), "topic": topic, "payload": payload, "reason": reason})
