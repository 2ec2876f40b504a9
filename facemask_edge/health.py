"""What the device says about itself on the topic ``health``."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facemask_edge import __version__
from facemask_edge.cameras.status import CameraStatus
from facemask_edge.clock import clock_is_synchronized, utc_now
from facemask_edge.delivery import Delivery
from facemask_edge.edge_tpu_devices import APEX, hottest, pcie_devices

HEALTH_SCHEMA = "facemask-edge/health/1"
SHORTEST_INTERVAL = 1.0
"""Seconds between two messages, whatever changes how often."""


class Health:
    """Says when the next message is due, and what is in it.

    Args:
        interval: Seconds between two messages; what changes for the worse is said at once.
        apex: Where the driver of PCIe Edge TPUs tells how warm they are.
    """

    def __init__(self, *, interval: float, apex: Path = APEX) -> None:
        self._interval = interval
        self._apex = apex
        self._started = time.monotonic()
        self._next = self._next_news = 0.0
        self._told: tuple[object, ...] = ()

    def is_due(self, delivery: Delivery, cameras: Mapping[str, CameraStatus]) -> bool:
        """Whether the interval is over, or the store, a camera or the broker is in another state than was told."""
        now = time.monotonic()
        is_news = now >= self._next_news and _alarming(delivery, cameras) != self._told
        return now >= self._next or is_news

    def payload(
        self, delivery: Delivery, cameras: Mapping[str, CameraStatus], accelerators: Mapping[str, str | int]
    ) -> str:
        """The message as JSON; the next one is due an interval later.

        Args:
            delivery: How delivery stands.
            cameras: How each live camera is, by name.
            accelerators: Where the models run.
        """
        now = time.monotonic()
        self._next, self._next_news = now + self._interval, now + SHORTEST_INTERVAL
        self._told = _alarming(delivery, cameras)
        store = delivery.store
        health: dict[str, Any] = {
            "schema": HEALTH_SCHEMA,
            "version": __version__,
            "time": utc_now(),
            "clock_synchronized": clock_is_synchronized(),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "queued": store.waiting,
            # By the device's clock, which may have been set since.
            "oldest_age_s": None if store.oldest is None else round(max(time.time() - store.oldest, 0.0), 1),
            "unheard": delivery.unheard,
            "dead_letters": store.dead_letters,
            "dropped": store.dropped,
            "outbox": {"kept": store.kept, "fault": store.fault, "set_aside": store.set_aside},
            "cameras": {name: _camera(status) for name, status in cameras.items()},
            "accelerator": {**accelerators, **self._temperature()},
            "mqtt": {"state": delivery.state, "server": delivery.server, "reason": delivery.reason},
        }
        return json.dumps(health)

    def _temperature(self) -> dict[str, float | None]:
        """Of the hottest Edge TPU; nothing where none is measured."""
        device = hottest(pcie_devices(self._apex))
        return {} if device is None else {"edge_tpu_celsius": device.celsius}


def _camera(status: CameraStatus) -> dict[str, Any]:
    width, height = status.size or (None, None)
    return {
        "state": status.state,
        "reason": status.reason or None,
        "width": width,
        "height": height,
        "frames": status.frames,
        "judged": status.judged,
        "losses": status.losses,
    }


def _alarming(delivery: Delivery, cameras: Mapping[str, CameraStatus]) -> tuple[object, ...]:
    store = delivery.store
    pictures = tuple((status.state, status.size) for status in cameras.values())
    # What is retained of a time without a connection says so until the next one.
    return store.kept, store.set_aside, store.dead_letters > 0, pictures, delivery.state
