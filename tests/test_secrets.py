"""Plants passwords wherever one can be given, lets the daemon go wrong in many ways, and reads everything it says."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Mosquitto, free_port
from tests.faults.scripted_broker import Manner, ScriptedBroker
from tests.motion_jpeg import MotionJpeg, motion_jpeg_server
from tests.subscriber import Subscriber, wait_until

SECRETS = {
    "userinfo": "Uiuserinfo7f3a",
    "query": "Qyquery91bc",
    "file": "Flpassfile22de",
    "environment": "Enenvpass55aa",
    "credential": "Crsystemd88ef",
    "server": "Svserver33cd",
    "page": "Pgpage77be",
}


def said_by(command: list[str], *, environment: dict[str, str] | None = None, seconds: float = 0.0) -> str:
    """Everything that a command writes; it is stopped after some seconds, if it does not end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    if seconds:
        time.sleep(seconds)
        process.terminate()
    said, _ = process.communicate(timeout=60)
    return said


def assert_none_of(said: str) -> None:
    found = [name for name, secret in SECRETS.items() if secret.lower() in said.lower()]
    assert not found, f"{found} in:\n{said}"


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address, with two passwords, of a camera that answers in another bad way each time."""
    with motion_jpeg_server() as (url, handler):
        turns = iter(range(1000))

        def bad(request: MotionJpeg) -> None:
            turn = next(turns) % 4
            if turn == 0:
                request.send_error(401)
            elif turn == 1:
                request.send_error(404, "no such camera")
            elif turn == 2:
                request.wfile.write(b"this is no HTTP\r\n\r\n")
            else:
                request.send_response(200)
                request.send_header("Content-Type", "text/html")
                request.end_headers()

        monkeypatch.setattr(handler, "do_GET", bad)
        yield url.replace("//", f"//admin:{SECRETS['userinfo']}@") + f"?user=admin&pwd={SECRETS['query']}"


def settings(folder: Path, servers: list[str], sources: list[str], **more: str) -> list[str]:
    cameras = [{"name": f"camera-{number}", "source": source} for number, source in enumerate(sources)]
    values = {
        "cameras": json.dumps(cameras),
        "mqtt.servers": json.dumps(servers),
        "device.name": "pi",
        "outbox.path": str(folder / "outbox.sqlite3"),
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


def test_a_daemon_that_everything_refuses_tells_no_password(
    camera: str, mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(SECRETS["file"])
    rtsp = f"rtsp://admin:{SECRETS['userinfo']}@127.0.0.1:9/stream?token={SECRETS['query']}"
    with closing(ScriptedBroker(Manner.REFUSES)) as refuses, closing(ScriptedBroker(Manner.GARBAGE)) as garbage:
        servers = [refuses.url, garbage.url, mosquitto.url]
        options = settings(
            tmp_path, servers, [camera, rtsp, "/dev/video77"], mqtt__username="pi", mqtt__password_file=str(password)
        )
        page = {"http.enabled": "true", "http.port": f"{free_port()}", "http.password_file": f"{tmp_path}/page"}
        (tmp_path / "page").write_text(SECRETS["page"])
        options += [part for name, value in page.items() for part in ("--set", f"{name}={value}")]
        said = said_by(["facemask_edge", "run", "--verbose", *options], seconds=12)
    assert "trying again" in said
    assert "camera-0" in said
    assert_none_of(said)
    assert wait_until(lambda: bool(subscriber.payloads("facemask/pi/health")))
    for message in subscriber.messages:
        assert_none_of(f"{message.topic} {bytes(message.payload)!r}")
    subscriber.close()


@pytest.mark.parametrize("kind", ["environment", "credential"])
def test_a_password_from_elsewhere_is_not_told(kind: str, tmp_path: Path) -> None:
    (tmp_path / "mqtt_username").write_text("pi")
    for name in ("mqtt_password", "http_password"):
        (tmp_path / name).write_text(SECRETS["credential"])
    environment = {
        "environment": {
            "FACEMASK_MQTT_USERNAME": "pi",
            "FACEMASK_MQTT_PASSWORD": SECRETS["environment"],
            "FACEMASK_HTTP_PASSWORD": SECRETS["environment"],
        },
        "credential": {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    }[kind]
    with closing(ScriptedBroker(Manner.REFUSES)) as broker:
        http = {"http__enabled": "true", "http__port": f"{free_port()}"}
        options = settings(tmp_path, [broker.url], ["/dev/video77"], **http)
        said = said_by(["facemask_edge", "run", "--verbose", *options], environment=environment, seconds=6)
    assert "refused the connection" in said
    assert_none_of(said)


@pytest.mark.parametrize(
    "wrong",
    [
        ["mqtt.servers=['mqtt://pi:Svserver33cd@broker']"],
        ["cameras=[{name: 'a b', source: 'rtsp://a:Uiuserinfo7f3a@b/?pwd=Qyquery91bc'}]"],
        ["cameras=[{name: a, source: 'rtsp://a:Uiuserinfo7f3a@b/?pwd=Qyquery91bc', sauce: 1}]"],
        ["cameras.source=rtsp://a:Uiuserinfo7f3a@b/?pwd=Qyquery91bc"],
        ["cameras 'rtsp://a:Uiuserinfo7f3a@b/?pwd=Qyquery91bc'"],
        ["cameras=['rtsp://a:Uiuserinfo7f3a@b/?pwd=Qyquery91bc"],
    ],
)
@pytest.mark.parametrize("command", ["run", "config"])
def test_a_wrong_configuration_is_explained_without_its_passwords(command: str, wrong: list[str]) -> None:
    said = said_by(["facemask_edge", command, *(part for setting in wrong for part in ("--set", setting))])
    assert "facemask-edge: " in said
    assert "Traceback" not in said
    assert_none_of(said)


def test_the_configuration_is_shown_without_passwords(camera: str) -> None:
    said = said_by(["facemask_edge", "config", "--set", f"cameras=[{{name: door, source: '{camera}'}}]"])
    assert "name: door" in said
    assert_none_of(said)


def test_a_fault_of_the_program_is_told_without_passwords(camera: str, tmp_path: Path) -> None:
    failing = tmp_path / "failing.py"
    # Where the configuration is at hand: in the daemon, and in a camera's thread.
    failing.write_text(
        "import facemask_edge.cameras.motion_jpeg as camera, facemask_edge.daemon as daemon, sys, time\n"
        "def fails(*_): raise RuntimeError('forced')\n"
        "def later(self): time.sleep(3); fails()\n"
        "camera._answer = fails\n"
        "daemon.Daemon._watch_all = later\n"
        "from facemask_edge.cli import main\n"
        "sys.argv[0] = 'facemask-edge'\n"
        "main()\n"
    )
    password = tmp_path / "password"
    password.write_text(SECRETS["file"])
    options = settings(
        tmp_path, ["mqtt://127.0.0.1:9"], [camera], mqtt__username="pi", mqtt__password_file=str(password)
    )
    process = subprocess.run(
        [sys.executable, str(failing), "run", "--verbose", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = process.stdout + process.stderr
    assert process.returncode == 70
    assert said.count("RuntimeError: forced") >= 2
    assert_none_of(said)
