"""Delivers what the store holds, and takes an event out of it only when the broker has taken it over.

One thread owns the store and all state; whatever happens elsewhere (the frame loop's events, paho's callbacks) is
posted to it as a small function. What is posted is collected, committed in one go, and only then sent: nothing is sent
that a power cut could make unknown.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from paho.mqtt.reasoncodes import ReasonCode

from facemask_edge import holds
from facemask_edge.broker_address import BrokerAddress, parse_address
from facemask_edge.broker_check import check_brokers
from facemask_edge.broker_connection import BrokerConnection, Ending, Received, Welcome
from facemask_edge.config import MqttConfig
from facemask_edge.delivery import BrokerState, Delivery
from facemask_edge.errors import ConfigError
from facemask_edge.events import Changes, Event, Key, Message
from facemask_edge.holds import Holds
from facemask_edge.inflight import Inflight
from facemask_edge.messages import Topics
from facemask_edge.states import Once, States
from facemask_edge.store import Store
from facemask_edge.suspects import Suspects

ANSWER_TIMEOUT = 15.0
"""Seconds after which a broker that accepts a connection but never answers is given up."""
ACKNOWLEDGE_TIMEOUT = 60.0
"""Seconds after which a broker that does not acknowledge an event is given up."""
SHORTEST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
RETURN_INTERVAL = 60.0
"""Seconds between two tries whether the first server is back, while another one is used."""
MOST_POSTED = 1_000
"""What is done at the most between two commits."""
HANGS = 30.0
"""Seconds in one turn after which the thread will not come back by itself."""
FIGURES_INTERVAL = 0.5
"""Seconds between two pictures of the state for others to read."""
MOST_ORDERS = 100
"""Orders that wait to be carried out; more are not taken."""

SUCCESS = 0x00
NO_MATCHING_SUBSCRIBERS = 0x10
NOT_AUTHORIZED = 0x87
PERMANENT_REFUSALS = {0x90: "topic name invalid", 0x95: "packet too large", 0x99: "payload format invalid"}
"""What no later try can mend: such an event becomes a dead letter. All other refusals are the device's or the
broker's state, and the queue waits."""
logger = logging.getLogger(__name__)


class Publisher:
    """Delivers the store to the first broker that lets us.

    Args:
        config: The section ``mqtt``.
        device: Name of this device.
        store: Used by this object's thread alone once it is started.
        listen_to: Topics on which something may come, by what it is good for.

    Raises:
        ConfigError: A file with a password or a certificate cannot be used.
    """

    def __init__(
        self, config: MqttConfig, *, device: str, store: Store, listen_to: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._config = config
        # No name has a colon: two devices that differ in prefix or name never take each other's connection.
        self._client_id = f"{config.prefix}:{device}"
        self._status_topic = Topics(config.prefix, device).status
        self._servers = [parse_address(server) for server in config.servers]
        check_brokers(config, self._servers)
        self._store = store
        self._received: queue.Queue[Received] = queue.Queue(MOST_ORDERS)
        self._states = States(listen_to)
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._changes = Changes()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = False
        self._is_all_recorded = False
        self._connection: BrokerConnection | None = None
        self._is_connected = False
        self._candidate: BrokerConnection | None = None
        """A connection to the first server while another one is used: the change is made when it is accepted."""
        self._server_index = 0
        self._backoff = SHORTEST_BACKOFF
        self._next_attempt = 0.0
        self._connected_at = 0.0
        self._next_return = 0.0
        self._give_up_at = 0.0
        self._inflight = Inflight()
        self._suspects = Suspects()
        self._stepped_aside: list[Message] = []
        """Suspects that are sent when they are due."""
        self._holds = Holds()
        self._waiting_for_empty: list[threading.Event] = []
        self._unheard = 0
        self._state = BrokerState.CONNECTING
        self._reason: str | None = None
        self._delivery = self._delivery_now()
        self._next_figures = 0.0
        self._turned = time.monotonic()
        """When the thread's newest turn began."""

    def start(self) -> None:
        """Start connecting and delivering."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread that delivers runs."""
        return self._thread.is_alive()

    @property
    def is_working(self) -> bool:
        """Whether that thread comes round: a disk that does not answer holds it up, an absent broker does not."""
        return self.is_alive and time.monotonic() - self._turned < HANGS

    @property
    def delivery(self) -> Delivery:
        """How delivery stood a moment ago."""
        return self._delivery

    def submit(self, topic: str, payload: Mapping[str, Any], *, ending: Mapping[str, Any] | None = None) -> None:
        """Deliver an event for certain: it is on disk a moment later, and stays there until acknowledged.

        Args:
            topic: Where to.
            payload: JSON, without ``stream`` and ``sequence``.
            ending: Of a violation's start: its end, which is delivered should this process end before it.
        """
        self._posted.put(lambda: self._changes.events.append(Event(topic, payload, ending)))

    def still_open(self, topic: str, ending: Mapping[str, Any]) -> None:
        """Say how a violation that is open would end now, should this process end."""
        self._posted.put(lambda: self._changes.still_open.update({str(ending["id"]): Event(topic, ending)}))

    def publish_latest(self, topic: str, payload: str, *, qos: int = 0, extra: str | None = None) -> None:
        """Publish a retained state: only its newest value matters, and it is sent again on connecting.

        Args:
            topic: Where to.
            payload: The state.
            qos: 0 or 1.
            extra: What this does, to a broker that may forbid it; see ``extras.py``.
        """

        def publish() -> None:
            self._states.set(topic, payload, qos=qos, extra=extra)
            if self._is_connected and self._connection:
                self._states.tell(self._connection, topic)

        self._posted.put(publish)

    def tell(self, once: Once) -> None:
        """Publish something that is of use now or not at all; not retained."""

        def publish() -> None:
            if self._is_connected and self._connection:
                self._states.tell_once(self._connection, once)

        self._posted.put(publish)

    def received(self) -> Iterator[Received]:
        """What came on the topics that are listened to, since this was asked last."""
        # Nobody else takes them.
        while not self._received.empty():
            yield self._received.get_nowait()

    def drain(self, timeout: float) -> bool:
        """Wait until every event submitted so far is acknowledged; False when ``timeout`` seconds were not enough."""
        return self.when_drained().wait(timeout)

    def when_drained(self) -> threading.Event:
        """Is set when every event submitted so far is acknowledged."""
        empty = threading.Event()
        self._posted.put(lambda: self._waiting_for_empty.append(empty))
        return empty

    def stop(self, timeout: float = 3.0) -> bool:
        """Say ``stopped``, disconnect and end the thread; what is not delivered stays in the outbox.

        Returns:
            Whether all that was submitted is recorded; not so when a disk does not answer within ``timeout`` seconds.
        """

        def stop() -> None:
            self._stopping = True

        self._posted.put(stop)
        self._thread.join(timeout)
        return self._is_all_recorded

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._turned = time.monotonic()
                self._take_posted()
                self._commit()
                self._connect_when_due()
                self._return_when_due()
                self._send_waiting()
                self._tell_state()
            self._is_all_recorded = self._store.settle()
            self._disconnect()
            # What was acknowledged meanwhile need not be sent again.
            self._take_posted()
            self._commit()
        except Exception:
            # Nobody else would see it: the daemon ends when this thread has.
            logger.exception("the publisher failed; this is a fault of the program")
        finally:
            self._store.close()

    def _commit(self) -> None:
        changes, self._changes = self._changes, Changes()
        done = self._store.commit(changes)
        # Only now: what the log says happened must have happened after a power cut, too.
        for event in changes.events:
            logger.info("%s %s", done, event)

    def _take_posted(self) -> None:
        """Wait a moment for something to do, then do what is there."""
        # Not all: where more and more is posted, what was would never be committed.
        with suppress(queue.Empty):
            self._posted.get(timeout=0.2)()
            for _ in range(MOST_POSTED):
                self._posted.get_nowait()()

    def _tell_state(self) -> None:
        now = time.monotonic()
        if self._waiting_for_empty or now >= self._next_figures:
            self._next_figures = now + FIGURES_INTERVAL
            self._delivery = self._delivery_now()
        if self._waiting_for_empty and self._delivery.store.waiting == 0 and self._changes.is_empty:
            for empty in self._waiting_for_empty:
                empty.set()
            self._waiting_for_empty.clear()

    def _delivery_now(self) -> Delivery:
        return Delivery(
            state=BrokerState.HELD if self._is_connected and self._holds.is_any else self._state,
            server=str(self._servers[self._server_index]),
            reason=self._reason,
            unheard=self._unheard,
            store=self._store.state(),
        )

    def _new_connection(self, server: BrokerAddress) -> BrokerConnection:
        return BrokerConnection(
            server,
            self._config,
            client_id=self._client_id,
            will_topic=self._status_topic,
            listener=self,
            post=self._posted.put,
            received=self._take_order,
        )

    def _take_order(self, received: Received) -> None:
        # Called in the connection's thread, which must not wait for whoever reads them.
        with suppress(queue.Full):
            self._received.put_nowait(received)

    def _connect_when_due(self) -> None:
        now = time.monotonic()
        if self._connection is not None:
            if not self._is_connected and now >= self._give_up_at:
                self.closed(self._connection, Ending(f"it did not answer within {ANSWER_TIMEOUT:.0f} s"))
            elif self._inflight.oldest_age() >= ACKNOWLEDGE_TIMEOUT:
                reason = f"it acknowledged nothing for {ACKNOWLEDGE_TIMEOUT:.0f} s"
                self.closed(self._connection, Ending(reason, by_broker=True))
            return
        if now < self._next_attempt:
            return
        try:
            self._connection = self._new_connection(self._servers[self._server_index])
        except ConfigError as error:
            # Checked at the start, changed since.
            self._try_later(BrokerState.REFUSED, str(error), was_connected=False)
        self._give_up_at = now + ANSWER_TIMEOUT

    def _return_when_due(self) -> None:
        """While another server than the first is used, try the first one beside it."""
        if not self._is_connected or self._server_index == 0 or time.monotonic() < self._next_return:
            return
        self._next_return = time.monotonic() + RETURN_INTERVAL * _jitter()
        if self._candidate is not None:
            self._candidate.leave()
        try:
            self._candidate = self._new_connection(self._servers[0])
        except ConfigError as error:
            logger.warning("%s: %s", self._servers[0], error)

    def welcomed(self, connection: BrokerConnection, welcome: Welcome) -> None:
        """The broker answered; called in this object's thread, as are the two below."""
        if connection is self._candidate:
            self._candidate = None
            if welcome.refusal is not None:
                connection.leave()
                return
            logger.info("%s is back", connection.address)
            if self._connection is not None:
                # This broker would go on saying that we are online.
                self._connection.publish_state(self._status_topic, "offline", qos=1)
                self._connection.leave()
            self._connection = connection
            self._server_index = 0
        elif connection is not self._connection:
            return
        elif welcome.refusal is not None:
            self._close(connection, Ending(welcome.refusal, is_lasting=welcome.is_lasting))
            return
        self._is_connected = True
        self._state, self._reason = BrokerState.CONNECTED, None
        self._connected_at = time.monotonic()
        self._next_return = time.monotonic() + RETURN_INTERVAL * _jitter()
        self._holds.clear()
        self._suspects.connected()
        self._send_again()
        logger.info("connected to %s", connection.address)
        self._states.listen(connection)
        online = connection.publish_state(self._status_topic, "online", qos=1)
        self._inflight.open(online.mid, widest_window=welcome.window)
        self._states.tell_all(connection)

    def closed(self, connection: BrokerConnection, ending: Ending) -> None:
        """The connection has ended, or never was."""
        if connection is self._candidate:
            self._candidate = None
            connection.leave()
        elif connection is self._connection:
            self._close(connection, ending)

    def acknowledged(self, connection: BrokerConnection, number: int, reason: ReasonCode) -> None:
        """The broker answered to an event, to a state or to the wish to listen."""
        if connection is not self._connection:
            return
        self._states.answered(connection, number, reason)
        if number not in self._inflight:
            return
        message = self._inflight.acknowledged(number)
        if message is None:
            return
        if reason.value in (SUCCESS, NO_MATCHING_SUBSCRIBERS):
            # Not on connecting or on a refusal: a broker that then ends the connection, as Mosquitto may, would be
            # tried again and again without a pause.
            self._backoff = SHORTEST_BACKOFF
            self._unheard += reason.value == NO_MATCHING_SUBSCRIBERS
            self._suspects.came_through(message)
            self._reason = self._reason if self._holds.is_any else None
            self._changes.delivered.append(message.key)
        elif reason.value in PERMANENT_REFUSALS:
            self._bury(message.key, PERMANENT_REFUSALS[reason.value])
        elif reason.value == NOT_AUTHORIZED:
            self._hold_topic(message)
        else:
            self._hold(f"it refuses events: {reason}")

    def _hold_topic(self, message: Message) -> None:
        """The access rules forbid this topic: other ones, such as another camera's, need not wait for it."""
        if self._holds.hold_topic(message.topic):
            server = self._servers[self._server_index]
            logger.warning("%s does not allow events on %s; trying again in %.0f s", server, message.topic, holds.HOLD)
        self._reason = f"it does not allow events on {message.topic}"
        self._store.look_again(given_back=[message.key])

    def _hold(self, reason: str) -> None:
        if self._holds.hold_all():
            logger.warning("%s %s; trying again in %.0f s", self._servers[self._server_index], reason, holds.HOLD)
        self._reason = reason

    def _close(self, connection: BrokerConnection, ending: Ending) -> None:
        self._connection = None
        was_connected, self._is_connected = self._is_connected, False
        if was_connected and time.monotonic() - self._connected_at >= LONGEST_BACKOFF:
            self._backoff = SHORTEST_BACKOFF
        if not self._states.disconnected(by_broker=ending.by_broker) and ending.by_broker:
            self._look_for_a_reason()
        self._inflight.clear()
        connection.leave()
        state = BrokerState.REFUSED if ending.is_lasting else BrokerState.UNREACHABLE
        self._try_later(state, ending.reason, was_connected=was_connected)

    def _look_for_a_reason(self) -> None:
        """An event that was alone on its way may be why the broker ended the connection."""
        alone = self._inflight.alone
        if alone is not None and self._suspects.ended(alone):
            self._bury(alone.key, "whenever it is sent, the broker ends the connection or acknowledges nothing")

    def _try_later(self, state: BrokerState, reason: str, *, was_connected: bool) -> None:
        server = self._servers[self._server_index]
        self._state, self._reason = state, reason
        self._server_index = (self._server_index + 1) % len(self._servers)
        pause = 0.0
        if self._server_index == 0:
            pause = self._backoff * _jitter()
            self._backoff = min(2 * self._backoff, LONGEST_BACKOFF)
        self._next_attempt = time.monotonic() + pause
        if self._stopping:
            # A broker that was told goodbye may be the first to hang up.
            return
        logger.warning(
            "%s %s: %s; %d events wait, trying again in %.1f s",
            server,
            "lost" if was_connected else "refused the connection",
            reason,
            self._store.state().waiting,
            pause,
        )

    def _send_again(self) -> None:
        """Forget what was sent: all that the store still holds is sent once more, in order."""
        self._store.rewind()
        self._inflight.clear()
        self._stepped_aside.clear()

    def _send_waiting(self) -> None:
        connection = self._connection
        if connection is None or not self._is_connected or self._holds.is_all:
            return
        if self._holds.end_topics():
            self._store.look_again()
        if self._holds.end_all():
            self._send_again()
        if any(map(self._suspects.suspects, self._inflight.messages)):
            return
        due = next(filter(self._suspects.is_due, self._stepped_aside), None)
        if due is None:
            self._send_next(connection)
            # Where nothing else waits, nothing can show that it is the event and not the broker.
            due = next(iter(self._stepped_aside), None)
        if due is not None and self._inflight.is_open_and_empty:
            self._stepped_aside.remove(due)
            self._send(connection, due)

    def _send_next(self, connection: BrokerConnection) -> None:
        held = self._holds.topics
        while (room := self._inflight.room) and (messages := self._store.take(room, except_topics=held)):
            for message in messages:
                if connection.is_too_large(message.topic, message.payload):
                    self._bury(message.key, PERMANENT_REFUSALS[0x95])
                elif self._suspects.suspects(message):
                    self._stepped_aside.append(message)
                else:
                    self._send(connection, message)

    def _send(self, connection: BrokerConnection, message: Message) -> None:
        self._inflight.add(connection.publish_event(message.topic, message.payload), message)

    def _bury(self, key: Key, reason: str) -> None:
        logger.error("event %d can never be delivered (%s); kept as a dead letter", key.sequence, reason)
        self._changes.dead[key] = reason

    def _disconnect(self) -> None:
        if self._candidate is not None:
            self._candidate.leave()
        connection = self._connection
        if connection is None:
            return
        if self._is_connected:
            stopped = connection.publish_state(self._status_topic, "stopped", qos=1)
            # Raised when the connection ends meanwhile.
            is_said = False
            with suppress(RuntimeError, ValueError):
                stopped.wait_for_publish(2.0)
                is_said = stopped.is_published()
            if not is_said:
                logger.warning("could not say that this device stops")
                # With a goodbye the broker would go on saying that it is online.
                connection.drop()
                return
        connection.leave()
        if self._is_connected:
            # Else the process could end first, and the broker would say it is offline.
            connection.wait_until_left()


def _jitter() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
