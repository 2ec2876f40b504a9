"""Whether each broker lets this device in, and whether a message comes back."""

import json
import queue
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from facemask_edge.broker_address import BrokerAddress, parse_address
from facemask_edge.broker_connection import CONNECT_TIMEOUT, MOST_RECEIVED, ending_of, welcome_of
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.config import Config, MqttConfig
from facemask_edge.credentials import credentials
from facemask_edge.messages import Topics
from facemask_edge.tls import tls_context

PATIENCE = 5.0
"""Seconds that each answer may take."""
RETAINED_PATIENCE = 1.0
"""Seconds that what a broker keeps may take: where it keeps nothing, nothing comes."""
KEEPALIVE = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What one broker did."""

    fault: str | None
    """Why the test failed; None when the message came back."""
    is_let_in: bool
    seconds: float
    """From publishing the message to its coming back."""
    health: dict[str, Any] | None
    """What the device last said about itself there."""


def check_brokers(config: Config) -> tuple[list[Finding], dict[str, Any] | None]:
    """Connect to each server, publish to a test topic and read it back.

    Returns:
        The findings, and what the device last said on its topic ``health``; None when no broker keeps that.
    """
    findings = []
    health: dict[str, Any] | None = None
    works = False
    for server in config.mqtt.servers:
        address = parse_address(server)
        answer = _asked(address, config)
        health = health or answer.health
        findings.append(_finding(address, answer, others_work=works))
        works = works or answer.fault is None
    return findings, health


def _finding(address: BrokerAddress, answer: Answer, *, others_work: bool) -> Finding:
    subject = f"broker {address}"
    if answer.fault is None:
        return ok(subject, f"a message came back after {1000 * answer.seconds:.0f} ms")
    if answer.is_let_in:
        return warning(subject, f"it lets this device in, but {answer.fault}", "see its access rules")
    advice = "is it running, and is its address in mqtt.servers right?"
    return (warning if others_work else problem)(subject, answer.fault, advice)


def _asked(address: BrokerAddress, config: Config) -> Answer:
    with _Visit(address, config) as visit:
        return visit.answer()


class _Visit:
    """One connection to one broker."""

    def __init__(self, address: BrokerAddress, config: Config) -> None:
        topics = Topics(config.mqtt.prefix, config.device_name)
        self._health_topic, self._test_topic = topics.health, topics.check
        self._address = address
        self._heard: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self._client = _client(address, config.mqtt)
        self._client.on_connect = lambda _c, _d, _f, reason, properties: self._heard.put(
            ("connected", welcome_of(reason, properties))
        )
        self._client.on_disconnect = lambda _c, _d, _f, reason, _p: self._heard.put(("ended", reason))
        self._client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._heard.put(("subscribed", reasons))
        self._client.on_publish = lambda _c, _d, _m, reason, _p: self._heard.put(("published", reason))
        self._client.on_message = self._received

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def answer(self) -> Answer:
        """All that is wanted of the broker, one after the other."""
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE)
        except (OSError, ValueError) as error:
            return _refusal(ending_of(error).reason)
        except Exception as error:  # noqa: BLE001 - paho raises others, too, for a WebSocket that is none
            return _refusal(f"it answers with what is no WebSocket: {error}")
        self._client.loop_start()
        connected = self._next("connected", CONNECT_TIMEOUT)
        if connected is None:
            return _refusal("it ended the connection before it answered; does it speak MQTT there?")
        if connected.refusal is not None:
            return _refusal(connected.refusal)
        self._client.subscribe([(self._test_topic, 1), (self._health_topic, 1)])
        reasons: list[ReasonCode] | None = self._next("subscribed")
        if not reasons or reasons[0].is_failure:
            return Answer(f"does not let it read {self._test_topic}", is_let_in=True, seconds=0.0, health=None)
        return self._echo()

    def _echo(self) -> Answer:
        token = secrets.token_hex(16)
        started = time.monotonic()
        if self._client.publish(self._test_topic, token, qos=1).rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return _refusal("it ended the connection")
        health: dict[str, Any] | None = None
        seconds: float | None = None
        give_up = started + PATIENCE
        while time.monotonic() < give_up:
            try:
                kind, content = self._heard.get(timeout=max(give_up - time.monotonic(), 0.01))
            except queue.Empty:
                break
            if kind == "published" and isinstance(content, ReasonCode) and content.is_failure:
                return Answer(f"does not let it publish {self._test_topic}: {content}", True, 0.0, health)  # noqa: FBT003
            if kind == self._test_topic and content == token.encode():
                seconds = time.monotonic() - started
                give_up = min(give_up, time.monotonic() + RETAINED_PATIENCE)
            if kind == self._health_topic:
                health = _object(content)
            if seconds is not None and health is not None:
                break
        if seconds is None:
            return Answer("nothing of what it publishes comes back", is_let_in=True, seconds=0.0, health=health)
        return Answer(None, is_let_in=True, seconds=seconds, health=health)

    def _received(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self._heard.put((message.topic, bytes(message.payload)))

    def _next(self, kind: str, seconds: float = PATIENCE) -> Any:  # noqa: ANN401 - what each callback brings
        """What comes of this kind; None when the connection ends or nothing comes in time."""
        give_up = time.monotonic() + seconds
        while (left := give_up - time.monotonic()) > 0:
            try:
                heard, content = self._heard.get(timeout=left)
            except queue.Empty:
                break
            if heard == kind:
                return content
            if heard == "ended":
                break
        return None


def _client(address: BrokerAddress, config: MqttConfig) -> paho.Client:
    is_version_5 = config.protocol == "5"
    client = _BoundedClient(
        CallbackAPIVersion.VERSION2,
        # Not the daemon's: it would be pushed out.
        f"facemask-edge-check-{secrets.token_hex(4)}",
        protocol=paho.MQTTv5 if is_version_5 else paho.MQTTv311,
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


class _BoundedClient(paho.Client):
    """A paho client that reads no packet of any size."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MOST_RECEIVED:
            raise ValueError(f"a packet of {bufsize} bytes")
        return super()._sock_recv(bufsize)


def _refusal(fault: str) -> Answer:
    return Answer(fault, is_let_in=False, seconds=0.0, health=None)


def _object(content: object) -> dict[str, Any] | None:
    """What the device said, if a device said it."""
    with suppress(ValueError, RecursionError):
        found = json.loads(content) if isinstance(content, bytes) else None
        return found if isinstance(found, dict) else None
    return None
