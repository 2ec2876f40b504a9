"""The daemon as systemd runs it, seen by who gives it another configuration."""

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

from facemask_edge.errors import ServiceError
from facemask_edge.health_file import HEALTH_FILE, SERVICE_FOLDER

UNIT = "facemask-edge.service"
START_TIMEOUT = 180.0
"""Seconds; more than the unit gives itself to stop and to start."""
STOP_TIMEOUT = 30.0
"""Seconds; more than the unit gives itself to stop."""
LOOK_INTERVAL = 0.2
ENDS_OF_ITS_OWN = frozenset({"timeout", "exit-code", "signal", "core-dump"})
"""Results of a unit, as systemd.exec(5) and systemctl(1) have them, after which it is started again."""
WRONG_CONFIGURATION = "exit-code", "78"
"""Result and code after which it is not: ``RestartPreventExitStatus`` of the unit."""
LARGEST_MESSAGE = 1_000_000
"""Bytes."""


class Service:
    """The unit.

    Args:
        unit: Its name.
        folder: Its ``RuntimeDirectory``.
    """

    def __init__(self, unit: str = UNIT, folder: Path = SERVICE_FOLDER) -> None:
        self._unit = unit
        self._folder = folder

    def restart(self) -> bool:
        """Stop it and start it; whether it says that it is ready.

        Raises:
            ServiceError: There is no systemd.
        """
        try:
            # A unit that was started too often in too short a time would not be started again.
            self._systemctl("reset-failed")
            return self._systemctl("restart").returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def is_stopped(self) -> bool:
        """Whether somebody has stopped it, who will start it again; waits for the end of what is being stopped."""
        give_up = time.monotonic() + STOP_TIMEOUT
        asked = "ActiveState", "Result", "ExecMainStatus"
        while (seen := self._shown(*asked))[0] == "deactivating" and time.monotonic() < give_up:
            time.sleep(LOOK_INTERVAL)
        state, result, code = seen
        # One that was to end may end badly: not in time, so that it was killed, or by a fault. Whatever else ends it
        # starts it again, but for a wrong configuration.
        ended_badly = state == "failed" and result in ENDS_OF_ITS_OWN and (result, code) != WRONG_CONFIGURATION
        return state == "inactive" or ended_badly

    def deaths(self) -> int | None:
        """How often it was started again by itself since ``restart``; None when it does not run now."""
        restarts, state = self._shown("NRestarts", "ActiveState")
        return int(restarts) if state == "active" else None

    def sign_of_life(self) -> str:
        """Another text after each sign that its loop turns; none where nobody wants signs of life."""
        sign, interval = self._shown("WatchdogTimestampMonotonic", "WatchdogUSec")
        return "" if interval in {"0", "infinity"} else sign

    def health(self) -> bytes | None:
        """What it said last about itself, as JSON; None when it has not yet said anything."""
        # The daemon's user writes there, who is not to be trusted by root: no link, no pipe, not too much.
        try:
            file = os.open(self._folder / HEALTH_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with os.fdopen(file, "rb") as opened:
            return opened.read(LARGEST_MESSAGE) if stat.S_ISREG(os.fstat(file).st_mode) else None

    def _shown(self, *names: str) -> list[str]:
        try:
            shown = self._systemctl("show", f"--property={','.join(names)}").stdout.splitlines()
        except subprocess.TimeoutExpired as error:
            raise ServiceError("systemd does not answer") from error
        # systemd has an order of its own.
        properties = dict(line.split("=", 1) for line in shown if "=" in line)
        return [properties.get(name, "") for name in names]

    def _systemctl(self, *command: str) -> "subprocess.CompletedProcess[str]":
        systemctl = shutil.which("systemctl")
        if systemctl is None:
            raise ServiceError("there is no systemd that could start the daemon with another rollout")
        return subprocess.run(  # noqa: S603 - words of ours
            [systemctl, *command, self._unit], capture_output=True, text=True, timeout=START_TIMEOUT, check=False
        )
