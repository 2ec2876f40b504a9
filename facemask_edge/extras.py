"""What a broker need not let this device do: listen to orders, and announce itself to Home Assistant.

Some brokers end the connection for what their access rules forbid. That must not keep an event from being delivered,
so what ends it again and again is not asked for any more.
"""

import logging
import time
from collections import Counter

MOST = 3
"""Connections that end before such a thing is answered; after that it is given up for a while."""
PAUSE = 3600.0
"""Seconds until it is asked for once more: it may have been chance."""
logger = logging.getLogger(__name__)


class Extras:
    """What was asked for and is not answered, on one connection after the other."""

    def __init__(self) -> None:
        self._asked: dict[int, str] = {}
        self._ended: Counter[str] = Counter()
        self._given_up_at: dict[str, float] = {}

    def may_ask(self, what: str) -> bool:
        """Whether it is not given up, or was long ago."""
        return self._ended[what] < MOST or time.monotonic() - self._given_up_at[what] >= PAUSE

    def asked(self, number: int, what: str) -> None:
        """It is on its way, under this number."""
        self._asked[number] = what

    def waiting(self, what: str) -> int:
        """How many of these are on their way."""
        return sum(asked == what for asked in self._asked.values())

    def answered(self, number: int) -> str | None:
        """What the broker answered to; None when that is nothing of these."""
        what = self._asked.pop(number, None)
        if what is not None:
            del self._ended[what]
        return what

    def ended(self, *, by_broker: bool) -> bool:
        """The connection has ended; whether one of these may be why."""
        unanswered = set(self._asked.values()) if by_broker else set()
        for what in unanswered:
            self._ended[what] += 1
            if self._ended[what] >= MOST:
                self._given_up_at[what] = time.monotonic()
                logger.warning(
                    "the broker ends each connection on which this device is to %s; given up for an hour", what
                )
        is_suspicious = bool(unanswered)
        self.forget_what_was_asked()
        return is_suspicious

    def forget_what_was_asked(self) -> None:
        """Nothing is on its way any more."""
        self._asked.clear()
