"""Tells systemd how this service is (sd_notify(3)), and nobody where there is no systemd.

The unit's ``WatchdogSec`` asks for a sign of life in time; a service that gives none is killed and started again.
"""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

SIGN_OF_LIFE = 2.0
"""Seconds between two signs of life at the most."""


class ServiceManager:
    """Whoever started this process and wants to be told.

    Args:
        environment: Holds ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``, where there is one.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._interval = _watchdog_interval(environment)
        self._next = 0.0

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    def ready(self) -> None:
        """This service has started."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """This service ends, and needs a moment."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """This service works; told every other second, or at half of the time that the watchdog waits."""
        now = time.monotonic()
        if self._interval is not None and now >= self._next:
            # Often: whoever installs a new version wants to know soon whether it works.
            self._next = now + min(self._interval / 2, SIGN_OF_LIFE)
            self._tell("WATCHDOG=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        # An @ stands for the zero byte of Linux' abstract addresses.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        # A manager that does not listen is no reason to stop judging; a full queue must not stall the frame loop.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
            told.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            told.sendto(state.encode(), address)


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Seconds that the watchdog waits; None when there is none, or it is another process's."""
    try:
        microseconds = int(environment["WATCHDOG_USEC"])
        process = int(environment.get("WATCHDOG_PID", os.getpid()))
    except (KeyError, ValueError):
        return None
    return microseconds / 1e6 if microseconds > 0 and process == os.getpid() else None
