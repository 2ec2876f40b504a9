"""What a broker need not let this device do: listen to orders, and announce itself to Home Assistant.

Some brokers end the connection for what their access rules forbid. That must not keep an event from being delivered,
so what ends it again and again is not asked for any more.
"""

import logging
from collections import Counter

MOST = 3
"""Connections that end before such a thing is answered; after that it is given up until this program starts again."""
logger = logging.getLogger(__name__)


class Extras:
    """What was asked for and is not answered, on one connection after the other."""

    def __init__(self) -> None:
        self._asked: dict[int, str] = {}
        self._ended: Counter[str] = Counter()

    def may_ask(self, what: str) -> bool:
        """Whether it is not given up."""
        return self._ended[what] < MOST

    def asked(self, number: int, what: str) -> None:
        """It is on its way, under this number."""
        self._asked[number] = what

    def answered(self, number: int) -> str | None:
        """What the broker answered to; None when that is nothing of these."""
        what = self._asked.pop(number, None)
        if what is not None:
            del self._ended[what]
        return what

    def ended(self, *, by_broker: bool) -> bool:
        """The connection has ended; whether one of these may be why."""
        unanswered = self._asked.values() if by_broker else ()
        for what in unanswered:
            self._ended[what] += 1
            if not self.may_ask(what):
                logger.warning("the broker ends each connection on which this device is to %s; it gives that up", what)
        is_suspicious = bool(unanswered)
        self.forget_what_was_asked()
        return is_suspicious

    def forget_what_was_asked(self) -> None:
        """Nothing is on its way any more."""
        self._asked.clear()
