"""How far a stream lags behind: where decoding is slower than the camera, pictures wait in the network's buffers."""

from facemask_edge.cameras.media_time import JUMP

DRIFT = 0.05
"""A camera's clock may go so much slower than ours."""
PROMPT = 0.5
"""Part of what is between two pictures after which one that was waited for has come at once: none is before it."""


class Lag:
    """Compares the time that a stream says it has with the time that has passed.

    Args:
        most_at_first: Seconds that the first picture may have waited, and may be thought to have until one is waited
            for.
    """

    def __init__(self, most_at_first: float = 0.0) -> None:
        self._most_at_first = most_at_first
        self._least: float | None = None
        self._newest = self._media = 0.0
        """When the newest picture came, and its time in the stream."""

    def seconds(self, media: float, now: float, waited: float = 0.0) -> float:
        """How much later the newest picture came than the promptest one, in seconds.

        Args:
            media: The picture's time in the stream, in seconds; a stream that has none says 0.
            now: When it came, by a monotonic clock.
            waited: Seconds for which it was waited for; 0 where nobody knows.
        """
        if media <= 0.0:
            return 0.0
        offset = now - media
        # A stream that begins anew, as a file does that is sent again and again, is not late.
        if self._least is None:
            self._least = offset - self._most_at_first
        elif media < self._media - JUMP or waited > PROMPT * max(media - self._media, 0.0) > 0.0:
            self._least = offset
        else:
            self._least = min(offset, self._least + DRIFT * (now - self._newest))
        self._newest, self._media = now, media
        return offset - self._least
