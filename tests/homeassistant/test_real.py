"""What the real Home Assistant makes of the real daemon."""

import itertools
import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.homeassistant import LONGEST_DELAY, discovery_topic
from tests.conftest import Mosquitto, free_port
from tests.homeassistant.conftest import MARKS, retire
from tests.homeassistant.home_assistant import HomeAssistant
from tests.motion_jpeg import MotionJpeg, encoded, part
from tests.subscriber import Subscriber, wait_until
from tests.test_daemon import RECORDINGS
from tests.test_remote_control import Stream, refused
from tests.test_remote_control import running as daemon

pytestmark = MARKS

OF_A_CAMERA = {
    "event.pi_{}_violation",
    "binary_sensor.pi_{}_violation_now",
    "sensor.pi_{}_people_with_mask",
    "sensor.pi_{}_people_without_mask",
    "sensor.pi_{}_people_undetermined",
    "sensor.pi_{}_state",
    "sensor.pi_{}_frames_per_second",
    "sensor.pi_{}_latency",
}
OF_THE_DEVICE = {
    "binary_sensor.pi_warning",
    "sensor.pi_events_that_wait",
    "sensor.pi_dead_letters",
    "sensor.pi_processor_temperature",
    "switch.pi_watching",
    "number.pi_threshold",
    "number.pi_smallest_face",
    "button.pi_restart",
}
OF_SNAPSHOTS = {"camera.pi_door_snapshot", "switch.pi_snapshots", "button.pi_take_snapshot"}
EVENT, NOW, STATE = "event.pi_door_violation", "binary_sensor.pi_door_violation_now", "sensor.pi_door_state"
WATCHING, THRESHOLD, SMALLEST = "switch.pi_watching", "number.pi_threshold", "number.pi_smallest_face"
ONLINE = {WATCHING: "on", THRESHOLD: "0.5", SMALLEST: "32", STATE: "ok", "binary_sensor.pi_warning": "off"}
HEALTH = ("--set", "health.interval=1")
TOPIC = discovery_topic(Config(), "pi")


def entities(*cameras: str) -> set[str]:
    """The ids that a device with these cameras has."""
    return OF_THE_DEVICE | {entity.format(camera) for camera in cameras for entity in OF_A_CAMERA}


@pytest.fixture
def somebody(stream: Stream) -> tuple[str, type[MotionJpeg]]:
    """A camera at which somebody without a mask comes and goes, again and again."""
    with closing(Recording(RECORDINGS[0])) as full:
        # In view from 2.9 to 7.3 s; nobody is before that.
        frames = [encoded(frame.image) for frame in itertools.islice(full, 120)]

    def comes_and_goes() -> Iterator[bytes]:
        for frame in itertools.cycle(frames):
            yield part(frame)
            time.sleep(1 / 15)

    stream[1].stream = staticmethod(comes_and_goes)
    return stream


def is_above(least: float, state: str | None) -> bool:
    """Whether a state is a number, and large enough."""
    return state not in {None, "unknown", "unavailable"} and float(str(state)) > least


def wait_for_all(home: HomeAssistant, states: dict[str, str]) -> None:
    for entity, state in states.items():
        home.wait_for(entity, state, 60)


def test_it_appears_with_all_that_it_has_and_is_gone_when_it_is_retired(
    home: HomeAssistant, broker: Mosquitto, stream: Stream, tmp_path: Path
) -> None:
    with daemon(broker, tmp_path, stream[0], *HEALTH):
        wait_for_all(home, ONLINE)
        assert home.entities() == entities("door")
        assert home.device("pi", "manufacturer", "model") == {
            "manufacturer": "facemask-edge",
            "model": "mask-compliance camera",
        }
        assert wait_until(lambda: is_above(1, home.state("sensor.pi_door_frames_per_second")))
        assert wait_until(lambda: is_above(0, home.state("sensor.pi_door_latency")))
        assert home.attributes("binary_sensor.pi_warning")["warnings"] == []
    # Stopped is as little there as offline.
    for entity in entities("door"):
        home.wait_for(entity, "unavailable")
    retire(broker, tmp_path)
    assert wait_until(lambda: home.entities() == set())
    assert home.device("pi", "model") is None
    assert home.complaints() == []


def test_a_camera_that_never_sent_a_frame_has_no_latency(
    home: HomeAssistant, broker: Mosquitto, tmp_path: Path
) -> None:
    with daemon(broker, tmp_path, f"http://127.0.0.1:{free_port()}/stream.mjpg", *HEALTH):
        wait_for_all(home, {STATE: "lost", "sensor.pi_door_latency": "unknown"})
        assert home.complaints() == []


def test_a_violation_arrives(home: HomeAssistant, broker: Mosquitto, somebody: Stream, tmp_path: Path) -> None:
    with daemon(broker, tmp_path, somebody[0]), closing(Subscriber(broker.port)) as subscriber:
        home.wait_for(NOW, "on", 60)
        home.wait_for("sensor.pi_door_people_without_mask", "1")
        assert wait_until(lambda: "id" in home.attributes(EVENT))
        told = home.attributes(EVENT)
        violation = next(event for event in subscriber.events() if event["id"] == told["id"])
        assert told.items() >= violation.items()
        home.wait_for(NOW, "off")
        assert wait_until(lambda: home.attributes(EVENT)["event_type"] == "violation_end")
        assert home.complaints() == []


def test_a_violation_has_its_picture(home: HomeAssistant, broker: Mosquitto, somebody: Stream, tmp_path: Path) -> None:
    settings = ("--set", "snapshots.enabled=true", "--set", "outbox.min_free_bytes=0")
    with daemon(broker, tmp_path, somebody[0], *settings), closing(Subscriber(broker.port)) as subscriber:
        home.wait_for("switch.pi_snapshots", "on", 60)
        assert wait_until(lambda: home.entities() == entities("door") | OF_SNAPSHOTS)

        def sent() -> list[bytes]:
            return [bytes(each.payload) for each in subscriber.messages if each.topic.endswith("/snapshot")]

        assert wait_until(lambda: bool(sent()), 60)
        assert wait_until(lambda: home.picture("camera.pi_door_snapshot") in sent())
        home.call("switch.turn_off", "switch.pi_snapshots")
        home.wait_for("switch.pi_snapshots", "off")
        home.call("button.press", "button.pi_take_snapshot")
        assert wait_until(lambda: [order[0] for order in refused(subscriber)] == ["take_snapshot/set"])
        home.call("switch.turn_on", "switch.pi_snapshots")
        home.wait_for("switch.pi_snapshots", "on")
        count = len(sent())
        home.call("button.press", "button.pi_take_snapshot")
        assert wait_until(lambda: len(sent()) > count)
        assert home.complaints() == []


def test_what_is_switched_there_takes_effect(
    home: HomeAssistant, broker: Mosquitto, stream: Stream, tmp_path: Path
) -> None:
    with daemon(broker, tmp_path, stream[0], *HEALTH), closing(Subscriber(broker.port)) as subscriber:
        wait_for_all(home, ONLINE)
        home.call("switch.turn_off", WATCHING)
        home.call("number.set_value", THRESHOLD, value=0.75)
        home.call("number.set_value", SMALLEST, value=48)
        wait_for_all(home, {WATCHING: "off", THRESHOLD: "0.75", SMALLEST: "48", STATE: "off"})
        home.call("switch.turn_on", WATCHING)
        wait_for_all(home, {WATCHING: "on", STATE: "ok"})
        # It would, were there a service manager.
        home.call("button.press", "button.pi_restart")
        assert wait_until(lambda: [order[0] for order in refused(subscriber)] == ["restart/set"])
        assert home.complaints() == []


def test_a_device_without_power_has_nothing_available(
    home: HomeAssistant, broker: Mosquitto, stream: Stream, tmp_path: Path
) -> None:
    with daemon(broker, tmp_path, stream[0], *HEALTH) as running_daemon:
        wait_for_all(home, ONLINE)
        running_daemon.send_signal(signal.SIGKILL)
        for entity in entities("door"):
            home.wait_for(entity, "unavailable")
    with daemon(broker, tmp_path, stream[0], *HEALTH):
        wait_for_all(home, ONLINE)


def test_a_camera_that_is_no_longer_configured_is_gone(
    home: HomeAssistant, broker: Mosquitto, stream: Stream, tmp_path: Path
) -> None:
    with daemon(broker, tmp_path, stream[0], *HEALTH):
        wait_for_all(home, ONLINE)
    cameras = json.dumps([{"name": "yard.north", "source": stream[0]}])
    with daemon(broker, tmp_path, stream[0], *HEALTH, "--set", f"cameras={cameras}"):
        home.wait_for("sensor.pi_yard_north_state", "ok", 60)
        assert wait_until(lambda: home.entities() == entities("yard_north"))
        assert home.complaints() == []


def test_it_is_announced_again_when_home_assistant_and_the_broker_have_forgotten_it(
    home: HomeAssistant, broker: Mosquitto, stream: Stream, tmp_path: Path
) -> None:
    with daemon(broker, tmp_path, stream[0], *HEALTH), closing(Subscriber(broker.port)) as subscriber:
        wait_for_all(home, ONLINE)
        home.stop()
        subscriber.publish(TOPIC, "", retain=True)
        home.start()
        assert wait_until(lambda: bool(subscriber.payloads(TOPIC)[-1]), LONGEST_DELAY + 60)
        wait_for_all(home, ONLINE)
        assert home.entities() == entities("door")
        assert home.complaints() == []
