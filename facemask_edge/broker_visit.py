"""A short visit to a broker, beside the daemon: what is asked is answered before the next thing is asked."""

import queue
import secrets
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Self

from paho.mqtt.enums import MQTTErrorCode

from facemask_edge.broker_address import BrokerAddress
from facemask_edge.broker_connection import (
    CONNECT_TIMEOUT,
    BoundedClient,
    Welcome,
    ending_of,
    new_client,
    welcome_of,
)
from facemask_edge.config import MqttConfig
from facemask_edge.redaction import printable

PATIENCE = 5.0
"""Seconds that each answer may take."""
MOST_HEARD = 1_000
"""Messages that wait to be looked at; who sends more waits, as each may be as large as a packet."""
RETAINED_PATIENCE = 1.0
"""Seconds that what a broker keeps may take: where it keeps nothing, nothing comes."""
CHECK_ADDRESS = "is it running, and is its address in mqtt.servers right?"
CHECK_TLS = "is this its port for TLS, and mqtt.ca the certificate of who signed its own?"
CHECK_LOGIN = (
    "write user name and password into /etc/facemask-edge/mqtt_username and mqtt_password, or where mqtt.username and "
    "mqtt.password_file say; then: sudo systemctl restart facemask-edge"
)


class VisitError(Exception):
    """The broker is not there, or does not let this device in.

    Args:
        reason: Why, as a sentence.
        advice: What to do about it.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason)
        self.advice = advice


class _Client(BoundedClient):
    """One that says in a sentence how its conversation ended."""

    on_end: Callable[[str], None]

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:  # noqa: FBT001, FBT002 - as in paho
        """As paho's, whose thread runs it; whatever a broker sends that is no MQTT ends it without a traceback."""
        reason = "it ended the connection"
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:  # noqa: BLE001 - paho raises many kinds
            reason = printable(f"it sent what is no MQTT: {error}")
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        finally:
            self.on_end(reason)


class BrokerVisit:
    """One connection to one broker.

    Args:
        address: Of the broker.
        config: The section ``mqtt``.

    Raises:
        ConfigError: A file with a password or a certificate cannot be used.
    """

    def __init__(self, address: BrokerAddress, config: MqttConfig) -> None:
        self.address = address
        self._heard: queue.Queue[tuple[str, Any]] = queue.Queue(MOST_HEARD)
        self._left: deque[tuple[str, Any]] = deque()
        """Heard while something else was waited for."""
        # Not the daemon's id: that one would be pushed out.
        client_id = f"facemask-edge-visit-{secrets.token_hex(4)}"
        self.client = new_client(_Client, address, config, client_id)
        self.client.on_connect = lambda _c, _d, _f, reason, properties: self._hear(
            "connected", welcome_of(reason, properties)
        )
        self.client.on_end = lambda reason: self._hear("ended", reason)
        self.client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._hear("subscribed", reasons)
        self.client.on_publish = lambda _c, _d, _m, reason, _p: self._hear("published", reason)
        self.client.on_message = lambda _c, _d, message: self._hear(message.topic, bytes(message.payload))

    def __enter__(self) -> Self:
        """Not connected yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Say goodbye."""
        self.close()

    def close(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        with suppress(queue.Empty):
            # The client's thread may wait for room.
            while True:
                self._heard.get_nowait()
        self.client.loop_stop()

    def connect(self) -> None:
        """Come in.

        Raises:
            VisitError: Not let in.
        """
        try:
            self.client.reach(self.address)
        except (OSError, ValueError) as error:
            advice = CHECK_TLS if isinstance(error, ssl.SSLError) else CHECK_ADDRESS
            raise VisitError(ending_of(error).reason, advice) from error
        except Exception as error:
            raise VisitError(printable(f"it answers with what is no WebSocket: {error}"), CHECK_ADDRESS) from error
        self.client.loop_start()
        connected: Welcome | None = self.next("connected", CONNECT_TIMEOUT)
        if connected is None:
            reason = self.next("ended", 0.0)
            says = f"{reason} before it let us in" if reason else "it does not answer"
            raise VisitError(says, "does it speak MQTT there, and without TLS?")
        if connected.refusal is not None:
            # Its own hint has only the room of a line in a log.
            reason, _, hint = connected.refusal.partition("; ")
            raise VisitError(reason, CHECK_LOGIN if "username" in hint else hint or "see its log")

    def next(self, kind: str, seconds: float = PATIENCE) -> Any:  # noqa: ANN401 - what each callback brings
        """What comes of this kind; None when the connection ends or nothing comes in time. Other things are left.

        Args:
            kind: ``connected``, ``subscribed``, ``published``, ``ended`` or a topic.
            seconds: To wait.
        """
        others = []
        try:
            for heard, content in self.heard(seconds):
                if heard == kind:
                    return content
                others.append((heard, content))
                if heard == "ended":
                    break
            return None
        finally:
            self._left.extendleft(reversed(others))

    def heard(self, seconds: float) -> Iterator[tuple[str, Any]]:
        """All that comes in this time, by its kind as for ``next``; of a topic, the payload."""
        give_up = time.monotonic() + seconds
        while self._left:
            yield self._left.popleft()
        while (wait := give_up - time.monotonic()) > 0:
            try:
                yield self._heard.get(timeout=wait)
            except queue.Empty:
                break

    def subscribe(self, topics: Sequence[str]) -> list[bool]:
        """Listen; which of these topics the broker lets this user read.

        Raises:
            VisitError: It does not say.
        """
        self.client.subscribe([(topic, 1) for topic in topics])
        reasons = self.next("subscribed")
        if reasons is None:
            raise VisitError("it ended the connection, or does not answer any more", "see its log")
        return [not reason.is_failure for reason in reasons]

    def empty(self, topics: Iterable[str]) -> bool:
        """Have the broker forget what it retains of these topics; whether it says that it did."""
        asked = [self.client.publish(topic, "", qos=1, retain=True) for topic in topics]
        answers = [self.next("published") for _ in asked]
        return all(answer is not None and not answer.is_failure for answer in answers)

    def _hear(self, kind: str, content: object) -> None:
        with suppress(queue.Full):
            self._heard.put((kind, content), timeout=PATIENCE)
