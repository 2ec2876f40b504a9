"""What is not sent for a while, because the broker refused it for a reason that may pass."""

import time
from collections.abc import Collection

HOLD = 30.0
"""Seconds until it is tried again."""


class Holds:
    """Topics that are held, or everything; for one connection."""

    def __init__(self) -> None:
        self._topics: dict[str, float] = {}
        self._all_until: float | None = None

    @property
    def topics(self) -> Collection[str]:
        """Those that are held."""
        return self._topics.keys()

    @property
    def is_all(self) -> bool:
        """Whether nothing is to be sent now."""
        return self._all_until is not None and time.monotonic() < self._all_until

    @property
    def is_any(self) -> bool:
        """Whether something is held, or was and has not been tried again."""
        return bool(self._topics) or self._all_until is not None

    def hold_topic(self, topic: str) -> bool:
        """Hold a topic from now on; whether it was not held already."""
        is_new = topic not in self._topics
        self._topics[topic] = time.monotonic() + HOLD
        return is_new

    def hold_all(self) -> bool:
        """Hold everything from now on; whether it was not held already."""
        is_new = self._all_until is None
        self._all_until = time.monotonic() + HOLD
        return is_new

    def end_topics(self) -> bool:
        """Let go of the topics that were held long enough; whether there are any."""
        over = [topic for topic, until in self._topics.items() if time.monotonic() >= until]
        for topic in over:
            del self._topics[topic]
        return bool(over)

    def end_all(self) -> bool:
        """No longer hold everything; whether that was held."""
        was_held, self._all_until = self._all_until is not None, None
        return was_held

    def clear(self) -> None:
        """Hold nothing."""
        self._topics.clear()
        self._all_until = None
