"""How far a stream lags behind: where decoding is slower than the camera, pictures wait in the network's buffers."""

import math

from facemask_edge.cameras.media_time import JUMP

DRIFT, DRIFT_WHERE_PROMPT = 0.05, 0.5
"""A camera's clock may go so much slower than ours, and so much where its pictures are waited for: none lies in a queue
then. It is not believed at once, or what a network held up for seconds would be new."""
PROMPT = 0.5
"""Part of what is between two pictures after which one that was waited for is prompt: no other one lay there."""


class Lag:
    """Compares the time that a stream says it has with the time that has passed.

    Args:
        most_at_first: Seconds that the first picture may have waited, and may be thought to have until one is waited
            for.
    """

    def __init__(self, most_at_first: float = 0.0) -> None:
        self._most_at_first = most_at_first
        self._least = self._promptest = math.inf
        """Seconds from the stream's time to ours for a picture that is prompt: as is thought, and at the least."""
        self._newest = self._media = 0.0
        """When the newest picture came, and its time in the stream."""

    def seconds(self, media: float, now: float, waited: float = 0.0) -> float:
        """How much later the newest picture came than the promptest one, in seconds.

        Args:
            media: The picture's time in the stream, in seconds; a stream that has none says 0.
            now: When it came, before it was decoded, by a monotonic clock.
            waited: Seconds for which it was waited for; 0 where nobody knows.
        """
        if media <= 0.0:
            return 0.0
        offset = now - media
        is_first = math.isinf(self._promptest)
        is_prompt = waited > PROMPT * max(media - self._media, 0.0) > 0.0
        drift = DRIFT_WHERE_PROMPT * (media - self._media) if is_prompt else DRIFT * (now - self._newest)
        # A stream that begins anew, as a file does that is sent again and again, is not late.
        begins = media < self._media - JUMP
        self._promptest = offset if begins else min(offset, self._promptest + drift)
        if is_first:
            self._least = offset - self._most_at_first
        elif begins or is_prompt:
            # One that was held up for long was waited for, too: others came sooner.
            self._least = self._promptest
        else:
            self._least = min(offset, self._least + drift)
        self._newest, self._media = now, media
        return offset - self._least
