"""The doctor as a technician runs it."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from facemask_edge.clock import utc_now
from facemask_edge.demo import SAMPLE
from facemask_edge.events import Changes, Event
from facemask_edge.store import Store
from tests.conftest import Mosquitto
from tests.faults.running import Running
from tests.faults.running import settings as device_settings
from tests.motion_jpeg import MotionJpeg
from tests.subscriber import Subscriber, wait_until

Findings = dict[str, dict[str, str]]


def setting(key: str, value: object) -> list[str]:
    return ["--set", f"{key}={json.dumps(value)}"]


def settings(folder: Path, *servers: str, source: str = str(SAMPLE)) -> list[str]:
    """Of a device with one camera."""
    return device_settings(folder, *servers, cameras=[{"name": "door", "source": source}])


def checked(*options: str) -> tuple[int, Findings]:
    """The exit code, and the last finding of each subject."""
    done = run("--json", *options)
    assert done.stderr == ""
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["schema"] == "facemask-edge/check/1"
    findings = report["findings"]
    assert all(finding["advice"] for finding in findings if finding["state"] != "ok")
    return done.returncode, {finding["subject"]: finding for finding in findings}


def run(*options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "facemask_edge", "check", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def test_where_all_is_well_it_says_so(mosquitto: Mosquitto, tmp_path: Path) -> None:
    code, found = checked(*settings(tmp_path, mosquitto.url))
    assert code == 0
    assert {finding["state"] for finding in found.values()} <= {"ok", "warning"}
    assert found[f"broker {mosquitto.url}"]["says"].startswith("a message came back after ")
    assert found["camera door"]["says"].startswith("640 x 480, brightness 1")
    assert found["outbox"]["says"] == "no event so far"
    assert found["accelerator"]["says"] == "classifier cpu, detector cpu"
    # It leaves nothing behind that the daemon would have to make.
    assert list(tmp_path.glob("outbox*")) == []


def test_the_table_says_what_to_do(tmp_path: Path) -> None:
    done = run(*settings(tmp_path, "mqtt://127.0.0.1:1", source="7"))
    assert done.returncode == 69
    assert "problem  camera door" in done.stdout
    assert "→ plug it in, or set its source" in done.stdout
    assert "→ is it running, and is its address in" in done.stdout
    assert "2 problems, " in done.stdout


def test_a_wrong_key_is_the_only_finding(tmp_path: Path) -> None:
    code, found = checked(*settings(tmp_path, "mqtt://127.0.0.1:1"), "--set", "mqtt.sever=x")
    assert (code, list(found)) == (78, ["configuration"])
    assert "did you mean servers?" in found["configuration"]["says"]


def test_a_damaged_model_is_a_problem_of_the_installation(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    damaged = tmp_path / "models" / "mask_classifier_int8.tflite"
    damaged.write_bytes(b"truncated")
    (tmp_path / "models" / "manifest.json").write_text('{"models": []}')
    code, found = checked(*settings(tmp_path, mosquitto.url), *setting("classifier.model", str(damaged)))
    assert code == 78
    assert "is not listed" in found["model"]["says"]


def test_a_camera_says_why_it_gives_no_picture(
    mosquitto: Mosquitto, tmp_path: Path, stream: tuple[str, type[MotionJpeg]]
) -> None:
    url, handler = stream
    handler.answer = 404
    code, found = checked(*settings(tmp_path, mosquitto.url, source=url.replace("http://", "http://pi:hidden@")))
    assert code == 69
    assert "HTTP status 404" in found["camera door"]["says"]
    assert "hidden" not in json.dumps(found)


def test_a_recording_that_is_not_there_is_said(mosquitto: Mosquitto, tmp_path: Path) -> None:
    code, found = checked(*settings(tmp_path, mosquitto.url, source=str(tmp_path / "none.mp4")))
    assert code == 69
    assert "none.mp4" in found["camera door"]["says"]


def test_a_live_camera_is_given_time(
    mosquitto: Mosquitto, tmp_path: Path, stream: tuple[str, type[MotionJpeg]]
) -> None:
    code, found = checked(*settings(tmp_path, mosquitto.url, source=stream[0]))
    assert code == 0
    # A grey picture; the daemon works.
    assert found["camera door"]["state"] == "warning"
    assert "160 x 120" in found["camera door"]["says"]
    assert "it shows nothing" in found["camera door"]["says"]


def test_what_a_running_daemon_uses_it_says(
    mosquitto: Mosquitto, tmp_path: Path, stream: tuple[str, type[MotionJpeg]]
) -> None:
    options = settings(tmp_path, mosquitto.url, source=stream[0]) + setting("health.interval", 1)
    daemon = Running("facemask_edge", "run", *options)
    try:
        assert wait_until(lambda: daemon.has_said("first frame judged"), 30)
        # Its next message on the topic health tells of the camera.
        assert wait_until(lambda: "judged by the daemon" in checked(*options)[1]["camera door"]["says"], 30)
        code, found = checked(*options)
    finally:
        daemon.kill()
    assert code == 0
    assert found["daemon"]["says"] == "runs"
    assert found["camera door"]["says"].startswith("160 x 120")
    assert checked(*options)[1]["daemon"]["says"] == "does not run now"


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("topic read #", "does not let it publish facemask/pi/check: Not authorized"),
        # Mosquitto lets everybody subscribe, and sends nothing.
        ("topic write #", "nothing of what it publishes comes back"),
    ],
    ids=["publish", "subscribe"],
)
def test_access_rules_that_forbid_the_test_are_said(
    rule: str, says: str, new_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    (tmp_path / "rules").write_text(rule)
    (tmp_path / "rules").chmod(0o644)
    broker = new_mosquitto("allow_anonymous true", f"acl_file {tmp_path / 'rules'}").start()
    code, found = checked(*settings(tmp_path, broker.url))
    assert code == 0
    assert found[f"broker {broker.url}"]["state"] == "warning"
    assert found[f"broker {broker.url}"]["says"] == f"it lets this device in, but {says}"


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_brokers_one_that_works_is_enough(order: int, mosquitto: Mosquitto, tmp_path: Path) -> None:
    nobody = "mqtt://127.0.0.1:1"
    servers = [mosquitto.url, nobody][::order]
    code, found = checked(*settings(tmp_path, *servers))
    assert code == 0
    assert (found[f"broker {mosquitto.url}"]["state"], found[f"broker {nobody}"]["state"]) == ("ok", "warning")


@pytest.mark.parametrize(
    ("health", "says"),
    [
        ({"time": "2020-01-01T00:00:00Z", "cameras": {"door": {"state": "ok"}}}, "has not said how it is"),
        ({"time": "now", "cameras": {"door": {"state": "lost\x1b]0;", "reason": "\x1b[2J\x07"}}}, "lost]0;, [2J"),
        ([1, 2], "has not said how it is"),
    ],
    ids=["old", "hostile", "another's"],
)
def test_what_a_broker_keeps_is_not_believed_blindly(
    health: Any, says: str, mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    if isinstance(health, dict) and health["time"] == "now":
        health["time"] = utc_now()
    subscriber.publish("facemask/pi/health", json.dumps(health), retain=True)
    with closing(Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)):
        # As if the daemon ran.
        found = checked(*settings(tmp_path, mosquitto.url))[1]
    assert says in found["camera door"]["says"]
    assert found["camera door"]["says"].isprintable()


def test_a_daemon_that_the_broker_refuses_is_a_problem_though_the_doctor_is_let_in(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with closing(Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)):
        # As if the daemon ran, with the password that it was started with.
        code, found = checked(*settings(tmp_path, mosquitto.url))
        assert (code, found["daemon"]["state"]) == (69, "problem")
        assert found["daemon"]["says"].startswith(f"it is not connected to broker {mosquitto.url}")
        assert "sudo systemctl restart facemask-edge" in found["daemon"]["advice"]
        code, found = checked(*settings(tmp_path, "mqtt://127.0.0.1:1"))
        assert found["daemon"]["state"] == "warning"


def test_a_disk_that_fails_the_daemon_is_a_problem(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    health = {"time": utc_now(), "outbox": {"kept": "memory", "fault": "Read-only file system"}}
    subscriber.publish("facemask/pi/health", json.dumps(health), retain=True)
    with closing(Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)):
        # As if the daemon ran.
        code, found = checked(*settings(tmp_path, mosquitto.url))
    assert (code, found["outbox"]["state"]) == (69, "problem")
    assert "Read-only file system" in found["outbox"]["says"]


def test_a_wrong_password_is_said(new_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    (tmp_path / "users").write_text("")
    (tmp_path / "users").chmod(0o644)
    broker = new_mosquitto("allow_anonymous false", f"password_file {tmp_path / 'users'}").start()
    (tmp_path / "password").write_text("hidden\n")
    (tmp_path / "password").chmod(0o644)
    options = [*setting("mqtt.username", "pi"), *setting("mqtt.password_file", str(tmp_path / "password"))]
    code, found = checked(*settings(tmp_path, broker.url), *options)
    assert code == 69
    assert found[f"broker {broker.url}"]["says"] == "Not authorized"
    assert "/etc/facemask-edge/mqtt_username" in found[f"broker {broker.url}"]["advice"]
    assert found[f"broker {broker.url}"]["advice"].endswith("then: sudo systemctl restart facemask-edge")
    assert "hidden" not in json.dumps(found)


def test_dead_letters_are_a_warning(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)) as store:
        store.commit(Changes(events=[Event("facemask/pi/door/violation", {"id": "a"})]))
        store.commit(Changes(dead={store.take(1)[0].key: "packet too large"}))
    code, found = checked(*settings(tmp_path, mosquitto.url))
    assert (code, found["outbox"]["state"]) == (0, "warning")
    assert "1 dead letters" in found["outbox"]["says"]
