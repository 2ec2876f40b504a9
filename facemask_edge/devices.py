"""What devices say about themselves over MQTT, for who watches many of them; none of it is trusted.

A message may come from anybody whom the broker lets publish: names are those that a configuration allows, texts are cut
and hold nothing that a terminal would obey, and what is no number is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from facemask_edge.check.told import object_of, part
from facemask_edge.config import is_name
from facemask_edge.redaction import printable

MOST_DEVICES, MOST_CAMERAS, MOST_WARNINGS = 500, 32, 32
"""Shown; of cameras and warnings, those of one device."""
LONGEST = 200
"""Letters of a text that are shown."""
LARGEST = 1e15
"""No number is, nor what JSON has no word for."""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One camera of one device, or a device without any; None is what was not said."""

    device: str
    status: str
    camera: str
    state: str
    fps: float | None
    latency_p95_ms: float | None
    faces: float | None
    mask: float | None
    no_mask: float | None
    undetermined: float | None
    queued: float | None
    cpu_temperature_c: float | None
    warnings: tuple[str, ...]
    """Of this camera; those of the device stand at its first one."""


@dataclass(slots=True)
class _Device:
    status: str = "unknown"
    health: Object = field(default_factory=dict)
    is_unreadable: bool = False
    people: dict[str, Object] = field(default_factory=dict)


class Devices:
    """What was heard so far.

    Args:
        prefix: First level of every topic.
        only: Name of the device that is of interest; None for all.
    """

    def __init__(self, prefix: str, only: str | None = None) -> None:
        self._devices: dict[str, _Device] = {}
        start = f"{prefix}/{only or '+'}"
        self.topics = [f"{start}/status", f"{start}/health", f"{start}/+/people"]
        """To subscribe to."""

    def heard(self, topic: str, payload: bytes) -> None:
        """A message came on one of the topics."""
        _, name, *rest = topic.split("/")
        if not is_name(name):
            return
        if name not in self._devices and len(self._devices) >= MOST_DEVICES:
            return
        device = self._devices.setdefault(name, _Device())
        match rest:
            case ["status"]:
                device.status = _text(payload.decode(errors="replace")) or "unknown"
            case ["health"]:
                said = object_of(payload)
                device.health, device.is_unreadable = said or {}, said is None
            case [camera, "people"] if is_name(camera):
                if camera in device.people or len(device.people) < MOST_CAMERAS:
                    device.people[camera] = object_of(payload) or {}

    def rows(self) -> list[Row]:
        """All devices by name, each with its cameras by name."""
        return [row for name, device in sorted(self._devices.items()) for row in _rows(name, device)]


def _rows(name: str, device: _Device) -> Iterator[Row]:
    health = device.health
    cameras = {camera: part(part(health, "cameras"), camera) for camera in part(health, "cameras")}
    known = [camera for camera in cameras if is_name(camera)][:MOST_CAMERAS]
    names = sorted({*known, *device.people}) or [""]
    warnings = _warnings(health)
    for number, camera in enumerate(names):
        told, people = cameras.get(camera, {}), device.people.get(camera, {})
        of_device = [says for about, says in warnings if number == 0 and about not in names]
        yield Row(
            device=name,
            status=device.status,
            camera=camera,
            state="no JSON" if device.is_unreadable else _text(told.get("state")),
            fps=_number(told.get("fps")),
            latency_p95_ms=_number(part(told, "latency_ms").get("p95")),
            faces=_number(told.get("faces")),
            mask=_number(people.get("mask")),
            no_mask=_number(people.get("no_mask")),
            undetermined=_number(people.get("undetermined")),
            queued=_number(health.get("queued")),
            cpu_temperature_c=_number(health.get("cpu_temperature_c")),
            warnings=tuple(of_device + [says for about, says in warnings if about == camera]),
        )


def _warnings(health: Object) -> list[tuple[str, str]]:
    """Of each warning the camera, and what it says."""
    found = health.get("warnings")
    warnings = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return [(str(each.get("camera")), _text(each.get("says"))) for each in warnings[:MOST_WARNINGS]]


def _text(value: object) -> str:
    return printable(value)[:LONGEST] if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < LARGEST else None
