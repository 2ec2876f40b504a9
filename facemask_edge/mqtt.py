"""Publishes over MQTT 5 what the outbox holds, and takes an event out of it only when the broker has taken it over.

One thread owns the outbox and all state; whatever happens elsewhere (the frame loop's events, paho's callbacks) is
posted to it as a small function. Each connection is a paho client of its own, run by a thread that ends with it: a
client that reconnects by itself would send again from its memory what the outbox sends again anyway.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from facemask_edge.config import MqttConfig, split_server
from facemask_edge.errors import ConfigError
from facemask_edge.messages import Topics
from facemask_edge.outbox import Message, Outbox

KEEPALIVE = 30
CONNECT_TIMEOUT = 15.0
"""Seconds after which a broker that accepts a connection but never answers is given up."""
SHORTEST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
INFLIGHT = 20
"""Events sent but not acknowledged at the most; a broker's Receive Maximum may lower it."""
HOLD = 30.0
"""Seconds without sending after a broker refused an event for a reason that may pass."""
PACKET_OVERHEAD = 16
"""More than a PUBLISH adds to topic and payload."""

SUCCESS = 0x00
NO_MATCHING_SUBSCRIBERS = 0x10
PERMANENT_REFUSALS = {0x90: "topic name invalid", 0x95: "packet too large", 0x99: "payload format invalid"}
"""What no later try can mend: such an event becomes a dead letter. All other refusals are the device's or the
broker's state, and the queue waits."""
logger = logging.getLogger(__name__)


class Publisher:
    """Delivers the outbox to the first broker that lets us.

    Args:
        config: The section ``mqtt``.
        device: Name of this device.
        outbox: Used by this object's thread alone once it is started.

    Raises:
        ConfigError: The password file cannot be read.
    """

    def __init__(self, config: MqttConfig, *, device: str, outbox: Outbox) -> None:
        self._config = config
        self._client_id = f"{config.prefix}-{device}"
        self._status_topic = Topics(config.prefix, device).status
        self._password = _password(config)
        self._outbox = outbox
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._stopping = False
        self._client: paho.Client | None = None
        self._connected = False
        self._server_index = 0
        self._backoff = SHORTEST_BACKOFF
        self._next_attempt = 0.0
        self._give_up_at = 0.0
        self._hold_until = 0.0
        self._max_packet: int | None = None
        self._window = INFLIGHT
        self._last_sent = 0
        self._inflight: dict[int, int] = {}
        self._acknowledged: list[int] = []
        self._latest: dict[str, str] = {}
        self._waiting_for_empty: list[threading.Event] = []
        self.unheard = 0
        """Events the broker took although nobody subscribes."""

    def start(self) -> None:
        """Start connecting and delivering."""
        self._thread.start()

    def submit(self, topic: str, payload: Mapping[str, Any]) -> None:
        """Deliver an event for certain: it is on disk a moment later, and stays there until acknowledged."""
        self._posted.put(lambda: self._outbox.append(topic, payload))

    def publish_latest(self, topic: str, payload: str) -> None:
        """Publish a retained state at QoS 0: only its newest value matters, and it is sent again on connecting."""

        def publish() -> None:
            self._latest[topic] = payload
            if self._connected and self._client:
                self._client.publish(topic, payload, retain=True)

        self._posted.put(publish)

    def drain(self, timeout: float) -> bool:
        """Wait until every event submitted so far is acknowledged; False when ``timeout`` seconds were not enough."""
        empty = threading.Event()
        self._posted.put(lambda: self._waiting_for_empty.append(empty))
        return empty.wait(timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Say ``stopped``, disconnect and end the thread; what is not delivered stays in the outbox."""

        def stop() -> None:
            self._stopping = True

        self._posted.put(stop)
        self._thread.join(timeout)

    def _run(self) -> None:
        while not self._stopping:
            with self._outbox.transaction():
                self._do_posted()
                self._outbox.delete(self._acknowledged)
                self._acknowledged.clear()
            # Only now, after the commit: nothing is sent that a power cut could make unknown.
            self._connect_when_due()
            self._send_waiting()
            if self._waiting_for_empty and self._outbox.counts()[0] == 0:
                for empty in self._waiting_for_empty:
                    empty.set()
                self._waiting_for_empty.clear()
        self._disconnect()
        self._outbox.close()

    def _do_posted(self) -> None:
        """Wait a moment for something to do, then do all that is there."""
        try:
            self._posted.get(timeout=0.2)()
            while True:
                self._posted.get_nowait()()
        except queue.Empty:
            return

    def _connect_when_due(self) -> None:
        now = time.monotonic()
        if self._client is not None:
            if not self._connected and now >= self._give_up_at:
                self._closed(self._client, "it accepts connections but does not answer")
            return
        if now < self._next_attempt:
            return
        server = self._config.servers[self._server_index]
        self._client = client = self._new_client()
        self._give_up_at = now + CONNECT_TIMEOUT
        threading.Thread(target=self._serve, args=(client, *split_server(server)), name="mqtt", daemon=True).start()

    def _new_client(self) -> paho.Client:
        # The id stays the same: the broker then ends a dead predecessor at once, and its last will cannot arrive
        # after our "online".
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.will_set(self._status_topic, "offline", qos=1, retain=True)
        if self._config.username is not None:
            client.username_pw_set(self._config.username, self._password)

        def on_connect(_c: object, _u: object, _f: object, reason: ReasonCode, properties: Properties | None) -> None:
            self._posted.put(lambda: self._answered(client, reason, properties))

        def on_publish(_c: object, _u: object, mid: int, reason: ReasonCode, _p: object) -> None:
            self._posted.put(lambda: self._acknowledge(client, mid, reason))

        def on_disconnect(_c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
            self._posted.put(lambda: self._closed(client, str(reason)))

        client.on_connect = on_connect
        client.on_publish = on_publish
        client.on_disconnect = on_disconnect
        return client

    def _serve(self, client: paho.Client, host: str, port: int) -> None:
        """Run one connection to its end, in a thread of its own."""
        reason = "connection lost"
        try:
            client.connect(host, port, keepalive=KEEPALIVE)
            client.loop_forever()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        self._posted.put(lambda: self._closed(client, reason))

    def _answered(self, client: paho.Client, reason: ReasonCode, properties: Properties | None) -> None:
        if client is not self._client:
            return
        if reason.is_failure:
            self._closed(client, f"{reason}; check mqtt.username and mqtt.password_file")
            return
        self._connected = True
        self._backoff = SHORTEST_BACKOFF
        self._max_packet = getattr(properties, "MaximumPacketSize", None)
        self._window = min(INFLIGHT, getattr(properties, "ReceiveMaximum", INFLIGHT))
        self._send_again()
        logger.info("connected to %s", self._server)
        client.publish(self._status_topic, "online", qos=1, retain=True)
        for topic, payload in self._latest.items():
            client.publish(topic, payload, retain=True)

    def _closed(self, client: paho.Client, reason: str) -> None:
        if client is not self._client:
            return
        self._client = None
        was_connected, self._connected = self._connected, False
        threading.Thread(target=client.disconnect, name="mqtt close", daemon=True).start()
        server = self._server
        self._server_index = (self._server_index + 1) % len(self._config.servers)
        pause = 0.0
        if self._server_index == 0 or was_connected:
            pause = self._backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            self._backoff = min(2 * self._backoff, LONGEST_BACKOFF)
        self._next_attempt = time.monotonic() + pause
        waiting = self._outbox.counts()[0]
        logger.warning(
            "%s %s: %s; %d events wait, trying again in %.1f s",
            server,
            "lost" if was_connected else "refused the connection",
            reason,
            waiting,
            pause,
        )

    @property
    def _server(self) -> str:
        return self._config.servers[self._server_index]

    def _send_again(self) -> None:
        """Forget what was sent: all that the outbox still holds is sent once more, in order."""
        self._last_sent = 0
        self._inflight.clear()

    def _send_waiting(self) -> None:
        client = self._client
        if client is None or not self._connected or time.monotonic() < self._hold_until:
            return
        for message in self._outbox.waiting(self._last_sent, max(self._window - len(self._inflight), 0)):
            self._last_sent = message.sequence
            if self._too_large(message):
                self._bury(message.sequence, PERMANENT_REFUSALS[0x95])
                continue
            sent = client.publish(message.topic, message.payload, qos=1, properties=_json_properties())
            self._inflight[sent.mid] = message.sequence

    def _too_large(self, message: Message) -> bool:
        size = len(message.topic.encode()) + len(message.payload) + PACKET_OVERHEAD
        # A broker answers a packet above its maximum with a disconnect, not with a PUBACK: never send one.
        return self._max_packet is not None and size > self._max_packet

    def _acknowledge(self, client: paho.Client, mid: int, reason: ReasonCode) -> None:
        sequence = self._inflight.pop(mid, None) if client is self._client else None
        if sequence is None:
            return
        if reason.value in (SUCCESS, NO_MATCHING_SUBSCRIBERS):
            self.unheard += reason.value == NO_MATCHING_SUBSCRIBERS
            self._acknowledged.append(sequence)
        elif reason.value in PERMANENT_REFUSALS:
            self._bury(sequence, PERMANENT_REFUSALS[reason.value])
        else:
            logger.warning("%s refuses events: %s; trying again in %.0f s", self._server, reason, HOLD)
            self._hold_until = time.monotonic() + HOLD
            self._send_again()

    def _bury(self, sequence: int, reason: str) -> None:
        logger.error("event %d can never be delivered (%s); kept as a dead letter", sequence, reason)
        self._outbox.bury(sequence, reason)

    def _disconnect(self) -> None:
        client = self._client
        if client is None or not self._connected:
            return
        stopped = client.publish(self._status_topic, "stopped", qos=1, retain=True)
        try:
            stopped.wait_for_publish(2.0)
        except (RuntimeError, ValueError):
            logger.warning("could not say that this device stops; the broker will say it is offline")
        client.disconnect()


def _json_properties() -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1
    return properties


def _password(config: MqttConfig) -> str | None:
    if config.password_file is None:
        return None
    try:
        lines = config.password_file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"mqtt.password_file {config.password_file}: {error}") from error
    return lines[0] if lines else ""
