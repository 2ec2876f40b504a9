"""Finds the event that makes a broker end the connection, so that it does not block all others for ever.

A broker of MQTT 3.1.1 that an event is too large for cannot say so: it ends the connection, each time it is sent. So
does one that goes away by chance, and one that ends every connection; neither must cost an event. Therefore an event is
suspected after it was alone on its way several times when the broker ended the connection. Suspects step aside for the
others, and are tried alone once another one with the same topic came through on the same connection. Only an event that
ends such a connection, several times as well, can never be delivered.
"""

from collections import Counter

from facemask_edge.events import Key, Message

TIMES = 3
"""Ended connections that make a suspect, and ended connections that convict it."""
MOST = 50
"""Suspects. Where there are more it is not the events: all are forgotten, and the order of delivery is kept."""


class Suspects:
    """What is known about events that were alone on their way when a connection ended."""

    def __init__(self) -> None:
        self._ended: Counter[Key] = Counter()
        self._ended_proven: Counter[Key] = Counter()
        """Those among them on which another event had come through."""
        self._heard: set[str] = set()
        """Topics of the events that came through on this connection."""

    def connected(self) -> None:
        """There is a new connection."""
        self._heard.clear()

    def came_through(self, message: Message) -> None:
        """The broker took this event."""
        self._heard.add(message.topic)
        for ended in (self._ended, self._ended_proven):
            ended.pop(message.key, None)

    def ended(self, message: Message) -> bool:
        """The broker ended the connection while this event alone was on its way; True when it must be why."""
        self._ended[message.key] += 1
        if not self.suspects(message):
            return False
        self._ended_proven[message.key] += self.is_due(message)
        if self._ended_proven[message.key] >= TIMES:
            self._forget(message.key)
            return True
        if sum(times >= TIMES for times in self._ended.values()) > MOST:
            self._ended.clear()
            self._ended_proven.clear()
        return False

    def suspects(self, message: Message) -> bool:
        """Whether others go first."""
        return self._ended[message.key] >= TIMES

    def is_due(self, message: Message) -> bool:
        """Whether a suspect can be tried: another event with its topic came through on this connection."""
        return message.topic in self._heard

    def _forget(self, key: Key) -> None:
        del self._ended[key]
        del self._ended_proven[key]
