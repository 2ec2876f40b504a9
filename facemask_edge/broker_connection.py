"""One connection to one broker, from its first packet to its end.

A paho client of its own each time, run by a thread that ends with it: a client that reconnects by itself would send
again from its memory what the outbox sends again anyway.
"""

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from facemask_edge.broker_address import BrokerAddress
from facemask_edge.config import MqttConfig
from facemask_edge.credentials import credentials
from facemask_edge.errors import ConfigError

KEEPALIVE = 30
CONNECT_TIMEOUT = 10.0
"""Seconds that each of reaching the broker, its certificate and its WebSocket may take."""
MOST_RECEIVED = 65_536
"""Bytes of the largest packet that the broker may send."""
INFLIGHT = 20
"""Events sent but not acknowledged at the most; a broker's Receive Maximum may lower it."""
REFUSED_CREDENTIALS = {0x86, 0x87, 0x8A, 0x8C}
"""Bad user name or password, not authorized, banned, bad authentication method: no later try mends it."""
UNSUPPORTED_PROTOCOL = 0x84
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What a broker answered to a connection."""

    refusal: str | None
    """Why it refuses; None when it does not."""
    refuses_credentials: bool
    max_packet: int | None
    """Bytes of the largest packet that it takes; None when it does not say."""
    window: int
    """Events that it takes before they are acknowledged."""


class Listener(Protocol):
    """Is told what happens to a connection, each time in the thread that ``post`` brings it to."""

    def welcomed(self, connection: "BrokerConnection", welcome: Welcome) -> None:
        """The broker answered."""

    def acknowledged(self, connection: "BrokerConnection", message: int, reason: ReasonCode) -> None:
        """The broker answered to the event of that number."""

    def closed(self, connection: "BrokerConnection", reason: str) -> None:
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
    ) -> None:
        self.address = address
        self._listener = listener
        self._post = post
        self._is_version_5 = config.protocol == "5"
        self._client = self._new_client(config, client_id, will_topic)
        threading.Thread(target=self._serve, name="mqtt", daemon=True).start()

    def publish_event(self, topic: str, payload: bytes) -> int:
        """Send an event at QoS 1; the number by which it is acknowledged."""
        properties = None
        if self._is_version_5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = "application/json"
            properties.PayloadFormatIndicator = 1
        return self._client.publish(topic, payload, qos=1, properties=properties).mid

    def publish_state(self, topic: str, payload: str, *, qos: int = 0) -> paho.MQTTMessageInfo:
        """Send a retained state."""
        return self._client.publish(topic, payload, qos=qos, retain=True)

    def leave(self) -> None:
        """Disconnect politely: the broker does not publish the last will."""
        # In a thread of its own: where the network stalls, saying goodbye may wait for a lock.
        threading.Thread(target=self._client.disconnect, name="mqtt close", daemon=True).start()

    def _serve(self) -> None:
        reason = "connection lost"
        try:
            self._connect()
            self._client.loop_forever()
        except ssl.SSLCertVerificationError as error:
            reason = f"its certificate is not trusted: {error.verify_message}; see mqtt.ca"
        except ssl.SSLError as error:
            reason = f"TLS failed: {error.reason or error}"
        except socket.gaierror as error:
            reason = f"its name cannot be resolved: {error.strerror}"
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
        except Exception as error:
            # paho raises many kinds for packets that are none; none of them may end the thread silently.
            reason = f"it sent what is no MQTT: {error}"
            logger.debug("from %s", self.address, exc_info=True)
        self._tell(lambda: self._listener.closed(self, reason))

    def _connect(self) -> None:
        properties = None
        if self._is_version_5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MOST_RECEIVED
        self._client.connect(self.address.host, self.address.port, keepalive=KEEPALIVE, properties=properties)

    def _new_client(self, config: MqttConfig, client_id: str, will_topic: str) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=paho.MQTTv5 if self._is_version_5 else paho.MQTTv311,
            transport="websockets" if self.address.uses_websockets else "tcp",
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT
        if self.address.uses_websockets:
            client.ws_set_options(path=self.address.path)
        if self.address.uses_tls:
            client.tls_set_context(tls_context(config))
        client.will_set(will_topic, "offline", qos=1, retain=True)
        username, password = credentials(config)
        if username is not None:
            client.username_pw_set(username, password)

        def on_connect(_c: object, _u: object, _f: object, reason: ReasonCode, properties: Properties | None) -> None:
            welcome = _welcome(reason, properties)
            self._tell(lambda: self._listener.welcomed(self, welcome))

        def on_publish(_c: object, _u: object, mid: int, reason: ReasonCode, _p: object) -> None:
            self._tell(lambda: self._listener.acknowledged(self, mid, reason))

        def on_disconnect(_c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
            self._tell(lambda: self._listener.closed(self, str(reason)))

        client.on_connect = on_connect
        client.on_publish = on_publish
        client.on_disconnect = on_disconnect
        return client

    def _tell(self, what: Callable[[], None]) -> None:
        self._post(what)


def tls_context(config: MqttConfig) -> ssl.SSLContext:
    """How a broker's certificate is checked, and which one is shown to it.

    Raises:
        ConfigError: A file cannot be read or is no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(config.ca) if config.ca else None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"mqtt.ca {config.ca}: {_file_fault(error)}") from error
    if config.cert is not None:
        try:
            # An encrypted key would ask for its password on the terminal.
            context.load_cert_chain(config.cert, config.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise ConfigError(f"mqtt.cert {config.cert} with mqtt.key {config.key}: {_file_fault(error)}") from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; store one without a password")


def _file_fault(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no PEM certificate and key that belong together ({error.reason or error})"
    return getattr(error, "strerror", None) or str(error)


def _welcome(reason: ReasonCode, properties: Properties | None) -> Welcome:
    refusal = None
    if reason.is_failure:
        hint = ""
        if reason.value in REFUSED_CREDENTIALS:
            hint = "; check mqtt.username and mqtt.password_file"
        elif reason.value == UNSUPPORTED_PROTOCOL:
            hint = "; set mqtt.protocol to 3.1.1"
        refusal = f"{reason}{hint}"
    return Welcome(
        refusal=refusal,
        refuses_credentials=reason.value in REFUSED_CREDENTIALS,
        max_packet=getattr(properties, "MaximumPacketSize", None),
        window=min(INFLIGHT, getattr(properties, "ReceiveMaximum", INFLIGHT)),
    )
