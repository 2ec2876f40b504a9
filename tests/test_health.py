import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facemask_edge import __version__
from facemask_edge.cameras.recording import Recording
from facemask_edge.cameras.status import CameraState, CameraStatus
from facemask_edge.config import Config, HealthConfig
from facemask_edge.delivery import BrokerState, Delivery
from facemask_edge.demo import SAMPLE
from facemask_edge.health import Health
from facemask_edge.health_message import HealthMessage, ModelInUse
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.stage_times import StageTimes
from facemask_edge.store import StoreState
from facemask_edge.values import Frame
from tests.conftest import ROOT, Mosquitto
from tests.faults.running import device, settings
from tests.subscriber import HEALTH, Subscriber, wait_until

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


CAMERAS = {"door": CameraStatus(CameraState.OK, "", (640, 480), 12, 1, busy=3, stale=1)}
ACCELERATORS: dict[str, str | int] = {"classifier": "cpu", "detector": "edgetpu", "edge_tpu_deaths": 1}
LOST = {"door": CameraStatus(CameraState.LOST, "it does not answer", (640, 480), 12, 2)}
MODEL = ModelInUse(file="mask_classifier_int8.tflite", sha256="0" * 64, runs_on="cpu")


def health_of(interval: float = 3600, **more: Any) -> Health:
    config = HealthConfig.model_construct(interval=interval, no_face_after=more.pop("no_face_after", 0.0))
    return Health(config, **more)


def message(health: Health, delivery: Delivery = GOOD, cameras: Mapping[str, CameraStatus] = CAMERAS) -> HealthMessage:
    """Make a message, which must be as its schema says."""
    made = health.message(delivery, cameras, ACCELERATORS, [MODEL])
    HEALTH.validate(json.loads(made.to_json()))
    return made


def failing(delivery: Delivery) -> Delivery:
    store = dataclasses.replace(delivery.store, kept="memory", fault="database or disk is full")
    return dataclasses.replace(delivery, store=store)


def test_it_says_how_delivery_stands() -> None:
    minute_old = dataclasses.replace(GOOD, store=dataclasses.replace(GOOD.store, oldest=time.time() - 60))
    said = json.loads(message(health_of(restarts=5), minute_old).to_json())
    assert (said["schema"], said["version"]) == ("facemask-edge/health/1", __version__)
    assert (said["queued"], said["unheard"], said["dead_letters"], said["dropped"]) == (3, 2, 1, 4)
    assert 60 <= said["oldest_age_s"] < 70
    assert said["outbox"] == {"kept": "disk", "fault": None, "set_aside": None}
    assert said["accelerator"] == ACCELERATORS | {"edge_tpu_celsius": None}
    assert said["mqtt"] == {"state": "connected", "server": "mqtt://broker:1883", "reason": None}
    assert said["restarts"] == 5
    assert said["models"] == [{"file": "mask_classifier_int8.tflite", "sha256": "0" * 64, "runs_on": "cpu"}]


def test_it_says_how_warm_the_hottest_edge_tpu_is_where_its_driver_does(tmp_path: Path) -> None:
    health = Health(HealthConfig(), apex=tmp_path)
    for number, millidegrees in enumerate(("54800", "62300", "-89700")):
        (tmp_path / f"apex_{number}").mkdir()
        (tmp_path / f"apex_{number}" / "temp").write_text(f"{millidegrees}\n")
    said = json.loads(message(health).to_json())["accelerator"]
    assert said == ACCELERATORS | {"edge_tpu_celsius": 62.3}


def test_it_says_how_each_camera_is() -> None:
    said = json.loads(message(health_of(), cameras=LOST).to_json())["cameras"]["door"]
    expected = {
        "state": "lost",
        "reason": "it does not answer",
        "width": 640,
        "height": 480,
        "frames": 12,
        "judged": 0,
        "losses": 2,
        "latency_ms": None,
        "stages_ms": {},
        "brightness": None,
    }
    assert {key: said[key] for key in expected} == expected
    nothing = {"door": CameraStatus(CameraState.OPENING, "", None, 0, 0)}
    opening = message(health_of(), cameras=nothing).cameras["door"]
    assert (opening.state, opening.reason, opening.width) == ("opening", None, None)


def test_it_says_what_was_judged_of_a_camera() -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    health = health_of()
    faces = 0
    frames = [frame for frame in Recording(SAMPLE) if 50 <= frame.index < 70]
    for number, frame in enumerate(frames):
        pipeline.process(frame)
        health.judged("door", frame, pipeline, latency=0.01 * (number + 1))
        faces = pipeline.faces
    door = message(health).cameras["door"]
    assert (door.judged, door.faces, door.dropped.busy, door.dropped.stale) == (20, faces, 3, 1)
    assert faces == door.tracks >= 1
    assert door.latency_ms is not None
    assert door.latency_ms.p50 == pytest.approx(105)
    assert 185 < door.latency_ms.p95 < 200
    assert list(door.stages_ms) == ["detection", "scene", "tracking", "classification", "judgement"]
    stages = door.stages_ms
    # A frame without a look takes less than half a microsecond for it.
    assert all(stage.p50 > 0 for name, stage in stages.items() if name != "classification")
    assert all(0 <= stage.p50 < stage.p95 for stage in stages.values())
    assert door.brightness == pytest.approx(float(frames[0].image.mean()), abs=10)
    assert door.sharpness is not None
    assert door.sharpness > 0.1


def seen(faces: int) -> Any:
    """A pipeline that has judged a frame with so many faces."""
    return SimpleNamespace(faces=faces, tracks=faces, times=StageTimes())


def picture(level: int) -> Frame:
    return Frame(np.full((48, 64, 3), level, np.uint8), 0.0, 0)


def test_the_rate_is_that_since_the_message_before() -> None:
    health = health_of()
    message(health)
    assert message(health).cameras["door"].fps is None, "too short a time tells nothing"
    for _ in range(30):
        health.judged("door", picture(90), seen(0))
    time.sleep(0.6)
    assert 30 < (message(health).cameras["door"].fps or 0) < 51
    time.sleep(0.6)
    assert message(health).cameras["door"].fps == 0


def test_a_warning_is_said_at_once_logged_once_and_over_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("facemask_edge.health_warnings.LOOK_INTERVAL", 0.0)
    monkeypatch.setattr("facemask_edge.health_warnings.LASTS", 0.2)
    health = health_of()
    health.judged("door", picture(90), seen(1))
    assert message(health).warnings == []
    assert not health.is_due(GOOD, CAMERAS)
    time.sleep(0.15)
    health.judged("door", picture(90), seen(1))
    time.sleep(0.1)
    health.judged("door", picture(90), seen(1))
    assert health.is_due(GOOD, CAMERAS)
    (warning,) = message(health).warnings
    assert (warning.code, warning.camera) == ("covered", "door")
    assert not health.is_due(GOOD, CAMERAS)
    time.sleep(0.25)
    assert health.is_due(GOOD, CAMERAS), "of a camera that shows nothing any more, nothing is known"
    assert message(health).warnings == []
    assert caplog.messages == [warning.says, "camera door: no longer covered"]


def test_a_pi_that_is_slowed_down_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.health.LOOK_INTERVAL", 0.0)
    bits = [0x50005]
    health = health_of(throttled=lambda: bits[0])
    said = message(health)
    assert said.throttled == ["its voltage is too low", "it is slowed down"]
    assert [(warning.code, warning.camera) for warning in said.warnings] == [("throttled", None)]
    bits[0] = 0x50000
    assert health.is_due(GOOD, CAMERAS)
    said = message(health)
    assert (said.throttled, said.warnings) == ([], [])
    assert message(health_of(throttled=lambda: None)).throttled is None


def test_a_camera_that_changes_is_said_at_once() -> None:
    health = health_of()
    message(health)
    assert health.is_due(GOOD, LOST)
    message(health, cameras=LOST)
    assert not health.is_due(GOOD, LOST)
    larger = {"door": dataclasses.replace(LOST["door"], size=(1280, 720))}
    assert health.is_due(GOOD, larger)


def test_changes_are_not_said_more_often_than_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.health.SHORTEST_INTERVAL", 0.3)
    health = health_of()
    message(health)
    assert not health.is_due(GOOD, LOST)
    time.sleep(0.35)
    assert health.is_due(GOOD, LOST)


def test_an_age_is_never_negative_when_the_clock_was_set_back() -> None:
    future = dataclasses.replace(GOOD, store=dataclasses.replace(GOOD.store, oldest=time.time() + 3600))
    assert message(health_of(), future).oldest_age_s == 0
    assert message(health_of()).oldest_age_s is None


def test_it_is_said_at_first_after_an_interval_and_when_the_store_changes() -> None:
    health = health_of()
    assert health.is_due(GOOD, CAMERAS)
    message(health)
    assert not health.is_due(GOOD, CAMERAS)
    assert health.is_due(failing(GOOD), CAMERAS)
    message(health, failing(GOOD))
    assert not health.is_due(failing(GOOD), CAMERAS)
    assert health.is_due(GOOD, CAMERAS)
    quick = health_of(interval=0)
    message(quick)
    assert quick.is_due(GOOD, CAMERAS)


def test_what_is_retained_of_the_time_before_the_connection_does_not_stay() -> None:
    health = health_of()
    message(health, dataclasses.replace(GOOD, state=BrokerState.CONNECTING))
    assert health.is_due(GOOD, CAMERAS)


def test_the_example_in_the_documentation_is_a_message() -> None:
    text = (ROOT / "docs" / "mqtt.md").read_text()
    example = text[text.index('{"schema": "facemask-edge/health/1"') :].partition("```")[0]
    HEALTH.validate(json.loads(example))
    assert json.loads(HealthMessage.model_validate_json(example).to_json()) == json.loads(example)


def test_a_device_publishes_it_retained(mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path) -> None:
    running = device(settings(tmp_path, mosquitto.url), count=1, drain=10)
    assert running.wait() == 0
    assert wait_until(lambda: bool(subscriber.healths()))
    late = Subscriber(mosquitto.port, "facemask/pi/health", qos=0)
    assert wait_until(lambda: [message.retain for message in late.messages] == [True])
    late.close()
