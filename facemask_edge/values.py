"""The values that flow through the frame loop, one stage's result being the next one's input.

Units: pixels of the full frame, x to the right, y down; probabilities 0..1, always of ``no_mask``; timestamps in
seconds (monotonic for a live camera, media time for a recording).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""A picture: uint8, height x width x 3, BGR."""


class Label(StrEnum):
    """What a face is judged to be."""

    MASK = "mask"
    NO_MASK = "no_mask"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture, 24 x 32 pixels whatever its shape, and what is asked of it in each comparison with another one."""

    gray: NDArray[np.float32]
    """Gray values, 0..255."""
    shown: NDArray[np.bool_]
    """Where it shows something: it is not black."""
    part: float
    """How much of it that is, 0..1."""
    deviations: NDArray[np.float32]
    """Gray values less the mean of what is shown; 0 elsewhere."""
    contrast: float
    """The standard deviation of what is shown, in gray values."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of one camera."""

    image: Image
    timestamp: float
    index: int
    """Counts the frames of this camera from 0; a live camera's dropped frames leave gaps."""
    is_repeat: bool = False
    """Whether a live camera sent the same picture as the one judged before: looking again tells nothing new."""
    lores: Image | None = None
    """The same picture, scaled down for the face detector by the camera, or by the thread that reads it; None where
    nobody did."""
    thumbnail: Thumbnail | None = None
    """Of ``lores``, likewise; None, too, where that was changed since."""

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the full frame; (x, y) is its upper left corner and may lie outside the frame."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box as (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2

    def clipped(self, width: int, height: int) -> "Box":
        """The part of the box that lies inside a frame of ``width`` x ``height`` pixels."""
        left, top = max(self.x, 0.0), max(self.y, 0.0)
        right, bottom = min(self.x + self.width, float(width)), min(self.y + self.height, float(height))
        return Box(left, top, max(right - left, 0.0), max(bottom - top, 0.0))

    def visible_part(self, width: int, height: int) -> float:
        """The part of the box's area, 0..1, that lies inside a frame of ``width`` x ``height`` pixels."""
        inside = self.clipped(width, height)
        return inside.width * inside.height / max(self.width * self.height, 1e-9)

    def overlap(self, other: "Box") -> float:
        """Intersection over union with another box, 0..1."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared = max(across, 0.0) * max(down, 0.0)
        return shared / max(self.width * self.height + other.width * other.height - shared, 1e-9)

    def scaled(self, across: float, down: float) -> "Box":
        """The same in a frame that is so many times wider and higher."""
        return Box(self.x * across, self.y * down, self.width * across, self.height * down)

    def rounded(self) -> dict[str, int]:
        """Whole pixels, as they leave the device."""
        return {"x": round(self.x), "y": round(self.y), "width": round(self.width), "height": round(self.height)}


@dataclass(frozen=True, slots=True)
class Face:
    """A face that the detector found in one frame."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Track:
    """A face that is in view now and that the tracker follows under one id."""

    id: str
    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class Look:
    """What one look of the classifier at a track's face said, and how well the face was to be seen."""

    probability: float
    sharpness: float
    """See ``sharpness.sharpness``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is thought of a track now."""

    track: Track
    label: Label
    probability: float | None
    """Of ``no_mask``, over the observations so far; None before the first one."""
    observations: int


@dataclass(frozen=True, slots=True)
class Violation:
    """The start or the end of one person's time in view without a mask."""

    event_type: str
    """``violation_start`` or ``violation_end``."""
    id: str
    """UUIDv7, shared by the start and the end."""
    track: Track
    probability: float
    observations: int
    timestamp: float
    duration: float | None = None
    """Seconds from start to end; None for a start."""
    reason: str | None = None
    """``mask_on``, ``left``, ``scene_cut``, ``restart`` or ``stopped``; None for a start."""

    def details(self) -> dict[str, Any]:
        """The fields that only an end has, as they are sent."""
        if self.duration is None:
            return {}
        return {"duration_s": round(self.duration, 3), "reason": self.reason}
