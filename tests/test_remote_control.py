"""Switches and actions, through a real broker and the real daemon."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jsonschema

from facemask_edge.messages import SCHEMA_FILE
from tests.conftest import Mosquitto
from tests.motion_jpeg import MotionJpeg
from tests.subscriber import Subscriber, wait_until
from tests.test_daemon import RECORDINGS, facemask_edge_run, watchdog

Stream = tuple[str, type[MotionJpeg]]
PREFIX = "facemask/pi"


@contextmanager
def running(
    broker: Mosquitto, folder: Path, source: str, *settings: str, environment: dict[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon that watches one camera."""
    cameras = json.dumps([{"name": "door", "source": source}])
    command = [*facemask_edge_run(broker, folder), "--set", f"cameras={cameras}", *settings]
    with subprocess.Popen(command, env=environment) as daemon:
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(30)


def state(subscriber: Subscriber, name: str) -> str | None:
    said = subscriber.payloads(f"{PREFIX}/{name}/state")
    return said[-1] if said else None


def camera_state(subscriber: Subscriber) -> str | None:
    said = subscriber.payloads(f"{PREFIX}/health")
    return json.loads(said[-1])["cameras"]["door"]["state"] if said else None


def refused(subscriber: Subscriber) -> list[tuple[str, str, str]]:
    said = map(json.loads, subscriber.payloads(f"{PREFIX}/error"))
    return [(each["topic"].removeprefix(f"{PREFIX}/"), each["payload"], each["reason"]) for each in said]


def test_what_is_switched_holds_and_is_kept(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    with running(mosquitto, tmp_path, stream[0]):
        assert wait_until(lambda: camera_state(subscriber) == "ok", 30)
        assert (state(subscriber, "enabled"), state(subscriber, "threshold")) == ("ON", "0.5")
        subscriber.publish(f"{PREFIX}/threshold/set", "0.8")
        assert wait_until(lambda: state(subscriber, "threshold") == "0.8")
        subscriber.publish(f"{PREFIX}/enabled/set", "OFF")
        assert wait_until(lambda: (state(subscriber, "enabled"), camera_state(subscriber)) == ("OFF", "off"))
    seen = len(subscriber.messages)
    with running(mosquitto, tmp_path, stream[0]):
        assert wait_until(lambda: f"{PREFIX}/threshold/state" in [m.topic for m in subscriber.messages[seen:]], 30)
        assert wait_until(lambda: (state(subscriber, "enabled"), camera_state(subscriber)) == ("OFF", "off"))
        assert state(subscriber, "threshold") == "0.8"
        subscriber.publish(f"{PREFIX}/enabled/set", "ON")
        assert wait_until(lambda: (state(subscriber, "enabled"), camera_state(subscriber)) == ("ON", "ok"))
        assert refused(subscriber) == []


def test_what_cannot_be_done_is_answered_and_changes_nothing(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    with running(mosquitto, tmp_path, stream[0]) as daemon:
        assert wait_until(lambda: camera_state(subscriber) == "ok", 30)
        for name, payload in (("threshold", "7"), ("enabled", "maybe"), ("door", "ON"), ("restart", "PRESS")):
            subscriber.publish(f"{PREFIX}/{name}/set", payload)
        assert wait_until(lambda: len(refused(subscriber)) == 4)
        assert refused(subscriber) == [
            ("threshold/set", "7", "send a number from 0.01 to 0.99"),
            ("enabled/set", "maybe", "send ON or OFF"),
            ("door/set", "ON", "there is no such name; known are enabled, threshold, restart"),
            ("restart/set", "PRESS", "nobody would start it again: it runs under no service manager"),
        ]
        assert (state(subscriber, "enabled"), state(subscriber, "threshold")) == ("ON", "0.5")
        assert daemon.poll() is None


def test_a_service_is_restarted_by_its_manager(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    with (
        watchdog(tmp_path / "notify") as signs,
        running(mosquitto, tmp_path, stream[0], environment=environment) as daemon,
    ):
        assert wait_until(lambda: camera_state(subscriber) == "ok", 30)
        subscriber.publish(f"{PREFIX}/restart/set", "PRESS")
        assert daemon.wait(30) == 0
        assert wait_until(lambda: "STOPPING=1" in signs)
        assert subscriber.payloads(f"{PREFIX}/status")[-1] == "stopped"


def test_a_violation_ends_when_it_is_switched_off(mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path) -> None:
    done = threading.Event()

    def switch_off() -> None:
        if wait_until(lambda: bool(subscriber.events()), 60):
            subscriber.publish(f"{PREFIX}/enabled/set", "OFF")
            done.set()

    threading.Thread(target=switch_off, daemon=True).start()
    with running(mosquitto, tmp_path, str(RECORDINGS[0]), "--set", "outbox.max_bytes=100000"):
        assert done.wait(60)
        assert wait_until(lambda: state(subscriber, "enabled") == "OFF")
        assert wait_until(lambda: len(subscriber.events()) % 2 == 0)
        validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
        for event in subscriber.events():
            validator.validate(event)
        assert subscriber.events()[-1]["reason"] in {"stopped", "left", "mask_on"}
        people = json.loads(subscriber.payloads(f"{PREFIX}/door/people")[-1])
        assert set(people.values()) == {0}


def test_who_takes_no_orders_listens_to_none(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    settings = ["--set", "mqtt.orders=false", "--set", "homeassistant.discovery=false"]
    with running(mosquitto, tmp_path, stream[0], *settings):
        assert wait_until(lambda: camera_state(subscriber) == "ok", 30)
        subscriber.publish(f"{PREFIX}/enabled/set", "OFF")
        subscriber.publish(f"{PREFIX}/nonsense/set", "OFF")
        assert not wait_until(lambda: state(subscriber, "enabled") == "OFF" or bool(refused(subscriber)), 2)
        assert not any(message.topic.startswith("homeassistant/") for message in subscriber.messages)


def test_it_announces_itself_and_again_when_home_assistant_starts(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    topic = "homeassistant/device/facemask-pi/config"
    with running(mosquitto, tmp_path, stream[0]):
        assert wait_until(lambda: len(subscriber.payloads(topic)) == 1, 30)
        assert wait_until(lambda: state(subscriber, "enabled") == "ON")
        subscriber.publish("homeassistant/status", "online")
        assert wait_until(lambda: len(subscriber.payloads(topic)) == 2, 15)
        first, again = subscriber.payloads(topic)
        assert first == again
        assert json.loads(first)["components"]["door_violation"]["state_topic"] == f"{PREFIX}/door/violation"
        assert refused(subscriber) == []
