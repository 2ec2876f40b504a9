import errno
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from facemask_edge import http_server
from facemask_edge.config import HttpConfig
from facemask_edge.errors import ConfigError, ServiceError
from facemask_edge.health_message import HealthMessage
from facemask_edge.http_server import LONGEST_CONNECTION, MOST_CONNECTIONS, HttpServer
from facemask_edge.pulse import Pulse
from tests.certificates import authority, issue
from tests.conftest import ROOT, Mosquitto, free_port
from tests.motion_jpeg import MotionJpeg
from tests.subscriber import Subscriber, wait_until
from tests.test_daemon import facemask_edge_run, judged

Ask = Callable[[str], tuple[int, str]]


@pytest.fixture(scope="module")
def message() -> HealthMessage:
    """The one in the documentation."""
    text = (ROOT / "docs" / "mqtt.md").read_text()
    example = text[text.index('{"schema": "facemask-edge/health/1"') :].partition("```")[0]
    return HealthMessage.model_validate_json(example)


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


@pytest.fixture
def newest() -> list[HealthMessage]:
    return []


@pytest.fixture
def server(pulse: Pulse, newest: list[HealthMessage]) -> Iterator[HttpServer]:
    server = HttpServer(HttpConfig(enabled=True, port=free_port()), pulse, lambda: newest[-1] if newest else None)
    server.start()
    yield server
    server.stop()


def asked(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_it_says_whether_the_daemon_works(server: HttpServer, pulse: Pulse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(server.port, "/healthz") == (503, "it starts\n")
    pulse.turned()
    assert asked(server.port, "/healthz") == (200, "ok\n")
    pulse.turned("delivery hangs")
    assert asked(server.port, "/healthz") == (503, "delivery hangs\n")
    pulse.turned()
    monkeypatch.setattr("facemask_edge.pulse.LATE", 0.2)
    time.sleep(0.3)
    assert asked(server.port, "/healthz") == (503, "the frame loop has not turned for 0 s\n")


def test_it_answers_nothing_else(server: HttpServer) -> None:
    for path in ("/", "/metrics/", "/../etc/passwd", "/docs"):
        assert asked(server.port, path)[0] in (307, 404), path
    assert asked(server.port, "/metrics", "POST")[0] == 405
    with closing(socket.create_connection(("127.0.0.1", server.port))) as line:
        line.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 400")


def test_the_metrics_are_those_of_the_newest_message(
    server: HttpServer, newest: list[HealthMessage], message: HealthMessage
) -> None:
    assert asked(server.port, "/metrics") == (200, "")
    newest.append(message)
    status, text = asked(server.port, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("facemask_edge_") for name in families)
    assert all(family.documentation for family in families.values())
    found = {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in families.values()
        for sample in family.samples
    }
    door = message.cameras["door"]
    assert door.latency_ms is not None
    expected = {
        ("facemask_edge_build_info", (message.version,)): 1,
        ("facemask_edge_uptime_seconds", ()): 3600,
        ("facemask_edge_restarts_total", ()): 0,
        ("facemask_edge_mqtt_connected", ()): 1,
        ("facemask_edge_outbox_on_disk", ()): 1,
        ("facemask_edge_cpu_temperature_celsius", ()): 61.3,
        ("facemask_edge_throttled", ()): 0,
        ("facemask_edge_warning", ("dark", "door")): 1,
        ("facemask_edge_camera_ok", ("door",)): 1,
        ("facemask_edge_camera_frames_total", ("door",)): 53211,
        ("facemask_edge_camera_judged_frames_total", ("door",)): 52904,
        ("facemask_edge_camera_dropped_frames_total", ("busy", "door")): 306,
        ("facemask_edge_camera_dropped_frames_total", ("door", "stale")): 1,
        ("facemask_edge_camera_latency_seconds", ("0.95", "door")): pytest.approx(door.latency_ms.p95 / 1000),
        ("facemask_edge_camera_stage_seconds", ("0.5", "detection", "door")): pytest.approx(0.0241),
        ("facemask_edge_health_timestamp_seconds", ()): pytest.approx(1795633331.12, abs=0.01),
    }
    assert {key: found[key] for key in expected} == expected


def test_what_is_not_known_is_left_out(server: HttpServer, newest: list[HealthMessage], message: HealthMessage) -> None:
    newest.append(message.model_copy(update={"cpu_temperature_c": None, "throttled": None, "cameras": {}}))
    text = asked(server.port, "/metrics")[1]
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert not [line for line in lines if "celsius" in line or "throttled" in line or "camera_ok" in line]
    assert "facemask_edge_uptime_seconds 3600.0" in lines


def test_who_asks_slowly_or_never_holds_no_place(
    server: HttpServer, pulse: Pulse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "LONGEST_CONNECTION", 1.0)
    pulse.turned()
    with ExitStack() as stack:
        lines = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            for _ in range(MOST_CONNECTIONS)
        ]
        for line in lines:
            line.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        time.sleep(0.2)
        with pytest.raises((OSError, http.client.HTTPException)):
            asked(server.port, "/healthz")
        time.sleep(1.0)
        assert asked(server.port, "/healthz") == (200, "ok\n")
        for line in lines:
            with suppress(ConnectionResetError):
                assert line.recv(1) == b""


def is_open(line: socket.socket) -> bool:
    """Whether the other side has not ended a connection on which it says nothing."""
    try:
        line.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        pass
    return False


def test_who_never_begins_to_encrypt_holds_no_more_places_than_others_and_none_for_long(
    pulse: Pulse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "LONGEST_CONNECTION", 5.0)
    cert, key = issue(authority(tmp_path / "ca.pem"), "localhost", tmp_path)
    server = HttpServer(HttpConfig(enabled=True, port=free_port(), cert=cert, key=key), pulse, lambda: None)
    server.start()
    pulse.turned()
    with ExitStack() as stack:
        lines = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            for _ in range(3 * MOST_CONNECTIONS)
        ]
        # Each is a file of this process, of which it may have so many only.
        assert wait_until(lambda: sum(map(is_open, lines)) == MOST_CONNECTIONS, 5)
    trusted = ssl.create_default_context(cafile=tmp_path / "ca.pem")

    def answers() -> bool:
        with closing(http.client.HTTPSConnection("localhost", server.port, timeout=5, context=trusted)) as connection:
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    assert wait_until(answers, 5)
    with ExitStack() as stack:

        def one_more_keeps_others_out() -> bool:
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            return not answers()

        # As many as may be there; one that was answered may hold its place for a moment more.
        for _ in range(MOST_CONNECTIONS - 1):
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
        assert wait_until(one_more_keeps_others_out, 4)
        # They stay, and say nothing.
        assert wait_until(answers, 15)
    server.stop()


def test_a_port_that_is_taken_and_an_address_that_is_none_are_explained(server: HttpServer, pulse: Pulse) -> None:
    def listening(**settings: object) -> None:
        HttpServer(HttpConfig.model_validate({"enabled": True, **settings}), pulse, lambda: None)

    with pytest.raises(
        ServiceError, match=rf"http: 127\.0\.0\.1:{server.port}: Address already in use; set http\.host"
    ):
        listening(port=server.port)
    with pytest.raises(ServiceError, match="Cannot assign requested address; set"):
        listening(host="192.0.2.1")
    with pytest.raises(ConfigError, match=r"nowhere\.invalid:8020: .*; set http\.host to an address"):
        listening(host="nowhere.invalid")
    with pytest.raises(ConfigError, match="no name of a host"):
        listening(host="a" * 70)


def test_a_server_that_fails_is_logged_and_nothing_else_happens(
    pulse: Pulse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    server = HttpServer(HttpConfig(enabled=True, port=free_port()), pulse, lambda: None)
    monkeypatch.setattr(server._server, "serve", fails)  # noqa: SLF001 - what it does then is this object's own affair
    server.start()
    assert wait_until(lambda: "the daemon goes on without it" in caplog.text)
    server.stop()


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_a_connection_may_be_used_again_but_not_for_ever(path: str, server: HttpServer) -> None:
    assert LONGEST_CONNECTION < 15
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
        for _ in range(3):
            connection.request("GET", path)
            connection.getresponse().read()


def test_a_daemon_answers_and_slow_clients_do_not_disturb_it(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: tuple[str, type[MotionJpeg]], tmp_path: Path
) -> None:
    port = free_port()
    cameras = [{"name": "door", "source": stream[0]}]
    settings = {"cameras": json.dumps(cameras), "http.enabled": "true", "http.port": str(port), "health.interval": "1"}
    command = facemask_edge_run(mosquitto, tmp_path)
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    with subprocess.Popen(command) as daemon, ExitStack() as stack:
        try:
            assert wait_until(lambda: judged(subscriber) >= 5, 20)
            assert asked(port, "/healthz") == (200, "ok\n")
            assert 'facemask_edge_camera_ok{camera="door"} 1.0' in asked(port, "/metrics")[1]
            for _ in range(2 * MOST_CONNECTIONS):
                line = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port))))
                with suppress(OSError):
                    line.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
            before, started = judged(subscriber), time.monotonic()
            assert wait_until(lambda: judged(subscriber) >= before + 40, 20)
            # The stream has 20 a second.
            assert time.monotonic() - started < 10
            assert daemon.poll() is None
        finally:
            daemon.terminate()
            started = time.monotonic()
            assert daemon.wait(30) == 0
            assert time.monotonic() - started < 5
    subscriber.close()


def test_a_daemon_whose_port_is_taken_ends_with_a_sentence(server: HttpServer, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "facemask_edge", "run", "--set", f"outbox.path={tmp_path / 'outbox.sqlite3'}"]
    command += ["--set", "http.enabled=true", "--set", f"http.port={server.port}"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 69
    assert ended.stderr.splitlines()[-1].startswith(
        f"facemask-edge: http: 127.0.0.1:{server.port}: Address already in use"
    )
    assert "Traceback" not in ended.stderr


def test_without_it_none_of_its_libraries_is_loaded() -> None:
    code = (
        "import sys, facemask_edge.daemon; "
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('uvicorn', 'starlette', 'prometheus_client', 'asyncio', 'anyio')])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
