"""What the device says about itself on the topic ``health``: when it is due, and what is in it."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from facemask_edge import __version__, raspberry_pi
from facemask_edge.camera_figures import CameraFigures
from facemask_edge.cameras.status import CameraStatus
from facemask_edge.clock import clock_is_synchronized, utc_now
from facemask_edge.config import HealthConfig
from facemask_edge.delivery import Delivery
from facemask_edge.edge_tpu_devices import APEX, hottest, pcie_devices
from facemask_edge.health_message import (
    AcceleratorHealth,
    HealthMessage,
    HealthWarning,
    ModelInUse,
    MqttHealth,
    OutboxHealth,
    RolloutHealth,
)
from facemask_edge.health_warnings import LOOK_INTERVAL, CameraWarnings, rollout_warnings, throttled_warning
from facemask_edge.pipeline import Pipeline
from facemask_edge.temperature import cpu_temperature
from facemask_edge.values import Frame

SHORTEST_INTERVAL = 1.0
"""Seconds between two messages, whatever changes how often."""
logger = logging.getLogger(__name__)


class Health:
    """Counts what is judged, warns of what is not as it should be, and makes the messages.

    Args:
        config: The section ``health``; what changes for the worse is said at once.
        restarts: Starts so far after an end that was not orderly.
        rollout: Tells what was delivered to this device.
        throttled: Asks the firmware whether it slows the processor down, see ``raspberry_pi.throttled``.
        apex: Where the driver of PCIe Edge TPUs tells how warm they are.
    """

    def __init__(
        self,
        config: HealthConfig,
        *,
        restarts: int = 0,
        rollout: Callable[[], RolloutHealth | None] = lambda: None,
        throttled: Callable[[], int | None] = raspberry_pi.throttled,
        apex: Path = APEX,
    ) -> None:
        self._config = config
        self._restarts = restarts
        self._rollout = rollout
        self._ask_firmware = throttled
        self._apex = apex
        self._started = time.monotonic()
        self._next = self._next_news = self._next_question = 0.0
        self._told: tuple[object, ...] = ()
        self._figures: dict[str, CameraFigures] = {}
        self._watched: dict[str, CameraWarnings] = {}
        self._throttled: list[str] | None = None
        self._delivered: RolloutHealth | None = None
        self._warnings: list[HealthWarning] = []
        self.newest: HealthMessage | None = None
        """The message that was made last; may be read by any thread."""

    def judged(self, camera: str, frame: Frame, pipeline: Pipeline, *, latency: float | None = None) -> None:
        """Told that a frame was judged; looks at one now and then.

        Args:
            camera: Its name.
            frame: What was judged.
            pipeline: By this one.
            latency: Seconds from capture to decision; None for a recording.
        """
        now = time.monotonic()
        figures = self._figures_of(camera)
        figures.took_in(pipeline, latency)
        if camera not in self._watched:
            self._watched[camera] = CameraWarnings(camera, no_face_after=self._config.no_face_after, now=now)
        warnings = self._watched[camera]
        warnings.saw(pipeline.faces, now)
        if warnings.is_look_due(now):
            warnings.looked(figures.look_at(frame.image), now)

    def is_due(self, delivery: Delivery, cameras: Mapping[str, CameraStatus]) -> bool:
        """Whether the interval is over, or the store, a camera, the broker or a warning is not as it was told."""
        now = time.monotonic()
        self._look_for_warnings(now)
        is_news = now >= self._next_news and self._alarming(delivery, cameras) != self._told
        return now >= self._next or is_news

    def message(
        self,
        delivery: Delivery,
        cameras: Mapping[str, CameraStatus],
        accelerators: Mapping[str, Any],
        models: Iterable[ModelInUse],
    ) -> HealthMessage:
        """The message; the next one is due an interval later.

        Args:
            delivery: How delivery stands.
            cameras: How each camera is, by name.
            accelerators: Where each kind of model runs, as ``AcceleratorHealth`` has it.
            models: Those that are loaded.
        """
        now = time.monotonic()
        self._look_for_warnings(now)
        self._next, self._next_news = now + self._config.interval, now + SHORTEST_INTERVAL
        self._told = self._alarming(delivery, cameras)
        store = delivery.store
        celsius = cpu_temperature()
        self.newest = HealthMessage(
            version=__version__,
            time=utc_now(),
            clock_synchronized=clock_is_synchronized(),
            uptime_s=round(now - self._started, 1),
            restarts=self._restarts,
            queued=store.waiting,
            # By the device's clock, which may have been set since.
            oldest_age_s=None if store.oldest is None else round(max(time.time() - store.oldest, 0.0), 1),
            unheard=delivery.unheard,
            dead_letters=store.dead_letters,
            dropped=store.dropped,
            outbox=OutboxHealth(kept=store.kept, fault=store.fault, set_aside=store.set_aside),
            cameras={name: self._figures_of(name).health(status, now) for name, status in cameras.items()},
            accelerator=AcceleratorHealth(**accelerators, edge_tpu_celsius=self._edge_tpu_celsius()),
            models=list(models),
            mqtt=MqttHealth(state=delivery.state, server=delivery.server, reason=delivery.reason),
            cpu_temperature_c=None if celsius is None else round(celsius, 1),
            throttled=self._throttled,
            warnings=self._warnings,
            rollout=self._delivered,
        )
        return self.newest

    def _figures_of(self, camera: str) -> CameraFigures:
        if camera not in self._figures:
            self._figures[camera] = CameraFigures(self._started)
        return self._figures[camera]

    def _look_for_warnings(self, now: float) -> None:
        """Find out what is to be warned of now, and log what is new or over."""
        if now >= self._next_question:
            self._next_question = now + LOOK_INTERVAL
            bits = self._ask_firmware()
            self._throttled = None if bits is None else raspberry_pi.reasons(bits)
            self._delivered = self._rollout()
        found = [throttled_warning(self._throttled)] if self._throttled else []
        found += rollout_warnings(self._delivered)
        found += [warning for watched in self._watched.values() for warning in watched.current(now)]
        before, after = _by_subject(self._warnings), _by_subject(found)
        for subject, warning in after.items():
            if subject not in before:
                logger.warning("%s", warning.says)
        for code, camera in before:
            if (code, camera) not in after:
                logger.info("%s: no longer %s", "this device" if camera is None else f"camera {camera}", code)
        self._warnings = found

    def _alarming(self, delivery: Delivery, cameras: Mapping[str, CameraStatus]) -> tuple[object, ...]:
        store = delivery.store
        pictures = tuple((status.state, status.size) for status in cameras.values())
        warnings = tuple(_by_subject(self._warnings))
        # What is retained of a time without a connection says so until the next one.
        return store.kept, store.set_aside, store.dead_letters > 0, pictures, delivery.state, warnings

    def _edge_tpu_celsius(self) -> float | None:
        device = hottest(pcie_devices(self._apex))
        return None if device is None else device.celsius


def _by_subject(warnings: Iterable[HealthWarning]) -> dict[tuple[str, str | None], HealthWarning]:
    return {(warning.code, warning.camera): warning for warning in warnings}
