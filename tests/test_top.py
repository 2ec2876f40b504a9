import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from rich.console import Console

from facemask_edge.devices import Devices
from facemask_edge.top import shown
from tests.conftest import Mosquitto, free_port
from tests.faults.scripted_broker import Manner, ScriptedBroker
from tests.subscriber import Subscriber, wait_until
from tests.test_cli import assert_explained, facemask_edge
from tests.test_devices import HEALTH


@pytest.fixture
def retained(mosquitto: Mosquitto, subscriber: Subscriber) -> Mosquitto:
    """A broker that keeps what two devices said."""
    subscriber.publish("facemask/pi/status", "online", retain=True)
    subscriber.publish("facemask/pi/health", json.dumps(HEALTH), retain=True)
    subscriber.publish("facemask/pi/door/people", '{"mask": 1, "no_mask": 2, "undetermined": 0}', retain=True)
    subscriber.publish("facemask/canteen/status", "offline", retain=True)
    return mosquitto


def test_it_prints_what_the_broker_keeps(retained: Mosquitto) -> None:
    ended = facemask_edge("top", "--once", "--set", f"mqtt.servers=['{retained.url}']")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["canteen", "offline"] in lines
    assert ["pi", "online", "door", "ok", "14.7", "67", "2", "1", "2", "0", "3", "61"] in lines
    assert ["gate", "lost", "0.0", "0"] in lines
    assert "! pi: camera gate: it is dark" in ended.stdout
    assert ended.stdout.splitlines()[-1].strip() == retained.url


def test_it_prints_one_device_as_json(retained: Mosquitto) -> None:
    ended = facemask_edge("top", "pi", "--json", "--set", f"mqtt.servers=['{retained.url}']")
    assert ended.returncode == 0
    rows = json.loads(ended.stdout)
    assert [(row["device"], row["camera"], row["no_mask"]) for row in rows] == [("pi", "door", 2), ("pi", "gate", None)]


def test_the_next_broker_is_asked_where_the_first_is_away(retained: Mosquitto) -> None:
    away = f"mqtt://127.0.0.1:{free_port()}"
    ended = facemask_edge("top", "--json", "--set", f"mqtt.servers=['{away}', '{retained.url}']")
    assert ended.returncode == 0
    assert len(json.loads(ended.stdout)) == 3


def test_a_broker_that_is_away_or_refuses_is_explained(new_mosquitto: Callable[..., Mosquitto]) -> None:
    away = f"mqtt://127.0.0.1:{free_port()}"
    ended = facemask_edge("top", "--once", "--set", f"mqtt.servers=['{away}']")
    assert_explained(ended, 69, f"{away}: Connection refused; is it running")
    closed = new_mosquitto("allow_anonymous false").start()
    ended = facemask_edge("top", "--set", f"mqtt.servers=['{closed.url}']")
    assert_explained(ended, 69, f"{closed.url}: Not authorized; write user name and password", "mqtt.username")


@pytest.mark.parametrize(
    ("manner", "advice"),
    [
        (Manner.GARBAGE, "; does it speak MQTT there"),
        (Manner.REFUSES, "Unspecified error; see its log"),
        (Manner.LATER_GARBAGE, "; see its log"),
    ],
)
def test_what_is_no_broker_is_explained(manner: Manner, advice: str) -> None:
    with closing(ScriptedBroker(manner)) as broker:
        ended = facemask_edge("top", "--once", "--set", f"mqtt.servers=['{broker.url}']")
    assert_explained(ended, 69, f"{broker.url}: ", advice)
    assert ended.stderr.strip().isprintable()


def test_what_is_no_name_of_a_device_is_a_wrong_usage() -> None:
    ended = facemask_edge("top", "#")
    assert ended.returncode == 64
    assert "no device has such a name" in ended.stderr


def test_a_message_of_any_size_does_not_end_it(retained: Mosquitto, subscriber: Subscriber) -> None:
    subscriber.publish("facemask/pi/gate/people", "x" * 200_000, retain=True)
    subscriber.publish("facemask/other/health", "\x1b[2J", retain=True)
    ended = facemask_edge("top", "--once", "--set", f"mqtt.servers=['{retained.url}']")
    assert ended.returncode == 0
    assert "\x1b" not in ended.stdout
    assert "no JSON" in ended.stdout


def test_it_fits_into_a_terminal_of_80_columns() -> None:
    devices = Devices("facemask")
    devices.heard("facemask/entrance-pi/status", b"online")
    devices.heard("facemask/entrance-pi/health", json.dumps(HEALTH).encode())
    devices.heard("facemask/entrance-pi/door/people", b'{"mask": 10, "no_mask": 2, "undetermined": 10}')
    console = Console(width=80, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115 - ends with the test
    console.print(shown(devices.rows(), "mqtt://broker:1883"))
    text = console.export_text()
    assert "entrance-pi online door" in " ".join(text.split())
    assert "…" not in text


def test_in_a_terminal_it_is_live_until_interrupted_and_finds_the_broker_again(retained: Mosquitto) -> None:
    terminal, its_end = pty.openpty()
    # Whoever started the tests in the background had SIGINT ignored, by all that they start.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "facemask_edge", "top"]
    command += ["--set", f"mqtt.servers=['{retained.url}']"]
    seen: list[bytes] = []

    def read() -> None:
        with suppress(OSError):
            while some := os.read(terminal, 10_000):
                seen.append(some)

    def screen() -> str:
        # Each picture begins in the upper left corner; the newest may not be whole yet.
        return ["", *b"".join(seen).decode(errors="replace").split("\x1b[H")][-2]

    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    with subprocess.Popen(command, stdin=its_end, stdout=its_end, env=environment) as running:
        os.close(its_end)
        threading.Thread(target=read, daemon=True).start()
        try:
            assert wait_until(lambda: "canteen" in screen())
            retained.kill()
            assert wait_until(lambda: "trying again" in screen())
            retained.start()
            assert wait_until(lambda: "canteen" in screen() and "trying again" not in screen())
        finally:
            running.send_signal(signal.SIGINT)
        assert running.wait(10) == 0
    os.close(terminal)
