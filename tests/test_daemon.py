import itertools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.messages import SCHEMA_FILE
from facemask_edge.video import video_writer
from tests.conftest import ROOT, Mosquitto
from tests.motion_jpeg import MotionJpeg, encoded, lighter, motion_jpeg_server, part
from tests.subscriber import Subscriber, wait_until

RECORDINGS = [ROOT / "facemask_edge" / "sample" / "sample.mp4", ROOT / "tests" / "recordings" / "second.mp4"]


def facemask_edge_run(broker: Mosquitto, folder: Path) -> list[str]:
    settings = {
        "mqtt.servers": json.dumps([broker.url]),
        "outbox.path": str(folder / "outbox.sqlite3"),
        "device.name": "pi",
    }
    command = [sys.executable, "-m", "facemask_edge", "run"]
    return command + [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def test_a_clean_end_warns_of_nothing(mosquitto: Mosquitto, tmp_path: Path) -> None:
    cameras = [{"name": "door", "source": str(RECORDINGS[0])}]
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    ended = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    assert "connected to" in ended.stderr
    assert "WARNING" not in ended.stderr


def expected_violations(recording: Path) -> int:
    """How many people in it wear no mask."""
    people = json.loads(recording.with_suffix(".json").read_text())["people"]
    return sum(not person["mask"] for person in people)


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_subscriber_receives_exactly_what_the_ground_truth_says(
    recording: Path, mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    cameras = [{"name": "door", "source": str(recording)}]
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    with closing(subscriber):
        assert subprocess.run(command, check=False, timeout=120).returncode == 0
        assert wait_until(lambda: "stopped" in subscriber.payloads("facemask/pi/status"))
    expected = expected_violations(recording)
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    events = subscriber.events()
    for event in events:
        validator.validate(event)
    starts = [event["id"] for event in events if event["event_type"] == "violation_start"]
    ends = [event["id"] for event in events if event["event_type"] == "violation_end"]
    assert len(starts) == len(set(starts)) == expected
    assert sorted(starts) == sorted(ends)
    assert [event["sequence"] for event in events] == list(range(1, 2 * expected + 1))
    health = subscriber.healths()[-1]
    assert (health["cameras"]["door"]["state"], health["restarts"]) == ("ended", 0)
    assert health["cameras"]["door"]["judged"] == health["cameras"]["door"]["frames"] > 300
    assert {model["file"] for model in health["models"]} == {
        "mask_classifier_int8.tflite",
        "face_detector_320_int8.tflite",
    }


def test_four_recordings_at_once_each_give_their_violations(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    sources = {f"camera-{number}": RECORDINGS[number % 2] for number in range(4)}
    cameras = [{"name": name, "source": str(source)} for name, source in sources.items()]
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    assert subprocess.run(command, check=False, timeout=240).returncode == 0
    assert wait_until(lambda: "stopped" in subscriber.payloads("facemask/pi/status"))
    for name, source in sources.items():
        events = [event for event in subscriber.events() if event["camera"] == name]
        starts = [event["id"] for event in events if event["event_type"] == "violation_start"]
        assert len(set(starts)) == len(starts) == expected_violations(source), name
        assert sorted(starts) == sorted(event["id"] for event in events if event["event_type"] == "violation_end")
    sequence = [event["sequence"] for event in subscriber.events()]
    assert sequence == list(range(1, len(sequence) + 1))
    ended = subscriber.healths()[-1]["cameras"]
    assert {name: camera["state"] for name, camera in ended.items()} == dict.fromkeys(sources, "ended")
    subscriber.close()


def test_a_recording_that_ends_beside_a_live_camera_leaves_nothing_open(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    # A person without a mask is in view from 2.9 to 7.3 s.
    cut = tmp_path / "cut.webm"
    with closing(Recording(RECORDINGS[0])) as full, video_writer(cut, 15) as write:
        for frame in itertools.islice(full, 90):
            write(frame.image)
    cameras = [{"name": "door", "source": str(cut)}, {"name": "gate", "source": stream[0]}]
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    with subprocess.Popen(command) as daemon:
        try:
            assert wait_until(lambda: len(subscriber.events()) == 2, 30)
            assert [event["event_type"] for event in subscriber.events()] == ["violation_start", "violation_end"]
            assert subscriber.events()[1]["reason"] == "stopped"
            assert set(json.loads(subscriber.payloads("facemask/pi/door/people")[-1]).values()) == {0}
            assert daemon.poll() is None
        finally:
            daemon.terminate()
            daemon.wait(30)
    subscriber.close()


def someone_without_a_mask(first: int, end: int, pause: float) -> Iterator[bytes]:
    """Frames of the first recording, one after each pause (seconds); such a person is in view from 2.9 to 7.3 s."""
    with closing(Recording(RECORDINGS[0])) as full:
        for frame in itertools.islice(full, first, end):
            yield part(encoded(frame.image))
            time.sleep(pause)


def test_a_camera_that_is_lost_is_said_and_what_was_open_ends_as_last_seen(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    url, handler = stream

    def someone_who_is_lost() -> Iterator[bytes]:
        yield from someone_without_a_mask(45, 90, 1 / 15)
        time.sleep(5)

    handler.stream = staticmethod(someone_who_is_lost)
    cameras = [{"name": "door", "source": url}]
    # Who may be out of view for half a second has left when no frame came for three times as long; the camera is back
    # after four seconds.
    settings = [f"cameras={json.dumps(cameras)}", "compliance.leave_after=0.5"]
    with (
        watchdog(tmp_path / "notify") as signs,
        subprocess.Popen(
            [*facemask_edge_run(mosquitto, tmp_path), *(part for value in settings for part in ("--set", value))],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"},
        ) as daemon,
    ):
        try:
            assert wait_until(lambda: camera_state(subscriber) == "ok", 20)
            assert wait_until(lambda: len(subscriber.events()) == 2, 20)
            start, end = subscriber.events()
            assert (start["event_type"], end["event_type"], end["reason"]) == (
                "violation_start",
                "violation_end",
                "left",
            )
            assert end["duration_s"] < 3
            assert wait_until(lambda: camera_state(subscriber) == "lost", 6)
            said = len(signs)
            assert wait_until(lambda: camera_state(subscriber) == "ok", 20), "it was opened again"
            assert len(signs) > said, "a lost camera is no reason to be started again"
            assert signs[0] == "READY=1"
        finally:
            daemon.terminate()
            daemon.wait(30)
        assert wait_until(lambda: "STOPPING=1" in signs)
    subscriber.close()


def test_whom_a_camera_shows_in_few_frames_has_not_left_between_them(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    url, handler = stream

    handler.stream = staticmethod(partial(someone_without_a_mask, 50, 70, 2.5))
    cameras = [{"name": "door", "source": url}]
    with subprocess.Popen(
        [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    ) as daemon:
        try:
            assert wait_until(lambda: len(subscriber.events()) > 0, 30)
            time.sleep(5)
            assert [event["event_type"] for event in subscriber.events()] == ["violation_start"]
        finally:
            daemon.terminate()
            daemon.wait(30)
    subscriber.close()


def test_a_camera_that_is_not_there_does_not_slow_down_another(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    cameras = [{"name": "gate", "source": "http://127.0.0.1:9/"}, {"name": "door", "source": stream[0]}]
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    with subprocess.Popen([*command, "--set", "health.interval=1"]) as daemon:
        try:
            assert wait_until(lambda: judged(subscriber) >= 5, 20)
            before, started = judged(subscriber), time.monotonic()
            assert wait_until(lambda: judged(subscriber) >= before + 40, 20)
            # The stream has 20 a second.
            assert time.monotonic() - started < 10
        finally:
            daemon.terminate()
            daemon.wait(30)
    subscriber.close()


def test_a_camera_that_dies_does_not_slow_down_another(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    dies = threading.Event()

    def until_it_dies() -> Iterator[bytes]:
        return itertools.takewhile(lambda _: not dies.is_set(), lighter())

    with ExitStack() as gate:
        url, handler = gate.enter_context(motion_jpeg_server())
        handler.stream = staticmethod(until_it_dies)
        cameras = [{"name": "gate", "source": url}, {"name": "door", "source": stream[0]}]
        command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
        with subprocess.Popen([*command, "--set", "health.interval=1"]) as daemon:
            try:
                assert wait_until(lambda: judged(subscriber, "gate") >= 5 and judged(subscriber) >= 5, 20)
                dies.set()
                gate.close()
                assert wait_until(lambda: camera_state(subscriber, "gate") == "lost", 10)
                of_gate, before, started = judged(subscriber, "gate"), judged(subscriber), time.monotonic()
                assert wait_until(lambda: judged(subscriber) >= before + 40, 20)
                # The stream has 20 a second.
                assert time.monotonic() - started < 10
                assert judged(subscriber, "gate") == of_gate
            finally:
                daemon.terminate()
                daemon.wait(30)
    subscriber.close()


def test_a_start_after_a_kill_is_a_restart_and_one_after_a_stop_is_none(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    cameras = [{"name": "door", "source": stream[0]}]
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={json.dumps(cameras)}"]
    counts = []
    for end in (subprocess.Popen.kill, subprocess.Popen.terminate, subprocess.Popen.terminate):
        before = len(subscriber.healths())
        with subprocess.Popen(command) as daemon:
            assert wait_until(lambda before=before: len(subscriber.healths()) > before + 1, 20)  # type: ignore[misc]
            counts.append(subscriber.healths()[-1]["restarts"])
            end(daemon)
            daemon.wait(30)
    assert counts == [0, 1, 1]
    subscriber.close()


def judged(subscriber: Subscriber, camera: str = "door") -> int:
    said = subscriber.healths()
    return int(said[-1]["cameras"][camera]["judged"]) if said else 0


def camera_state(subscriber: Subscriber, camera: str = "door") -> str | None:
    said = subscriber.healths()
    return said[-1]["cameras"][camera]["state"] if said else None


@contextmanager
def watchdog(address: Path) -> Iterator[list[str]]:
    """What a service manager hears there."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(address))

        def listen() -> None:
            with suppress(OSError):
                while some := heard.recv(1000):
                    told.append(some.decode())

        threading.Thread(target=listen, daemon=True).start()
        yield told
        heard.shutdown(socket.SHUT_RDWR)
