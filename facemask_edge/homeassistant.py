"""Announces this device to Home Assistant, by its MQTT device discovery (2024.11 and later).

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload tells what is in the message. One wrong key
may have all of it refused, so the tests show it to a real Home Assistant.
"""

import json
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from facemask_edge import __version__
from facemask_edge.cameras.status import CameraState
from facemask_edge.config import Config
from facemask_edge.kept_file import no_longer_there
from facemask_edge.messages import Topics
from facemask_edge.switches import Number, Switch, available
from facemask_edge.values import Label

ANNOUNCE = "announce itself to Home Assistant"
HEAR = "hear when Home Assistant starts"
ONLINE = b"online"
LONGEST_DELAY = 10.0
"""Seconds in which all devices of a house announce themselves when Home Assistant has started."""
AVAILABLE = "{{ 'online' if value == 'online' else 'offline' }}"
"""A device that has stopped is as little there as one that is offline."""
LABELS = {Label.MASK: "with mask", Label.NO_MASK: "without mask", Label.UNDETERMINED: "undetermined"}
BUTTONS = {"restart"}
"""Actions that Home Assistant has a class of buttons for."""
Component = dict[str, Any]


class HomeAssistant:
    """What Home Assistant is told, and when.

    Args:
        config: The whole configuration.
        device: Name of this device.
        file: Keeps which components were ever announced: each has to be taken back by name.
        actions: Names of what can be ordered from afar.
    """

    def __init__(self, config: Config, *, device: str, file: Path, actions: Iterable[str]) -> None:
        self._topics = Topics(config.mqtt.prefix, device)
        self._device = device
        self._id = f"{config.mqtt.prefix}/{device}"
        self.topic = discovery_topic(config, device)
        """Where the announcement is retained."""
        self.birth_topic = f"{config.homeassistant.prefix}/status"
        """Where Home Assistant says that it has started."""
        components = dict(self._components(config, actions))
        self.announcement = json.dumps(self._announcement(components, _taken_back(file, components)))
        """As JSON; an announcement is the same for as long as the process lives."""
        self._due = float("inf")

    def heard(self, payload: bytes) -> None:
        """Told what came on ``birth_topic``: a moment after it has started, the announcement is due again."""
        if payload == ONLINE:
            delay = random.uniform(0, LONGEST_DELAY)  # noqa: S311 - jitter, not a secret
            # One that starts again and again puts nothing off.
            self._due = min(self._due, time.monotonic() + delay)

    def is_due(self) -> bool:
        """Whether to announce now; said once."""
        if time.monotonic() < self._due:
            return False
        self._due = float("inf")
        return True

    def _announcement(self, components: Mapping[str, Component], taken_back: dict[str, Component]) -> Component:
        return {
            "device": {
                "identifiers": [f"facemask-edge {self._id}"],
                "name": self._device,
                "manufacturer": "facemask-edge",
                "model": "mask-compliance camera",
                "sw_version": __version__,
            },
            "origin": {"name": "facemask-edge", "sw_version": __version__},
            "availability_topic": self._topics.status,
            "availability_template": AVAILABLE,
            "components": {
                key: {**component, "unique_id": f"facemask-edge {self._id} {key}", "qos": 1}
                for key, component in components.items()
            }
            | taken_back,
        }

    def _components(self, config: Config, actions: Iterable[str]) -> Iterator[tuple[str, Component]]:
        for camera in config.cameras:
            for key, component in self._of_camera(camera.name, with_pictures=config.snapshots.enabled):
                # No escaped name has two underscores: the snapshot of a camera called take is not the device's button.
                yield f"{escaped(camera.name)}__{key}", {**component, "name": f"{camera.name} {component['name']}"}
        yield from self._of_device()
        if not config.mqtt.orders:
            return
        for name, switch in available(config).items():
            yield name, self._switch(name, switch)
        for name in actions:
            yield (
                name,
                {
                    "platform": "button",
                    "name": name.capitalize().replace("_", " "),
                    "command_topic": self._topics.order(name),
                    "entity_category": "config",
                    **({"device_class": name} if name in BUTTONS else {}),
                },
            )

    def _of_camera(self, camera: str, *, with_pictures: bool) -> Iterator[tuple[str, Component]]:
        if with_pictures:
            yield "snapshot", {"platform": "camera", "name": "snapshot", "topic": self._topics.snapshot(camera)}
        people, in_health = self._topics.people(camera), f"value_json.cameras['{camera}']"
        yield (
            "violation",
            {
                "platform": "event",
                "name": "violation",
                "state_topic": self._topics.violation(camera),
                "event_types": ["violation_start", "violation_end"],
                "icon": "mdi:face-mask-outline",
            },
        )
        yield (
            "violation_now",
            {
                "platform": "binary_sensor",
                "name": "violation now",
                "state_topic": people,
                "value_template": "{{ 'ON' if value_json.violations else 'OFF' }}",
                "device_class": "problem",
            },
        )
        for label, shown in LABELS.items():
            yield (
                label.value,
                {
                    "platform": "sensor",
                    "name": f"people {shown}",
                    "state_topic": people,
                    "value_template": f"{{{{ value_json.{label.value} }}}}",
                    "state_class": "measurement",
                    "icon": "mdi:account-group",
                },
            )
        yield (
            "state",
            self._diagnostic(
                f"{in_health}.state", name="state", device_class="enum", options=[state.value for state in CameraState]
            ),
        )
        yield (
            "fps",
            self._diagnostic(
                f"{in_health}.fps", name="frames per second", state_class="measurement", unit_of_measurement="fps"
            ),
        )
        yield (
            "latency",
            self._diagnostic(
                f"({in_health}.latency_ms or {{}}).get('p95')",
                name="latency",
                device_class="duration",
                state_class="measurement",
                unit_of_measurement="ms",
            ),
        )

    def _of_device(self) -> Iterator[tuple[str, Component]]:
        yield (
            "warnings",
            {
                "platform": "binary_sensor",
                "name": "Warning",
                "state_topic": self._topics.health,
                "value_template": "{{ 'ON' if value_json.warnings else 'OFF' }}",
                "json_attributes_topic": self._topics.health,
                "json_attributes_template": "{{ {'warnings': value_json.warnings} | tojson }}",
                "device_class": "problem",
                "entity_category": "diagnostic",
            },
        )
        counted = {"state_class": "measurement"}
        yield "queued", self._diagnostic("value_json.queued", name="Events that wait", **counted)
        yield "dead_letters", self._diagnostic("value_json.dead_letters", name="Dead letters", **counted)
        yield (
            "cpu_temperature",
            self._diagnostic(
                "value_json.cpu_temperature_c",
                name="Processor temperature",
                device_class="temperature",
                unit_of_measurement="°C",
                **counted,
            ),
        )

    def _diagnostic(self, value: str, **options: Any) -> Component:  # noqa: ANN401 - as Home Assistant has them
        return {
            "platform": "sensor",
            "state_topic": self._topics.health,
            "value_template": f"{{{{ {value} }}}}",
            "entity_category": "diagnostic",
            **options,
        }

    def _switch(self, name: str, switch: Switch) -> Component:
        topics = {"command_topic": self._topics.order(name), "state_topic": self._topics.switch(name)}
        if isinstance(switch, Number):
            bounds = {"min": switch.minimum, "max": switch.maximum, "step": switch.step}
            return {"platform": "number", "name": switch.title, "entity_category": "config", **topics, **bounds}
        return {"platform": "switch", "name": switch.title, **topics}


def discovery_topic(config: Config, device: str) -> str:
    """Where the announcement of a device is retained."""
    return f"{config.homeassistant.prefix}/device/{escaped(config.mqtt.prefix)}__{escaped(device)}/config"


def escaped(name: str) -> str:
    """A name as Home Assistant takes it for a part of a topic: it knows no dots."""
    return re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):02x}", name)


def _taken_back(file: Path, components: Mapping[str, Component]) -> dict[str, Component]:
    """Components that were announced before and are no more, each as it is taken back."""
    platforms = {key: component["platform"] for key, component in components.items()}
    gone = no_longer_there(file, platforms, unless_kept="what Home Assistant is to forget later, it will not")
    return {key: {"platform": platform} for key, platform in gone.items()}
