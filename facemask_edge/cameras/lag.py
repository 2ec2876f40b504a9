"""How far a stream lags behind: where decoding is slower than the camera, pictures wait in the network's buffers."""

from facemask_edge.cameras.media_time import JUMP

DRIFT = 0.05
"""A camera's clock may go so much slower than ours."""


class Lag:
    """Compares the time that a stream says it has with the time that has passed."""

    def __init__(self) -> None:
        self._least: float | None = None
        self._newest = self._media = 0.0
        """When the newest picture came, and its time in the stream."""

    def seconds(self, media: float, now: float) -> float:
        """How much later the newest picture came than the promptest one, in seconds.

        Args:
            media: The picture's time in the stream, in seconds; a stream that has none says 0.
            now: When it came, by a monotonic clock.
        """
        if media <= 0.0:
            return 0.0
        offset = now - media
        # A stream that begins anew, as a file does that is sent again and again, is not late.
        if self._least is None or media < self._media - JUMP:
            self._least = offset
        else:
            self._least = min(offset, self._least + DRIFT * (now - self._newest))
        self._newest, self._media = now, media
        return offset - self._least
