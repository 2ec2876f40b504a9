"""What the frame loop takes its frames from, whatever kind it is."""

from collections.abc import Iterator
from typing import Protocol

from facemask_edge.cameras.status import CameraStatus
from facemask_edge.values import Frame


class Camera(Protocol):
    """A source of frames.

    Iterating yields a Frame, or None when a bounded wait brought none (a live camera that is slow or lost); it ends
    when a recording ends. Opening a recording that cannot be read raises ``InputError``; a live camera that is not
    there is tried again for ever.
    """

    def __iter__(self) -> Iterator[Frame | None]:
        """The frames."""
        ...

    @property
    def status(self) -> CameraStatus | None:
        """How it is now; None of a recording."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether frames can come: False when what reads them has ended, or hangs."""
        ...

    def switch(self, *, on: bool) -> None:
        """Let go of the device for a while, or take it again; nothing of a recording, which waits to be read."""
        ...

    def close(self) -> None:
        """Let go of the device; iterating ends."""
        ...
