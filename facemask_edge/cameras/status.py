"""How a camera is, for ``health``."""

from dataclasses import dataclass
from enum import StrEnum


class CameraState(StrEnum):
    """What a camera does."""

    OPENING = "opening"
    OK = "ok"
    LOST = "lost"
    """It cannot be opened, has ended, or sends nothing."""
    FROZEN = "frozen"
    """It sends the same picture over and over."""
    BLACK = "black"
    OFF = "off"
    """It was let go of on purpose."""
    ENDED = "ended"
    """A recording, of which there is no more."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is."""

    state: CameraState
    reason: str
    """Why it is not ok; empty when it is."""
    size: tuple[int, int] | None
    """Width and height of its newest picture in pixels."""
    frames: int
    """Pictures that came, judged or not."""
    losses: int
    """How often it was lost since the start."""
    busy: int = 0
    """Pictures that a newer one replaced before anybody took them."""
    stale: int = 0
    """Pictures that were too old when somebody took them."""
