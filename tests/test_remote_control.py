"""Switches and actions, through a real broker and the real daemon."""

import itertools
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import jsonschema

from facemask_edge.cameras.recording import Recording
from facemask_edge.messages import SCHEMA_FILE
from tests.conftest import Mosquitto
from tests.motion_jpeg import MotionJpeg, encoded, part
from tests.subscriber import Subscriber, wait_until
from tests.test_daemon import RECORDINGS, facemask_edge_run, judged, watchdog

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


def somebody_stays() -> Iterator[bytes]:
    """A stream in which somebody without a mask is in view, for ever."""
    with closing(Recording(RECORDINGS[0])) as full:
        frames = [encoded(frame.image) for frame in itertools.islice(full, 60, 100)]
    for frame in itertools.cycle([*frames, *reversed(frames)]):
        yield part(frame)
        time.sleep(1 / 15)


def state(subscriber: Subscriber, name: str) -> str | None:
    said = subscriber.payloads(f"{PREFIX}/{name}/state")
    return said[-1] if said else None


def camera_state(subscriber: Subscriber) -> str | None:
    said = subscriber.payloads(f"{PREFIX}/health")
    return json.loads(said[-1])["cameras"]["door"]["state"] if said else None


def people(subscriber: Subscriber) -> dict[str, int]:
    counts: dict[str, int] = json.loads(subscriber.payloads(f"{PREFIX}/door/people")[-1])
    return counts


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
            ("door/set", "ON", "there is no such name; known are enabled, threshold, min_face_height, restart"),
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


def test_a_violation_ends_when_it_is_switched_off(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    url, handler = stream
    handler.stream = staticmethod(somebody_stays)
    with running(mosquitto, tmp_path, url):
        assert wait_until(lambda: len(subscriber.events()) == 1, 30)
        assert wait_until(lambda: people(subscriber)["violations"] == 1)
        subscriber.publish(f"{PREFIX}/enabled/set", "OFF")
        assert wait_until(lambda: len(subscriber.events()) == 2)
        start, end = subscriber.events()
        assert (end["id"], end["event_type"], end["reason"]) == (start["id"], "violation_end", "stopped")
        validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
        validator.validate(end)
        assert wait_until(lambda: set(people(subscriber).values()) == {0})


def test_a_flood_of_orders_does_not_keep_it_from_judging(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    is_over = threading.Event()

    def orders() -> None:
        client = Subscriber(mosquitto.port, f"{PREFIX}/status", qos=0)
        with closing(client):
            for number in itertools.count():
                client.publish(f"{PREFIX}/threshold/set", f"0.{5 + number % 2}")
                if is_over.is_set():
                    return

    with running(mosquitto, tmp_path, stream[0], "--set", "health.interval=1"):
        assert wait_until(lambda: camera_state(subscriber) == "ok", 30)
        threading.Thread(target=orders, daemon=True).start()
        assert wait_until(lambda: judged(subscriber) > 5, 30)
        before = judged(subscriber)
        assert wait_until(lambda: judged(subscriber) > before + 20, 30)
        is_over.set()


def test_counts_that_a_broker_retains_are_those_of_now(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    # Of a time before the power was cut.
    subscriber.publish(
        f"{PREFIX}/door/people", '{"mask": 0, "no_mask": 1, "undetermined": 0, "violations": 1}', retain=True
    )
    nobody_there = "http://127.0.0.1:9/"
    with running(mosquitto, tmp_path, nobody_there):
        assert wait_until(lambda: set(people(subscriber).values()) == {0}, 30)
    cameras = json.dumps([{"name": "gate", "source": nobody_there}])
    with running(mosquitto, tmp_path, nobody_there, "--set", f"cameras={cameras}"):
        assert wait_until(lambda: subscriber.payloads(f"{PREFIX}/door/people")[-1] == "", 30)


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
    topic = "homeassistant/device/facemask__pi/config"
    with running(mosquitto, tmp_path, stream[0]):
        assert wait_until(lambda: len(subscriber.payloads(topic)) == 1, 30)
        assert wait_until(lambda: state(subscriber, "enabled") == "ON")
        subscriber.publish("homeassistant/status", "online")
        assert wait_until(lambda: len(subscriber.payloads(topic)) == 2, 15)
        first, again = subscriber.payloads(topic)
        assert first == again
        assert json.loads(first)["components"]["door__violation"]["state_topic"] == f"{PREFIX}/door/violation"
        assert refused(subscriber) == []
