"""Whether each broker lets this device in, and whether a message comes back."""

import json
import queue
import secrets
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from facemask_edge.broker_address import BrokerAddress, parse_address
from facemask_edge.broker_connection import (
    CONNECT_TIMEOUT,
    KEEPALIVE,
    BoundedClient,
    Welcome,
    ending_of,
    new_client,
    welcome_of,
)
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.config import Config
from facemask_edge.messages import Topics

PATIENCE = 5.0
"""Seconds that each answer may take."""
RETAINED_PATIENCE = 1.0
"""Seconds that what a broker keeps may take: where it keeps nothing, nothing comes."""
CHECK_ADDRESS = "is it running, and is its address in mqtt.servers right?"
CHECK_TLS = "is this its port for TLS, and mqtt.ca the certificate of who signed its own?"
CHECK_LOGIN = (
    "write user name and password into /etc/facemask-edge/mqtt_username and mqtt_password, or where mqtt.username and "
    "mqtt.password_file say; then: sudo systemctl restart facemask-edge"
)
CHECK_RULES = "violations may be forbidden, too: see its access rules"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one broker did."""

    fault: str | None = None
    """Why the test failed; None when the message came back."""
    advice: str = ""
    """What to do about it."""
    is_let_in: bool = False
    seconds: float = 0.0
    """From publishing the message to its coming back."""
    health: dict[str, Any] | None = None
    """What the device last said about itself there."""


def check_brokers(config: Config) -> tuple[list[Finding], list[dict[str, Any]]]:
    """Connect to each server, publish to a test topic and read it back.

    Returns:
        The findings, and what the device last said on its topic ``health`` to each broker that keeps that.

    Raises:
        ConfigError: A file with a password or a certificate cannot be used.
    """
    addresses = [parse_address(server) for server in config.mqtt.servers]
    answers = [_asked(address, config) for address in addresses]
    is_one_enough = any(answer.is_let_in for answer in answers)
    findings = [
        _finding(address, answer, others_work=is_one_enough) for address, answer in zip(addresses, answers, strict=True)
    ]
    return findings, [answer.health for answer in answers if answer.health is not None]


def _finding(address: BrokerAddress, answer: Answer, *, others_work: bool) -> Finding:
    subject = f"broker {address}"
    if answer.fault is None:
        return ok(subject, f"a message came back after {1000 * answer.seconds:.0f} ms")
    if answer.is_let_in:
        return warning(subject, f"it lets this device in, but {answer.fault}", answer.advice)
    return (warning if others_work else problem)(subject, answer.fault, answer.advice)


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
        # Not the daemon's id: that one would be pushed out.
        client_id = f"facemask-edge-check-{secrets.token_hex(4)}"
        self._client = new_client(BoundedClient, address, config.mqtt, client_id)
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
        refusal = self._connected() or self._subscribed()
        return refusal or self._echo()

    def _connected(self) -> Answer | None:
        """Connect; what went wrong."""
        try:
            self._client.connect(self._address.host, self._address.port, keepalive=KEEPALIVE)
        except (OSError, ValueError) as error:
            is_tls = isinstance(error, ssl.SSLError)
            return Answer(ending_of(error).reason, CHECK_TLS if is_tls else CHECK_ADDRESS)
        except Exception as error:  # noqa: BLE001 - paho raises others, too, for a WebSocket that is none
            return Answer(f"it answers with what is no WebSocket: {error}", CHECK_ADDRESS)
        self._client.loop_start()
        connected: Welcome | None = self._next("connected", CONNECT_TIMEOUT)
        if connected is None:
            return Answer("it ended the connection before it answered", "does it speak MQTT there, and without TLS?")
        if connected.refusal is None:
            return None
        # Its own hint has only the room of a line in a log.
        reason, _, hint = connected.refusal.partition("; ")
        return Answer(reason, CHECK_LOGIN if "username" in hint else hint or "see its log")

    def _subscribed(self) -> Answer | None:
        """Subscribe to what comes back and what is kept; what went wrong."""
        self._client.subscribe([(self._test_topic, 1), (self._health_topic, 1)])
        reasons: list[ReasonCode] | None = self._next("subscribed")
        if reasons is None:
            return Answer("it ended the connection, or does not answer any more", "see its log", is_let_in=True)
        if reasons[0].is_failure:
            return Answer(f"does not let it read {self._test_topic}", CHECK_RULES, is_let_in=True)
        return None

    def _echo(self) -> Answer:
        token = secrets.token_hex(16)
        started = time.monotonic()
        self._client.publish(self._test_topic, token, qos=1)
        health: dict[str, Any] | None = None
        seconds: float | None = None
        give_up = started + PATIENCE
        while (seconds is None or health is None) and time.monotonic() < give_up:
            try:
                kind, content = self._heard.get(timeout=max(give_up - time.monotonic(), 0.01))
            except queue.Empty:
                break
            if kind == "published" and isinstance(content, ReasonCode) and content.is_failure:
                fault = f"does not let it publish {self._test_topic}: {content}"
                return Answer(fault, CHECK_RULES, is_let_in=True, health=health)
            if kind == self._test_topic and content == token.encode():
                seconds = time.monotonic() - started
                give_up = min(give_up, time.monotonic() + RETAINED_PATIENCE)
            if kind == self._health_topic:
                health = _object(content)
        if seconds is None:
            return Answer("nothing of what it publishes comes back", CHECK_RULES, is_let_in=True, health=health)
        return Answer(is_let_in=True, seconds=seconds, health=health)

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


def _object(content: object) -> dict[str, Any] | None:
    """What the device said, if a device said it."""
    with suppress(ValueError, RecursionError):
        found = json.loads(content) if isinstance(content, bytes) else None
        return found if isinstance(found, dict) else None
    return None
