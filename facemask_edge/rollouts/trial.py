"""Has a rollout prove itself: the daemon starts with it, and what worked before works again.

Judged by what the daemon says about itself: a camera that gave pictures gives them, a broker that was reached is
reached. Cameras that are new have to work, too, where any worked before: a rollout may have renamed one.
"""

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from pydantic import ValidationError

from facemask_edge.errors import FacemaskError
from facemask_edge.health_message import HealthMessage
from facemask_edge.rollouts.shelf import Standing

QUIET = 10.0
"""Seconds for which all has to be well; shorter than any probation."""
LOOK_INTERVAL = 0.5
TOLERATED_DEATHS = 4
"""Of an Edge TPU's library, after which the daemon starts on the CPU: no fault of a rollout."""


class ServiceLike(Protocol):
    """See ``Service``."""

    def restart(self) -> bool:
        """Start it again."""

    def is_stopped(self) -> bool:
        """Whether somebody has stopped it."""

    def deaths(self) -> int | None:
        """How often it was started again by itself."""

    def health(self) -> str | None:
        """What it said last."""


def standing(service: ServiceLike) -> Standing:
    """What works now."""
    message = _message(service)
    if service.deaths() is None or message is None:
        return Standing()
    cameras = {name: camera.state in {"ok", "ended", "off"} for name, camera in message.cameras.items()}
    return Standing(broker=message.mqtt.state == "connected", cameras=cameras)


def lost(before: Standing, now: Standing) -> Iterator[str]:
    """What worked before and does not work now."""
    if before.broker and not now.broker:
        yield "no broker takes its events"
    if any(before.cameras.values()):
        if not now.cameras:
            yield "it says nothing about its cameras"
        for name, is_ok in now.cameras.items():
            if not is_ok and before.cameras.get(name, True):
                yield f"camera {name} gives no picture"


def proves_itself(
    service: ServiceLike,
    before: Standing,
    still_updates: Callable[[], object],
    *,
    probation: float,
    has_edge_tpu_deaths: Callable[[], bool],
) -> str | None:
    """Start the daemon with what it is given now, and watch it.

    Args:
        service: The daemon.
        before: What worked.
        still_updates: Raises an error where the next rollout could not be had any more.
        probation: Seconds after which it is not waited for any longer.
        has_edge_tpu_deaths: Whether the Edge TPU's library has ended the daemon.

    Returns:
        None, or why it does not prove itself.
    """
    if not service.restart() and not has_edge_tpu_deaths():
        return "the daemon does not start: journalctl -u facemask-edge"
    start = well_since = time.monotonic()
    missing = "it was not watched"
    can_update = False
    while time.monotonic() < start + probation:
        time.sleep(LOOK_INTERVAL)
        deaths = service.deaths()
        if deaths is None or deaths > 0:
            if (deaths is not None and deaths > TOLERATED_DEATHS) or not has_edge_tpu_deaths():
                return "the daemon ends by itself: journalctl -u facemask-edge"
            missing = "the daemon is started again and again"
        else:
            missing = "; ".join(lost(before, standing(service)))
        if not missing and not can_update:
            try:
                still_updates()
                can_update = True
            except FacemaskError as error:
                missing = f"the next rollout could not be had: {error}"
        if missing:
            well_since = time.monotonic()
        elif time.monotonic() - well_since >= QUIET:
            return None
    return missing or "it was not well for long enough"


def _message(service: ServiceLike) -> HealthMessage | None:
    text = service.health()
    if text is None:
        return None
    try:
        return HealthMessage.model_validate_json(text)
    except ValidationError:
        return None
