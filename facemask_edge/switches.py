"""What can be changed from afar while the daemon runs, and what was: it is kept, and wins over the configuration."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facemask_edge.config import FACE_HEIGHTS, THRESHOLDS, Config
from facemask_edge.errors import OutputError
from facemask_edge.kept_file import read_kept, write_kept

OVERRIDES = "overrides.json"
"""File beside the outbox that keeps what was sent."""
TELL = "tell how its switches are"
KEYS = {"threshold": "compliance.threshold", "min_face_height": "compliance.min_face_height"}
"""Which key of the configuration a switch stands for, where it does."""
DEFAULT = "default"
"""Sent instead of a value, it gives way to the configuration again."""
logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """Why something that came from afar is not done, as a sentence for who sent it."""


@dataclass(frozen=True, slots=True)
class OnOff:
    """A switch."""

    title: str
    description: str

    def parsed(self, text: str) -> bool:
        """Raises ``RefusedError`` for anything but ON and OFF."""
        if text.upper() not in {"ON", "OFF"}:
            raise RefusedError("send ON or OFF")
        return text.upper() == "ON"

    def shown(self, value: bool) -> str:  # noqa: FBT001 - the one value that it is about
        """As it is published."""
        return "ON" if value else "OFF"


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds."""

    title: str
    description: str
    minimum: float
    maximum: float
    step: float
    """Of a control that shows it; any number between the bounds is taken."""

    def parsed(self, text: str) -> float:
        """Raises ``RefusedError`` for what is no number within the bounds."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.minimum <= value <= self.maximum:
            raise RefusedError(f"send a number from {self.minimum:g} to {self.maximum:g}")
        return value

    def shown(self, value: float) -> str:
        """As it is published."""
        return f"{value:g}"


Switch = OnOff | Number
SWITCHES: dict[str, Switch] = {
    "enabled": OnOff("Watching", "Off, it lets go of the cameras; violations that are open end as `stopped`."),
    "threshold": Number(
        "Threshold",
        "A face leans to no mask above it: lower reports more people, some of them wrongly; higher misses more. As "
        "`compliance.threshold`, for the looks from then on.",
        *THRESHOLDS,
        0.01,
    ),
    "min_face_height": Number(
        "Smallest face",
        "Pixels of the picture: smaller faces stay undecided. As `compliance.min_face_height`, for the looks from then "
        "on; which face detector looks for them is chosen by the configuration.",
        *FACE_HEIGHTS,
        1,
    ),
    "snapshots": OnOff("Snapshots", "Off, it takes no picture of a violation; only where `snapshots.enabled` is true."),
}
"""By name, which is the topic's, too."""


def available(config: Config) -> dict[str, Switch]:
    """Those that a configuration has: pictures are never switched on from afar where the owner wants none."""
    return {name: switch for name, switch in SWITCHES.items() if name != "snapshots" or config.snapshots.enabled}


class Switches:
    """The values in force.

    Args:
        config: Holds until something else is sent.
        file: Keeps what was sent; it need not be there. None where nothing can be sent.
    """

    def __init__(self, config: Config, file: Path | None) -> None:
        self._file = file
        self._available = available(config)
        self._configured: dict[str, Any] = {
            "enabled": True,
            "threshold": config.compliance.threshold,
            "min_face_height": config.compliance.min_face_height,
            "snapshots": config.snapshots.enabled,
        }
        self._sent = {} if file is None else sent_before(file)
        for name, value in self._sent.items():
            if name not in self._available:
                continue
            shown = SWITCHES[name].shown(value)
            logger.info("%s is %s, as it was set from afar; to have the configured one, send %r", name, shown, DEFAULT)

    @property
    def enabled(self) -> bool:
        """Whether the cameras are to be watched."""
        return bool(self._value("enabled"))

    @property
    def threshold(self) -> float:
        """Probability of ``no_mask`` above which a face leans to it."""
        return float(self._value("threshold"))

    @property
    def min_face_height(self) -> float:
        """Pixels of the frame: smaller faces stay undetermined."""
        return float(self._value("min_face_height"))

    @property
    def snapshots(self) -> bool:
        """Whether pictures of violations are to be taken."""
        return "snapshots" in self._available and bool(self._value("snapshots"))

    def shown(self) -> dict[str, str]:
        """All of them by name, as they are published."""
        return {name: switch.shown(self._value(name)) for name, switch in self._available.items()}

    def set(self, name: str, text: str) -> None:
        """Change one of them, and keep it.

        Args:
            name: Of ``SWITCHES``.
            text: Its value, or ``default``.

        Raises:
            RefusedError: That is no value for it; nothing is changed.
            OutputError: It is in force, but lost when the daemon ends.
        """
        if name not in self._available:
            raise RefusedError(f"{name}.enabled is false in this device's configuration; it can be changed only there")
        sent = {key: value for key, value in self._sent.items() if key != name}
        if text.lower() != DEFAULT:
            sent[name] = SWITCHES[name].parsed(text)
        if sent == self._sent:
            return
        self._sent = sent
        logger.info("%s is %s now, as it was set from afar", name, self.shown()[name])
        if self._file is None:
            return
        try:
            write_kept(self._file, {name: SWITCHES[name].shown(value) for name, value in self._sent.items()})
        except OSError as error:
            raise OutputError(f"{self._file}: {error.strerror}; it holds until the daemon ends") from error

    def _value(self, name: str) -> Any:  # noqa: ANN401 - a bool or a number, as the switch is
        return self._sent.get(name, self._configured[name])


def sent_before(file: Path) -> dict[str, Any]:
    """What was sent, is kept there and is a value still, by name."""
    sent = {}
    for name, text in read_kept(file).items():
        try:
            sent[name] = SWITCHES[name].parsed(text)
        except (RefusedError, KeyError):
            logger.warning("%s: %s cannot be %.60r any more; the configured value holds", file, name, text)
    return sent
