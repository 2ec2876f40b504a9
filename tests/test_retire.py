from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.config import Config
from facemask_edge.errors import ServiceError
from facemask_edge.retire import retire
from tests.conftest import Mosquitto, free_port
from tests.subscriber import Subscriber, wait_until

DISCOVERY = "homeassistant/device/facemask__pi/config"


def config(*servers: str, camera: str = "door") -> Config:
    mqtt = {"servers": list(servers)}
    return Config.model_validate({"device": {"name": "pi"}, "mqtt": mqtt, "cameras": [{"name": camera}]})


def kept(broker: Mosquitto) -> dict[str, str]:
    """What it retains."""
    with closing(Subscriber(broker.port, qos=0)) as late:
        wait_until(lambda: len(late.messages) >= 10, 0.5)
        return {message.topic: bytes(message.payload).decode() for message in late.messages}


def test_a_broker_forgets_all_of_this_device_and_nothing_of_others(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    # Of a camera that is no longer configured, too.
    own = ["facemask/pi/status", "facemask/pi/health", "facemask/pi/old/people", "facemask/pi/enabled/state", DISCOVERY]
    others = ["facemask/pi2/status", "homeassistant/device/facemask__pi2/config"]
    for topic in own + others:
        subscriber.publish(topic, "stopped", retain=True)
    said: list[str] = []
    retire(config(mosquitto.url), said.append)
    assert set(kept(mosquitto)) == set(others)
    assert said == [f"{mosquitto.url} has forgotten 5 topics of pi"]


def test_a_device_that_is_online_is_not_forgotten(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    subscriber.publish("facemask/pi/status", "online", retain=True)
    with pytest.raises(ServiceError, match=r"pi is online, says .*; stop it first"):
        retire(config(mosquitto.url), print)
    assert kept(mosquitto) == {"facemask/pi/status": "online"}


def test_where_one_broker_is_not_there_the_other_forgets_it_all_the_same(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    subscriber.publish("facemask/pi/status", "stopped", retain=True)
    with pytest.raises(ServiceError, match="Connection refused; is it running"):
        retire(config(f"mqtt://127.0.0.1:{free_port()}", mosquitto.url), print)
    assert kept(mosquitto) == {}


def test_what_it_may_write_and_not_read_is_forgotten_too(new_mosquitto: object, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    # As docs/homeassistant.md wants them.
    rules.write_text(f"topic facemask/pi/#\ntopic write {DISCOVERY}\n")
    broker = new_mosquitto("allow_anonymous true", f"acl_file {rules}").start()  # type: ignore[operator]
    with closing(Subscriber(broker.port, "facemask/pi/#")) as device:
        device.publish(DISCOVERY, "{}", retain=True)
        device.publish("facemask/pi/status", "stopped", retain=True)
    retire(config(broker.url), print)
    # For whoever looks afterwards.
    rules.write_text("topic #\n")
    broker.reload()
    assert kept(broker) == {}


def test_one_that_only_seems_to_be_online_is_forgotten_by_force(mosquitto: Mosquitto, subscriber: Subscriber) -> None:
    subscriber.publish("facemask/pi/status", "online", retain=True)
    retire(config(mosquitto.url), print, force=True)
    assert kept(mosquitto) == {}


def test_rules_that_forbid_it_are_said(new_mosquitto: object, tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic write facemask/pi/status\n")
    broker = new_mosquitto("allow_anonymous true", f"acl_file {rules}").start()  # type: ignore[operator]
    with pytest.raises(ServiceError, match="it does not forget them all; do its access rules"):
        retire(config(broker.url), print)
