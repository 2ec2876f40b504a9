"""What a publisher sends that is no event: states, of which only the newest counts, and the wish to hear orders.

None of it is worth a connection: see ``extras.py`` for what a broker may forbid.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from paho.mqtt.reasoncodes import ReasonCode

from facemask_edge.broker_connection import BrokerConnection
from facemask_edge.extras import Extras

MOST_UNANSWERED = 3
"""Pictures: a slow connection is not to fill the memory."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """The newest payload of a topic."""

    payload: str
    qos: int
    extra: str | None
    """What a broker need not let this device do by it."""


@dataclass(frozen=True, slots=True)
class Once:
    """What is of use now or not at all."""

    topic: str
    payload: str | bytes
    """JSON, or a JPEG."""
    extra: str
    """What a broker need not let this device do by it."""
    about: Mapping[str, str] = field(default_factory=dict)
    """More of it, by name: MQTT 5's user properties."""


class States:
    """All retained states, for one connection after the other.

    Args:
        listen_to: Topics on which something may come, by what it is good for.
    """

    def __init__(self, listen_to: Mapping[str, str]) -> None:
        self._listen_to = listen_to
        self._extras = Extras()
        self._latest: dict[str, _State] = {}

    def set(self, topic: str, payload: str, *, qos: int, extra: str | None) -> None:
        """The newest payload of a topic; ``extra`` is what this does to a broker that may forbid it."""
        self._latest[topic] = _State(payload, 1 if extra else qos, extra)

    def tell(self, connection: BrokerConnection, topic: str) -> None:
        """Send the newest payload of a topic."""
        state = self._latest[topic]
        if connection.is_too_large(topic, state.payload.encode()):
            level = logging.DEBUG if state.extra is None else logging.WARNING
            logger.log(level, "%s is larger than %s takes", topic, connection.address)
        elif state.extra is None:
            connection.publish_state(topic, state.payload, qos=state.qos)
        elif self._extras.may_ask(state.extra):
            self._extras.asked(connection.publish_state(topic, state.payload, qos=state.qos).mid, state.extra)

    def tell_once(self, connection: BrokerConnection, once: Once) -> None:
        """Send something that is no state."""
        content = once.payload.encode() if isinstance(once.payload, str) else once.payload
        if connection.is_too_large(once.topic, content):
            logger.warning("%s is larger than %s takes", once.topic, connection.address)
        elif isinstance(once.payload, bytes) and self._extras.waiting(once.extra) >= MOST_UNANSWERED:
            logger.warning("%s is left out: %s is slower than they come", once.topic, connection.address)
        elif self._extras.may_ask(once.extra):
            self._extras.asked(connection.publish_once(once.topic, once.payload, once.about), once.extra)

    def tell_all(self, connection: BrokerConnection) -> None:
        """Send the newest payload of each topic."""
        for topic in self._latest:
            self.tell(connection, topic)

    def listen(self, connection: BrokerConnection) -> None:
        """Listen, on a connection that is new; before anybody is told that this device is there."""
        self._extras.forget_what_was_asked()
        for extra, topic in self._listen_to.items():
            number = connection.listen(topic) if self._extras.may_ask(extra) else None
            if number is not None:
                self._extras.asked(number, extra)

    def answered(self, connection: BrokerConnection, number: int, reason: ReasonCode) -> None:
        """The broker answered to something, which may be one of these."""
        extra = self._extras.answered(number)
        if extra is not None and reason.is_failure:
            logger.warning("%s does not let this device %s: %s", connection.address, extra, reason)

    def disconnected(self, *, by_broker: bool) -> bool:
        """The connection has ended; whether one of these may be why."""
        return self._extras.ended(by_broker=by_broker)
