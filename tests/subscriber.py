"""A real MQTT client that collects what it receives."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jsonschema
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from facemask_edge.health_message import SCHEMA_FILE

HEALTH = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


class Subscriber:
    """Subscribes to ``topic`` at a broker on 127.0.0.1, and has done so when it is made.

    A persistent one keeps its session at the broker and comes back by itself: it misses nothing that the broker took,
    unless the broker is killed. One of QoS 0 then misses nothing that was on its way: it reads to the end, where one
    that cannot acknowledge any more stops reading.
    """

    def __init__(self, port: int, topic: str = "#", *, persistent: bool = False, qos: int = 1) -> None:
        self.messages: list[paho.MQTTMessage] = []
        self._validated = 0
        subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, f"subscriber-{port}-{qos}", protocol=paho.MQTTv5)
        self._client.on_message = lambda _client, _data, message: self.messages.append(message)
        self._client.on_subscribe = lambda _client, _data, _mid, _reasons, _properties: subscribed.set()
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600 if persistent else 0
        # A persistent one is soon back: what a broker holds for it meanwhile is lost when that is killed.
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port, clean_start=not persistent, properties=properties)
        self._client.on_connect = lambda client, _data, _flags, _reason, _properties: client.subscribe(topic, qos=qos)
        self._client.loop_start()
        assert subscribed.wait(10)

    def events(self) -> list[dict[str, Any]]:
        """The violations received so far."""
        return [json.loads(message.payload) for message in self.messages if message.topic.endswith("/violation")]

    def payloads(self, topic: str) -> list[str]:
        """What was received on one topic so far."""
        return [bytes(message.payload).decode() for message in self.messages if message.topic == topic]

    def healths(self) -> list[dict[str, Any]]:
        """What devices said of themselves so far, each as the JSON Schema that is shipped has it."""
        said = [json.loads(message.payload) for message in self.messages if message.topic.endswith("/health")]
        for message in said[self._validated :]:
            HEALTH.validate(message)
        self._validated = len(said)
        return said

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        """Say something; it has arrived when this returns."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected()

    def close(self) -> None:
        self._client.disconnect()
        # paho's thread may end by itself in the middle of that.
        with suppress(AttributeError):
            self._client.loop_stop()


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    """Whether ``condition`` becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
