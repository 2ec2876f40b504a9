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
SETTLING = 15.0
"""Seconds in which what is not well before a trial may become so: a broker may just be connecting."""
LOOK_INTERVAL = 0.5
TOLERATED_DEATHS = 4
"""Of an Edge TPU's library, after which the daemon starts on the CPU: no fault of a rollout."""


class StoppedError(Exception):
    """Somebody has stopped the daemon, so that nothing can be found out now."""


class ServiceLike(Protocol):
    """See ``Service``."""

    def restart(self) -> bool:
        """Start it again."""

    def is_stopped(self) -> bool:
        """Whether somebody has stopped it."""

    def deaths(self) -> int | None:
        """How often it was started again by itself."""

    def sign_of_life(self) -> str:
        """Another text after each sign; none where nobody wants signs."""

    def health(self) -> bytes | None:
        """What it said last."""


def stays(service: ServiceLike) -> bool:
    """Whether the daemon, which was started just now, does not end by itself at once."""
    time.sleep(QUIET)
    return service.deaths() == 0


def standing(service: ServiceLike) -> Standing:
    """What works now."""
    message = _message(service)
    if service.deaths() is None or message is None:
        return Standing()
    cameras = {name: camera.state in {"ok", "ended", "off"} for name, camera in message.cameras.items()}
    return Standing(broker=message.mqtt.state == "connected", cameras=cameras)


def settled(service: ServiceLike) -> Standing:
    """What works, after it had time to."""
    best = standing(service)
    give_up = time.monotonic() + SETTLING
    while time.monotonic() < give_up and not (best.broker and all(best.cameras.values())):
        time.sleep(LOOK_INTERVAL)
        best = best.either(standing(service))
    return best


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

    Raises:
        StoppedError: Somebody has stopped it.
    """
    if service.is_stopped():
        raise StoppedError
    if not service.restart() and not has_edge_tpu_deaths():
        return "the daemon does not start: journalctl -u facemask-edge"
    daemon = _Daemon(service, before, still_updates, has_edge_tpu_deaths)
    start = well_since = time.monotonic()
    sign: str | None = None
    while True:
        time.sleep(LOOK_INTERVAL)
        now = time.monotonic()
        if daemon.ends_by_itself():
            return "the daemon ends by itself: journalctl -u facemask-edge"
        missing = daemon.missing()
        if missing:
            well_since, sign = now, None
        elif sign is None and now - well_since >= QUIET / 2:
            # What it says may be older than what it hangs at: its loop has to turn in the second half, too.
            sign = service.sign_of_life()
        elif sign is not None and now - well_since >= QUIET:
            if not sign or service.sign_of_life() != sign:
                return None
            missing = "its loop gives no sign of life"
        if now >= start + probation:
            return missing or "it was not well for long enough"


class _Daemon:
    """The daemon on trial; its arguments are those of ``proves_itself``."""

    def __init__(
        self,
        service: ServiceLike,
        before: Standing,
        still_updates: Callable[[], object],
        has_edge_tpu_deaths: Callable[[], bool],
    ) -> None:
        self._service = service
        self._before = before
        self._still_updates = still_updates
        self._has_edge_tpu_deaths = has_edge_tpu_deaths
        self._can_update = False
        self._deaths = 0

    def ends_by_itself(self) -> bool:
        """Whether it does, and no Edge TPU's library is why.

        Raises:
            StoppedError: Somebody has stopped it.
        """
        if self._service.is_stopped():
            raise StoppedError
        deaths = self._service.deaths()
        return deaths != 0 and (not self._has_edge_tpu_deaths() or (deaths or 0) > TOLERATED_DEATHS)

    def missing(self) -> str:
        """What is not as it was before, for people; nothing where all is."""
        deaths = self._service.deaths()
        if deaths != self._deaths:
            self._deaths = self._deaths if deaths is None else deaths
            return "the daemon is started again and again"
        return "; ".join(lost(self._before, standing(self._service))) or self._no_next_one()

    def _no_next_one(self) -> str:
        if not self._can_update:
            try:
                self._still_updates()
            except FacemaskError as error:
                return f"the next rollout could not be had: {error}"
            self._can_update = True
        return ""


def _message(service: ServiceLike) -> HealthMessage | None:
    text = service.health()
    if text is None:
        return None
    try:
        return HealthMessage.model_validate_json(text)
    except ValidationError:
        return None
