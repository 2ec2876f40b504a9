import dataclasses
import json
import time
from pathlib import Path

import pytest

from facemask_edge import __version__
from facemask_edge.cameras.status import CameraState, CameraStatus
from facemask_edge.delivery import BrokerState, Delivery
from facemask_edge.health import Health
from facemask_edge.store import StoreState
from tests.conftest import Mosquitto
from tests.faults.running import device, settings
from tests.subscriber import Subscriber, wait_until

GOOD = Delivery(
    state=BrokerState.CONNECTED,
    server="mqtt://broker:1883",
    reason=None,
    unheard=2,
    store=StoreState(kept="disk", fault=None, set_aside=None, waiting=3, dead_letters=1, dropped=4, oldest=None),
)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the shortest interval."""
    monkeypatch.setattr("facemask_edge.health.SHORTEST_INTERVAL", 0.0)


CAMERAS = {"door": CameraStatus(CameraState.OK, "", (640, 480), 12, 1)}
ACCELERATORS: dict[str, str | int] = {"classifier": "cpu", "detector": "edgetpu", "edge_tpu_deaths": 1}
LOST = {"door": CameraStatus(CameraState.LOST, "it does not answer", (640, 480), 12, 2)}


def failing(delivery: Delivery) -> Delivery:
    store = dataclasses.replace(delivery.store, kept="memory", fault="database or disk is full")
    return dataclasses.replace(delivery, store=store)


def test_it_says_how_delivery_stands() -> None:
    minute_old = dataclasses.replace(GOOD, store=dataclasses.replace(GOOD.store, oldest=time.time() - 60))
    said = json.loads(Health(interval=60).payload(minute_old, CAMERAS, ACCELERATORS))
    assert (said["schema"], said["version"]) == ("facemask-edge/health/1", __version__)
    assert (said["queued"], said["unheard"], said["dead_letters"], said["dropped"]) == (3, 2, 1, 4)
    assert 60 <= said["oldest_age_s"] < 70
    assert said["outbox"] == {"kept": "disk", "fault": None, "set_aside": None}
    assert said["accelerator"] == ACCELERATORS
    assert said["mqtt"] == {"state": "connected", "server": "mqtt://broker:1883", "reason": None}


def test_it_says_how_warm_the_hottest_edge_tpu_is_where_its_driver_does(tmp_path: Path) -> None:
    health = Health(interval=60, apex=tmp_path)
    for number, millidegrees in enumerate(("54800", "62300", "-89700")):
        (tmp_path / f"apex_{number}").mkdir()
        (tmp_path / f"apex_{number}" / "temp").write_text(f"{millidegrees}\n")
    said = json.loads(health.payload(GOOD, CAMERAS, ACCELERATORS))["accelerator"]
    assert said == ACCELERATORS | {"edge_tpu_celsius": 62.3}


def test_it_says_how_each_camera_is() -> None:
    said = json.loads(Health(interval=60).payload(GOOD, LOST, ACCELERATORS))["cameras"]
    expected = {
        "state": "lost",
        "reason": "it does not answer",
        "width": 640,
        "height": 480,
        "frames": 12,
        "judged": 0,
        "losses": 2,
    }
    assert said == {"door": expected}
    nothing = {"door": CameraStatus(CameraState.OPENING, "", None, 0, 0)}
    said = json.loads(Health(interval=60).payload(GOOD, nothing, ACCELERATORS))["cameras"]["door"]
    assert (said["state"], said["reason"], said["width"]) == ("opening", None, None)


def test_a_camera_that_changes_is_said_at_once() -> None:
    health = Health(interval=3600)
    health.payload(GOOD, CAMERAS, ACCELERATORS)
    assert health.is_due(GOOD, LOST)
    health.payload(GOOD, LOST, ACCELERATORS)
    assert not health.is_due(GOOD, LOST)
    larger = {"door": dataclasses.replace(LOST["door"], size=(1280, 720))}
    assert health.is_due(GOOD, larger)


def test_changes_are_not_said_more_often_than_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.health.SHORTEST_INTERVAL", 0.3)
    health = Health(interval=3600)
    health.payload(GOOD, CAMERAS, ACCELERATORS)
    assert not health.is_due(GOOD, LOST)
    time.sleep(0.35)
    assert health.is_due(GOOD, LOST)


def test_an_age_is_never_negative_when_the_clock_was_set_back() -> None:
    future = dataclasses.replace(GOOD, store=dataclasses.replace(GOOD.store, oldest=time.time() + 3600))
    assert json.loads(Health(interval=60).payload(future, CAMERAS, ACCELERATORS))["oldest_age_s"] == 0
    assert json.loads(Health(interval=60).payload(GOOD, CAMERAS, ACCELERATORS))["oldest_age_s"] is None


def test_it_is_said_at_first_after_an_interval_and_when_the_store_changes() -> None:
    health = Health(interval=3600)
    assert health.is_due(GOOD, CAMERAS)
    health.payload(GOOD, CAMERAS, ACCELERATORS)
    assert not health.is_due(GOOD, CAMERAS)
    assert health.is_due(failing(GOOD), CAMERAS)
    health.payload(failing(GOOD), CAMERAS, ACCELERATORS)
    assert not health.is_due(failing(GOOD), CAMERAS)
    assert health.is_due(GOOD, CAMERAS)
    quick = Health(interval=0)
    quick.payload(GOOD, CAMERAS, ACCELERATORS)
    assert quick.is_due(GOOD, CAMERAS)


def test_what_is_retained_of_the_time_before_the_connection_does_not_stay() -> None:
    health = Health(interval=3600)
    connecting = dataclasses.replace(GOOD, state=BrokerState.CONNECTING)
    health.payload(connecting, CAMERAS, ACCELERATORS)
    assert health.is_due(GOOD, CAMERAS)


def test_a_device_publishes_it_retained(mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path) -> None:
    running = device(settings(tmp_path, mosquitto.url), count=1, drain=10)
    assert running.wait() == 0
    assert wait_until(lambda: bool(subscriber.payloads("facemask/pi/health")))
    late = Subscriber(mosquitto.port, "facemask/pi/health", qos=0)
    assert wait_until(lambda: [message.retain for message in late.messages] == [True])
    late.close()
