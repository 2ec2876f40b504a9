"""What a live camera is read through, whatever kind it is."""

from dataclasses import dataclass
from typing import Protocol

from facemask_edge.values import Image

OPEN_TIMEOUT = 5.0
"""Seconds that opening may take."""
READ_TIMEOUT = 3.0
"""Seconds that a picture may take to come."""
WAIT_FOR_FRAME = 1.0
"""Seconds after which the frame loop gets its turn back, frame or not."""
MOST_PIXELS = 25_000_000
"""Of a picture: more is no camera's, but somebody's who wants all memory."""


class CameraLostError(Exception):
    """A camera cannot be opened, or gives no picture any more; the text says why, as a sentence without a name."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a camera gives at once."""

    image: Image
    lores: Image | None = None
    """The same, scaled down for the face detector."""
    received: float | None = None
    """When it had come, before it was decoded, by the monotonic clock; None where there is nothing to decode."""
    skipped: int = 0
    """Older ones that came since the one before, and were not decoded."""


class Capture(Protocol):
    """An open camera; used by one thread. Making one raises ``CameraLostError`` when that is not possible."""

    def read(self) -> Picture:
        """Wait for the next picture.

        Raises:
            CameraLostError: There is none.
        """
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...
