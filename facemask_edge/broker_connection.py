"""One connection to one broker, from its first packet to its end.

A paho client of its own each time, run by a thread that ends with it: a client that reconnects by itself would send
again from its memory what the outbox sends again anyway.
"""

import logging
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from facemask_edge.broker_address import BrokerAddress
from facemask_edge.config import MqttConfig
from facemask_edge.credentials import credentials
from facemask_edge.tls import tls_context

KEEPALIVE = 30
CONNECT_TIMEOUT = 10.0
"""Seconds that each of reaching the broker, its certificate and its WebSocket may take."""
MOST_RECEIVED = 65_536
"""Bytes of the largest packet that the broker may send."""
LONGEST_ORDER = 1_000
"""Bytes of a payload that are looked at."""
PACKET_OVERHEAD = 128
"""More than a PUBLISH adds to topic and payload, properties included."""
QOS_2 = 0x04
"""Of a PUBLISH packet's first byte."""
INFLIGHT = 20
"""Sent but not acknowledged at the most, as in paho; a broker's Receive Maximum may lower it."""
STATES = 6
"""Of these, places that stay free for states."""
LEAVE_TIMEOUT = 5.0
"""Seconds to say goodbye in, where the network stalls."""
REFUSED_CREDENTIALS = {0x86, 0x87, 0x8A, 0x8C}
"""Bad user name or password, not authorized, banned, bad authentication method: no later try mends it."""
UNSUPPORTED_PROTOCOL = 0x84
PROTOCOL_ERROR = 0x82
KEEPALIVE_TIMEOUT = 0x8D
WRONG_NAME = {62, 64}
"""OpenSSL's numbers of a certificate that is for another host or address."""
ClientType = TypeVar("ClientType", bound="BoundedClient")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a broker answered to a connection."""

    refusal: str | None
    """Why it refuses; None when it does not."""
    is_lasting: bool
    """Whether a refusal is one that no later try mends, but a user."""
    max_packet: float
    """Bytes of the largest packet that it takes."""
    window: int
    """Events that it takes before they are acknowledged."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended."""

    reason: str
    is_lasting: bool = False
    """Whether a user has to mend it: there is a broker, and we do not let each other in."""
    by_broker: bool = False
    """Whether the broker ended a connection that it had accepted, or acknowledged nothing on it."""


@dataclass(frozen=True, slots=True)
class Received:
    """What came on a topic that was listened to."""

    topic: str
    payload: bytes
    """Cut off after ``LONGEST_ORDER``."""


class Listener(Protocol):
    """Is told what happens to a connection, each time in the thread that ``post`` brings it to."""

    def welcomed(self, connection: "BrokerConnection", welcome: Welcome) -> None:
        """The broker answered."""

    def acknowledged(self, connection: "BrokerConnection", message: int, reason: ReasonCode) -> None:
        """The broker answered to the event, the state or the wish to listen of that number."""

    def closed(self, connection: "BrokerConnection", ending: Ending) -> None:
        """The connection has ended, or never was; told once or more often."""


class BrokerConnection:
    """Connects when it is made.

    Args:
        address: Of the broker.
        config: The section ``mqtt``.
        client_id: The same for all connections of a device: the broker then ends a dead predecessor at once, and its
            last will cannot arrive after our ``online``.
        will_topic: Gets ``offline``, retained, when the connection is lost.
        listener: Told what happens.
        post: Runs a function in the listener's thread.
        received: Called, in the connection's own thread, with what comes on the topics that are listened to.

    Raises:
        ConfigError: A file with a password or certificate cannot be used.
    """

    def __init__(  # noqa: PLR0913 - each is one thing a connection needs
        self,
        address: BrokerAddress,
        config: MqttConfig,
        *,
        client_id: str,
        will_topic: str,
        listener: Listener,
        post: Callable[[Callable[[], None]], None],
        received: Callable[[Received], None],
    ) -> None:
        self.address = address
        self._listener = listener
        self._post = post
        self._received = received
        self._is_version_5 = config.protocol == "5"
        self._leave_until = math.inf
        self._is_reached = False
        self._was_accepted = False
        self._max_packet = math.inf
        self._client = self._new_client(config, client_id, will_topic)
        self._thread = threading.Thread(target=self._serve, name="mqtt", daemon=True)
        self._thread.start()

    def publish_event(self, topic: str, payload: bytes) -> int:
        """Send an event at QoS 1; the number by which it is acknowledged."""
        properties = self._content("application/json")
        if properties is not None:
            properties.PayloadFormatIndicator = 1
        return self._client.publish(topic, payload, qos=1, properties=properties).mid

    def publish_state(self, topic: str, payload: str, *, qos: int = 0) -> paho.MQTTMessageInfo:
        """Send what only its newest value matters of, to be retained."""
        return self._client.publish(topic, payload, qos=qos, retain=True)

    def publish_once(self, topic: str, payload: str | bytes, about: Mapping[str, str]) -> int:
        """Send what is of use now; ``about`` says more of it, by name. The number by which it is acknowledged."""
        properties = self._content("application/json" if isinstance(payload, str) else "image/jpeg")
        if properties is not None:
            properties.UserProperty = list(about.items())
        return self._client.publish(topic, payload, qos=1, properties=properties).mid

    def _content(self, kind: str) -> Properties | None:
        """What is said of a message, by its media type; None where the broker's version knows no such thing."""
        if not self._is_version_5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = kind
        return properties

    def listen(self, topic: str) -> int | None:
        """Listen to what is sent there from now on; the number by which it is acknowledged, None when all is over.

        What a broker retains is left out: an order of long ago is none.
        """
        self._client.is_listening = True
        if self._is_version_5:
            now = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            _, number = self._client.subscribe(topic, options=now)
        else:
            _, number = self._client.subscribe(topic, 1)
        return number

    def is_too_large(self, topic: str, payload: bytes) -> bool:
        """Whether the broker would answer such a packet with a disconnect, not with a PUBACK: it must not be sent."""
        return len(topic.encode()) + len(payload) + PACKET_OVERHEAD > self._max_packet

    def leave(self) -> None:
        """Disconnect politely: the broker does not publish the last will."""
        self._leave_until = time.monotonic() + LEAVE_TIMEOUT
        self._client.disconnect()
        if not self._is_reached:
            # Each byte of a handshake has its time limit, the handshake has none.
            self._client.cut()

    def drop(self) -> None:
        """Disconnect without a word: the broker publishes the last will."""
        self._leave_until = 0.0
        self._client.cut()

    def wait_until_left(self) -> None:
        """Wait until the goodbye was said, or a second is over."""
        self._thread.join(1.0)

    def _serve(self) -> None:
        try:
            ending = self._reach() or self._converse()
        finally:
            self._clean_up()
        self._post(lambda: self._listener.closed(self, ending))

    def _reach(self) -> Ending | None:
        """Connect, and say why it did not work."""
        try:
            self._client.reach(self.address)
        except (OSError, ValueError) as error:
            return ending_of(error)
        except Exception as error:
            # paho raises others, too, for a WebSocket that is none.
            logger.debug("from %s", self.address, exc_info=True)
            return Ending(f"it sent what is no WebSocket: {error}")
        finally:
            self._is_reached = True
        if self._leave_until < math.inf:
            # Given up meanwhile: with the same id it would push out its successor.
            return Ending("it did not answer in time")
        return None

    def _converse(self) -> Ending:
        """Send and receive until the connection ends."""
        try:
            # Not loop_forever(): with that, what other threads publish is written by them, in the middle of what this
            # one has written half. With the pair of sockets that loop() makes, they only wake this one.
            while self._client.loop() == MQTTErrorCode.MQTT_ERR_SUCCESS and time.monotonic() < self._leave_until:
                pass
        except Exception as error:
            # paho raises many kinds for packets that are none; none of them may end the thread silently.
            logger.debug("from %s", self.address, exc_info=True)
            return Ending(f"it sent what is no MQTT: {error}", is_lasting=not self._was_accepted)
        return Ending("connection lost")

    def _clean_up(self) -> None:
        client = self._client
        # These hold this object, which holds the client: its sockets would stay open until somebody collects garbage.
        client.on_connect = client.on_publish = client.on_disconnect = None
        client.on_subscribe = client.on_message = None
        left_open = client.socket()
        if left_open is not None:
            left_open.close()
        client.forget_line()

    def _new_client(self, config: MqttConfig, client_id: str, will_topic: str) -> "_Client":
        client = new_client(_Client, self.address, config, client_id)
        client.will_set(will_topic, "offline", qos=1, retain=True)

        def on_connect(_c: object, _u: object, _f: object, reason: ReasonCode, properties: Properties | None) -> None:
            if self._was_accepted:
                # Each would start all over again.
                raise ValueError("a second CONNACK")
            self._was_accepted = not reason.is_failure
            welcome = welcome_of(reason, properties)
            self._max_packet = welcome.max_packet
            client.heed_receive_maximum(getattr(properties, "ReceiveMaximum", INFLIGHT))
            self._post(lambda: self._listener.welcomed(self, welcome))

        def on_publish(_c: object, _u: object, mid: int, reason: ReasonCode, _p: object) -> None:
            self._post(lambda: self._listener.acknowledged(self, mid, reason))

        def on_disconnect(_c: object, _u: object, flags: paho.DisconnectFlags, reason: ReasonCode, _p: object) -> None:
            ending = self._lost(reason, said_so=flags.is_disconnect_packet_from_server)
            self._post(lambda: self._listener.closed(self, ending))

        def on_subscribe(_c: object, _u: object, mid: int, reasons: list[ReasonCode], _p: object) -> None:
            # One topic each time; who answers to more is no broker.
            self._post(lambda: self._listener.acknowledged(self, mid, reasons[0]))

        def on_message(_c: object, _u: object, message: paho.MQTTMessage) -> None:
            if not message.retain:
                self._received(Received(message.topic, bytes(message.payload[:LONGEST_ORDER])))

        client.on_connect = on_connect
        client.on_publish = on_publish
        client.on_disconnect = on_disconnect
        client.on_subscribe = on_subscribe
        client.on_message = on_message
        # That there is one keeps paho from writing in the thread that publishes; see _converse.
        client.on_socket_register_write = lambda _c, _u, _s: None
        return client

    def _lost(self, reason: ReasonCode, *, said_so: bool) -> Ending:
        if said_so:
            return Ending(f"it ended the connection: {reason}", by_broker=self._was_accepted)
        if reason.value == KEEPALIVE_TIMEOUT:
            return Ending(f"no sign of life for {KEEPALIVE} s")
        if reason.value == PROTOCOL_ERROR:
            return Ending("it speaks another version of MQTT, or none", is_lasting=not self._was_accepted)
        fault = self._client.fault
        if isinstance(fault, ssl.SSLError):
            # Since TLS 1.3, a broker checks a device's certificate when the device believes to be connected.
            return ending_of(fault)
        if isinstance(fault, OSError) and not isinstance(fault, ConnectionError):
            return ending_of(fault)
        return Ending("it ended the connection", by_broker=self._was_accepted)


class BoundedClient(paho.Client):
    """A paho client that reads no packet of any size."""

    def reach(self, address: BrokerAddress) -> None:
        """Connect, and ask for no packet that is too large; MQTT 3.1.1 has no word for that.

        Raises:
            OSError, ValueError: It cannot be reached; ``ending_of`` says why.
            Exception: paho raises others, too, for a WebSocket that is none.
        """
        properties = None
        if self.protocol == paho.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MOST_RECEIVED
        self.connect(address.host, address.port, keepalive=KEEPALIVE, properties=properties)

    def _sock_recv(self, bufsize: int) -> bytes:
        # paho asks for the whole rest of a packet; a broker of MQTT 3.1.1 does not know our maximum.
        if bufsize > MOST_RECEIVED:
            raise ValueError(f"a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)


class _Client(BoundedClient):
    """One that knows why its connection failed, and can be cut off."""

    fault: Exception | None = None
    _line: socket.socket | None = None
    """A second handle of the TCP connection: the first one belongs to whatever is shaking hands on it."""
    _is_cut = False
    is_listening = False

    def cut(self) -> None:
        """End the TCP connection, now or as soon as there is one; called in any thread."""
        self._is_cut = True
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def _cut_if_told(self) -> None:
        if self._is_cut:
            self.cut()

    def forget_line(self) -> None:
        """Close the second handle, when the first one is closed."""
        if self._line is not None:
            self._line.close()

    def _create_socket_connection(self) -> socket.socket:
        addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        fault = OSError("it was given up")
        # The last one may be the one that answers: each has its share of the time.
        for *_, address in addresses:
            if self._is_cut:
                break
            try:
                connected = socket.create_connection((str(address[0]), self._port), CONNECT_TIMEOUT / len(addresses))
            except OSError as error:
                fault = error
                continue
            connected.settimeout(CONNECT_TIMEOUT)
            # An event right after the counts of people would wait for the broker's delayed ACK, 40 ms.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._line = connected.dup()
            self._cut_if_told()
            return connected
        raise fault

    def heed_receive_maximum(self, number: int) -> None:
        """Send at most so many that are not acknowledged; the others wait. paho has no such setting once connected."""
        self._max_inflight_messages = min(INFLIGHT, number)

    def _handle_publish(self) -> MQTTErrorCode:
        if not self.is_listening:
            raise ValueError("an event, and nothing was subscribed to")
        # Nothing was subscribed to with this: paho would keep as many as a broker sends.
        if self._in_packet["command"] & QOS_2:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return super()._handle_publish()

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as error:
            self.fault = error
            raise


def new_client(kind: type[ClientType], address: BrokerAddress, config: MqttConfig, client_id: str) -> ClientType:
    """A client that speaks to this broker as it wants it, and says who it is; not connected yet.

    Raises:
        ConfigError: A file with a password or certificate cannot be used.
    """
    client = kind(
        CallbackAPIVersion.VERSION2,
        client_id,
        protocol=paho.MQTTv5 if config.protocol == "5" else paho.MQTTv311,
        transport="websockets" if address.uses_websockets else "tcp",
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_TIMEOUT
    if address.uses_websockets:
        client.ws_set_options(path=address.path)
    if address.uses_tls:
        client.tls_set_context(tls_context(config))
    username, password = credentials(config)
    if username is not None:
        client.username_pw_set(username, password)
    return client


def ending_of(error: OSError | ValueError) -> Ending:
    """Why a broker cannot be reached, as a sentence."""
    is_lasting = isinstance(error, ssl.SSLError | UnicodeError) and not isinstance(error, ssl.SSLEOFError)
    match error:
        case ssl.SSLCertVerificationError(verify_code=code, verify_message=message) if code in WRONG_NAME:
            reason = f"its certificate is for another name: {message.rstrip('.')}; write that name into mqtt.servers"
        case ssl.SSLCertVerificationError(verify_message=message):
            reason = f"its certificate is not trusted: {message}; see mqtt.ca"
        case ssl.SSLError(reason=str(kind)) if "ALERT" in kind and ("CERTIFICATE" in kind or "UNKNOWN_CA" in kind):
            reason = f"it does not accept this device's certificate: {kind}; see mqtt.cert"
        case ssl.SSLError() if is_lasting:
            reason = f"TLS failed: {error.reason or error}; is this a port for TLS?"
        case socket.gaierror():
            reason = f"its name cannot be resolved: {error.strerror}"
        case UnicodeError():
            reason = "its name cannot be resolved: it is no name of a host"
        case TimeoutError():
            reason = "it did not answer in time"
        case _:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Ending(reason, is_lasting=is_lasting)


def welcome_of(reason: ReasonCode, properties: Properties | None) -> Welcome:
    """What a broker's CONNACK says."""
    refusal = None
    if reason.is_failure:
        hint = ""
        if reason.value in REFUSED_CREDENTIALS:
            hint = "; check mqtt.username and mqtt.password_file"
        elif reason.value == UNSUPPORTED_PROTOCOL:
            hint = "; set mqtt.protocol to 3.1.1"
        refusal = f"{reason}{hint}"
    receive_maximum = getattr(properties, "ReceiveMaximum", INFLIGHT)
    return Welcome(
        refusal=refusal,
        is_lasting=reason.value in REFUSED_CREDENTIALS | {UNSUPPORTED_PROTOCOL},
        max_packet=getattr(properties, "MaximumPacketSize", math.inf),
        window=max(1, min(INFLIGHT, receive_maximum) - STATES),
    )
