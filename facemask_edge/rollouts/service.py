"""The daemon as systemd runs it, seen by who gives it another configuration."""

import shutil
import subprocess
from pathlib import Path

from facemask_edge.errors import ServiceError
from facemask_edge.health_file import HEALTH_FILE, SERVICE_FOLDER

UNIT = "facemask-edge.service"
START_TIMEOUT = 180.0
"""Seconds; more than the unit gives itself to stop and to start."""


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
        """Whether somebody has stopped it, who will start it again."""
        return self._systemctl("show", "--property=ActiveState", "--value").stdout.strip() == "inactive"

    def deaths(self) -> int | None:
        """How often it was started again by itself since ``restart``; None when it does not run now."""
        shown = self._systemctl("show", "--property=ActiveState,NRestarts").stdout
        properties = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        return int(properties["NRestarts"]) if properties.get("ActiveState") == "active" else None

    def health(self) -> str | None:
        """What it said last about itself, as JSON; None when it has not yet said anything."""
        try:
            return (self._folder / HEALTH_FILE).read_text()
        except OSError:
            return None

    def _systemctl(self, *command: str) -> "subprocess.CompletedProcess[str]":
        systemctl = shutil.which("systemctl")
        if systemctl is None:
            raise ServiceError("there is no systemd that could start the daemon with another rollout")
        return subprocess.run(  # noqa: S603 - words of ours
            [systemctl, *command, self._unit], capture_output=True, text=True, timeout=START_TIMEOUT, check=False
        )
