"""The times of a recording's frames, which never fall, whatever its container reports."""

JUMP = 1.0
"""Seconds by which a container's time falls when it begins anew, or is wrong."""


class MediaTime:
    """Makes them of what the container reports: some say 0, begin anew, or are wrong for one frame.

    Args:
        fps: Frames a second.
    """

    def __init__(self, fps: float) -> None:
        self.newest = 0.0
        """Of the newest frame, in seconds; the first one has 0."""
        self._fps = fps
        self._reported = self._offset = 0.0
        """The container's newest time, and what is added to it."""
        self._was_behind = False
        """Whether that was long before what came before it."""

    def advance(self, reported: float) -> float:
        """The time of the next frame, of which the container reports this; in seconds."""
        following = self.newest + 1 / self._fps
        is_behind = reported + self._offset < self.newest - JUMP
        if is_behind and self._was_behind:
            # Two recordings, one behind the other: the second one goes on where the first one ended.
            self._offset, is_behind = following - reported, False
        # Where time stands still a frame has passed; where it hardly moves, the next one makes up for it.
        least = following if is_behind or reported == self._reported else self.newest + 0.5 / self._fps
        self._reported, self._was_behind = reported, is_behind
        self.newest = max(reported + self._offset, least)
        return self.newest
