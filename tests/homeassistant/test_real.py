"""What the real Home Assistant makes of a device that tells it over MQTT what it has."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import MOSQUITTO, NO_MOSQUITTO, Mosquitto
from tests.homeassistant.debian import make_root, why_not
from tests.homeassistant.home_assistant import HomeAssistant, running
from tests.subscriber import Subscriber, wait_until

REASON = why_not() or (None if MOSQUITTO else NO_MOSQUITTO)
pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(REASON is not None, reason=f"{REASON}; on Debian as root: make test-homeassistant"),
    pytest.mark.timeout(1800),
]

TOPIC = "homeassistant/device/facemask_pi/config"
BIRTH = "homeassistant/status"
DEVICE = "facemask/pi"
STATUS = f"{DEVICE}/status"
VIOLATION = f"{DEVICE}/door/violation"
PEOPLE = f"{DEVICE}/door/people"
HEALTH = f"{DEVICE}/health"
ENABLED = f"{DEVICE}/enabled"
THRESHOLD = f"{DEVICE}/threshold"
RESTART = f"{DEVICE}/restart/set"
EVENT = "event.entrance_violation"
BUTTON = "button.entrance_restart"
STATES = {
    "sensor.entrance_without_a_mask": "2",
    "binary_sensor.entrance_camera": "off",
    "switch.entrance_enabled": "on",
    "number.entrance_threshold": "0.9",
}
"""Once the device is online and has told all; the two others show the time when something was last done."""
ENTITIES = {EVENT, BUTTON, *STATES}


def component(platform: str, key: str, name: str, **settings: Any) -> dict[str, Any]:
    return {"platform": platform, "unique_id": f"facemask_pi_{key}", "name": name, **settings}


def announcement() -> dict[str, Any]:
    """The device and all that it has."""
    return {
        "device": {"identifiers": ["facemask_pi"], "name": "Entrance", "sw_version": "1.2.3"},
        "origin": {"name": "facemask-edge"},
        "availability_topic": STATUS,
        "availability_template": "{{ 'online' if value == 'online' else 'offline' }}",
        "components": {
            "violation": component(
                "event",
                "violation",
                "Violation",
                state_topic=VIOLATION,
                event_types=["violation_start", "violation_end"],
                qos=1,
            ),
            "no_mask": component(
                "sensor",
                "no_mask",
                "Without a mask",
                state_topic=PEOPLE,
                value_template="{{ value_json.no_mask }}",
                state_class="measurement",
            ),
            "camera": component(
                "binary_sensor",
                "camera",
                "Camera",
                state_topic=HEALTH,
                value_template="{{ 'OFF' if value_json.cameras.door.state == 'ok' else 'ON' }}",
                device_class="problem",
                entity_category="diagnostic",
            ),
            "enabled": component(
                "switch",
                "enabled",
                "Enabled",
                command_topic=f"{ENABLED}/set",
                state_topic=f"{ENABLED}/state",
                payload_on="on",
                payload_off="off",
            ),
            "threshold": component(
                "number",
                "threshold",
                "Threshold",
                command_topic=f"{THRESHOLD}/set",
                state_topic=f"{THRESHOLD}/state",
                min=0.5,
                max=1,
                step=0.01,
                entity_category="config",
            ),
            "restart": component("button", "restart", "Restart", command_topic=RESTART, device_class="restart"),
        },
    }


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HomeAssistant, Mosquitto]]:
    """A running Home Assistant and its broker."""
    root = make_root(tmp_path_factory.mktemp("debian"))
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    try:
        with running(root, tmp_path_factory.mktemp("home"), broker.port) as home:
            yield home, broker
    finally:
        broker.stop()


@pytest.fixture
def device(house: tuple[HomeAssistant, Mosquitto]) -> Iterator[Subscriber]:
    """The device's own client, which has announced it and told all; it hears everything."""
    home, broker = house
    client = Subscriber(broker.port)
    told = {
        STATUS: "online",
        PEOPLE: '{"mask": 1, "no_mask": 2, "undetermined": 0}',
        HEALTH: '{"cameras": {"door": {"state": "ok"}}}',
        f"{ENABLED}/state": "on",
        f"{THRESHOLD}/state": "0.9",
    }
    client.publish(TOPIC, json.dumps(announcement()), retain=True)
    for topic, payload in told.items():
        client.publish(topic, payload, retain=True)
    for entity, state in STATES.items():
        home.wait_for(entity, state)
    yield client
    # It has something to say about one that it does not know.
    if home.entities():
        client.publish(TOPIC, "", retain=True)
    for entity in ENTITIES:
        home.wait_for(entity, None)
    for topic in told:
        client.publish(topic, "", retain=True)
    client.close()


@pytest.fixture
def home(house: tuple[HomeAssistant, Mosquitto], device: Subscriber) -> HomeAssistant:
    """Home Assistant, which knows the device."""
    assert device.is_connected
    return house[0]


def test_the_device_appears_with_all_that_it_has(home: HomeAssistant) -> None:
    assert home.entities() == ENTITIES
    assert home.device("Entrance", "sw_version") == {"sw_version": "1.2.3"}
    assert home.complaints() == []


@pytest.mark.parametrize("status", ["stopped", "offline"])
def test_a_device_that_is_not_online_has_nothing_available(
    home: HomeAssistant, device: Subscriber, status: str
) -> None:
    device.publish(STATUS, status, retain=True)
    for entity in ENTITIES:
        home.wait_for(entity, "unavailable")
    device.publish(STATUS, "online", retain=True)
    for entity, state in STATES.items():
        home.wait_for(entity, state)


@pytest.mark.parametrize("kind", ["violation_start", "violation_end"])
def test_a_violation_arrives_with_all_that_is_known_of_it(home: HomeAssistant, device: Subscriber, kind: str) -> None:
    face = {"x": 412, "y": 120, "width": 96, "height": 118}
    violation = {"event_type": kind, "id": f"id of a {kind}", "probability": 0.97, "face": face}
    device.publish(VIOLATION, json.dumps(violation))
    assert wait_until(lambda: home.attributes(EVENT).items() >= violation.items())
    assert home.complaints() == []


def test_what_is_set_there_is_asked_for_and_holds_once_the_device_says_so(
    home: HomeAssistant, device: Subscriber
) -> None:
    home.call("switch.turn_off", "switch.entrance_enabled")
    home.call("number.set_value", "number.entrance_threshold", value=0.75)
    home.call("button.press", BUTTON)
    wanted = {f"{ENABLED}/set": ["off"], f"{THRESHOLD}/set": ["0.75"], RESTART: ["PRESS"]}
    assert wait_until(lambda: {topic: device.payloads(topic) for topic in wanted} == wanted)
    assert home.state("switch.entrance_enabled") == "on"
    assert home.state("number.entrance_threshold") == "0.9"
    device.publish(f"{ENABLED}/state", "off", retain=True)
    device.publish(f"{THRESHOLD}/state", "0.75", retain=True)
    home.wait_for("switch.entrance_enabled", "off")
    home.wait_for("number.entrance_threshold", "0.75")


def test_a_component_that_is_named_by_its_platform_alone_disappears(home: HomeAssistant, device: Subscriber) -> None:
    smaller = announcement()
    smaller["device"]["sw_version"] = "1.2.4"
    del smaller["components"]["restart"]
    device.publish(TOPIC, json.dumps(smaller), retain=True)
    assert wait_until(lambda: home.device("Entrance", "sw_version") == {"sw_version": "1.2.4"})
    # Not to be named is not enough.
    assert home.state(BUTTON) is not None
    smaller["components"]["restart"] = {"platform": "button"}
    device.publish(TOPIC, json.dumps(smaller), retain=True)
    home.wait_for(BUTTON, None)
    assert home.entities() == ENTITIES - {BUTTON}


def test_an_empty_message_removes_the_device(home: HomeAssistant, device: Subscriber) -> None:
    device.publish(TOPIC, "", retain=True)
    for entity in ENTITIES:
        home.wait_for(entity, None)
    assert home.entities() == set()
    assert home.device("Entrance", "sw_version") is None


def test_it_says_when_it_is_back_and_knows_all_again(home: HomeAssistant, device: Subscriber) -> None:
    home.stop()
    assert wait_until(lambda: device.payloads(BIRTH)[-1:] == ["offline"])
    home.start()
    assert wait_until(lambda: device.payloads(BIRTH)[-1:] == ["online"], 60)
    for entity, state in STATES.items():
        home.wait_for(entity, state)
    assert home.complaints() == []
