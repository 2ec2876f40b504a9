import logging
import os
import pty
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from facemask_edge.config import HttpConfig, MqttConfig
from facemask_edge.delivery import BrokerState
from facemask_edge.errors import ConfigError
from facemask_edge.mqtt import Publisher
from facemask_edge.store import Store
from facemask_edge.tls import check_certificate, tls_context
from tests.certificates import authority, issue, tls_listener
from tests.conftest import Mosquitto, NewPublisher, free_port
from tests.faults.scripted_broker import Manner, ScriptedBroker
from tests.subscriber import Subscriber, wait_until

TOPIC = "facemask/pi/door/violation"
PASSWORD = "correct horse"  # noqa: S105 - of a broker that lives as long as a test
NewMosquitto = Callable[..., Mosquitto]


@pytest.fixture
def new_publisher(new_publisher: NewPublisher, caplog: pytest.LogCaptureFixture) -> Iterator[NewPublisher]:
    """Starts publishers with one event, which must not tell their password."""
    caplog.set_level(logging.DEBUG)

    def new(*servers: str, **settings: Any) -> Publisher:
        publisher = new_publisher(*servers, **settings)
        publisher.submit(TOPIC, {"number": 1})
        return publisher

    yield new
    assert PASSWORD not in caplog.text


@pytest.fixture
def ca(tmp_path: Path) -> trustme.CA:
    """Signs certificates; its own is ``ca.pem``."""
    return authority(tmp_path / "ca.pem")


def says(publisher: Publisher, text: str) -> bool:
    return wait_until(lambda: text in (publisher.delivery.reason or ""))


def test_tls_with_an_own_authority(
    ca: trustme.CA, new_mosquitto: NewMosquitto, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    port = free_port()
    broker = new_mosquitto("allow_anonymous true", *tls_listener(port, *issue(ca, "localhost", tmp_path))).start()
    with closing(Subscriber(broker.port)) as subscriber:
        assert new_publisher(f"mqtts://localhost:{port}", ca=tmp_path / "ca.pem").drain(15)
        assert wait_until(lambda: len(subscriber.events()) == 1)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_web_sockets(
    scheme: str, ca: trustme.CA, new_mosquitto: NewMosquitto, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    port = free_port()
    listener = tls_listener(port, *issue(ca, "localhost", tmp_path)) if scheme == "wss" else [f"listener {port}"]
    broker = new_mosquitto("allow_anonymous true", *listener, "protocol websockets").start()
    settings = {"ca": tmp_path / "ca.pem"} if scheme == "wss" else {}
    with closing(Subscriber(broker.port)) as subscriber:
        publisher = new_publisher(f"{scheme}://localhost:{port}/mqtt", **settings)
        for number in range(2, 201):
            publisher.submit(TOPIC, {"number": number})
        assert publisher.drain(30)
        assert wait_until(lambda: [event["number"] for event in subscriber.events()] == list(range(1, 201)))


def test_a_port_that_speaks_no_web_socket_is_said(mosquitto: Mosquitto, new_publisher: NewPublisher) -> None:
    assert says(new_publisher(f"ws://127.0.0.1:{mosquitto.port}"), "WebSocket")


@pytest.fixture
def strict(ca: trustme.CA, new_mosquitto: NewMosquitto, tmp_path: Path) -> tuple[Mosquitto, str]:
    """A broker that demands a certificate of who connects, and its address with TLS."""
    port = free_port()
    demands = [f"cafile {tmp_path}/ca.pem", "require_certificate true"]
    files = issue(ca, "localhost", tmp_path)
    broker = new_mosquitto("allow_anonymous true", *tls_listener(port, *files, *demands))
    return broker.start(), f"mqtts://localhost:{port}"


def test_a_broker_that_demands_a_certificate(
    strict: tuple[Mosquitto, str], ca: trustme.CA, new_publisher: NewPublisher, tmp_path: Path
) -> None:
    broker, url = strict
    cert, key = issue(ca, "pi.example", tmp_path)
    with closing(Subscriber(broker.port)) as subscriber:
        assert new_publisher(url, ca=tmp_path / "ca.pem", cert=cert, key=key).drain(15)
        assert wait_until(lambda: len(subscriber.events()) == 1)


@pytest.mark.parametrize("has_one", [False, True], ids=["none", "of another authority"])
def test_a_device_without_the_certificate_that_is_demanded_is_told(
    has_one: bool,  # noqa: FBT001 - a parameter
    strict: tuple[Mosquitto, str],
    new_publisher: NewPublisher,
    tmp_path: Path,
) -> None:
    _, url = strict
    cert, key = issue(authority(tmp_path / "other.pem"), "pi.example", tmp_path)
    files = {"cert": cert, "key": key} if has_one else {}
    publisher = new_publisher(url, ca=tmp_path / "ca.pem", **files)
    assert says(publisher, "it does not accept this device's certificate")
    assert publisher.delivery.state is BrokerState.REFUSED


@pytest.mark.parametrize(
    ("name", "trusts", "sentence"),
    [("localhost", "other.pem", "certificate is not trusted"), ("another.example", "ca.pem", "for another name")],
)
def test_a_broker_that_is_not_the_right_one_gets_nothing(  # noqa: PLR0913 - most are fixtures
    *,
    name: str,
    trusts: str,
    sentence: str,
    ca: trustme.CA,
    new_mosquitto: NewMosquitto,
    new_publisher: NewPublisher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    authority(tmp_path / "other.pem")
    port = free_port()
    broker = new_mosquitto("allow_anonymous true", *tls_listener(port, *issue(ca, name, tmp_path))).start()
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    with closing(Subscriber(broker.port)) as subscriber:
        publisher = new_publisher(
            f"mqtts://localhost:{port}", ca=tmp_path / trusts, username="pi", password_file=secret
        )
        assert says(publisher, sentence)
        assert publisher.delivery.state is BrokerState.REFUSED
        assert sentence in caplog.text
        assert not subscriber.messages


def test_a_broker_without_tls_at_a_port_for_it_is_said(mosquitto: Mosquitto, new_publisher: NewPublisher) -> None:
    publisher = new_publisher(f"mqtts://127.0.0.1:{mosquitto.port}")
    assert wait_until(lambda: publisher.delivery.reason is not None)
    assert publisher.delivery.state in (BrokerState.REFUSED, BrokerState.UNREACHABLE)


@pytest.mark.parametrize(
    ("host", "sentence"), [("no-such-host.invalid", "cannot be resolved"), ("a..b", "it is no name of a host")]
)
def test_a_name_that_cannot_be_resolved_is_said(host: str, sentence: str, new_publisher: NewPublisher) -> None:
    assert says(new_publisher(f"mqtt://{host}"), sentence)


@pytest.mark.parametrize("content", [None, "this is no certificate", ""], ids=["missing", "no PEM", "empty"])
def test_an_authority_that_cannot_be_used_is_a_wrong_configuration(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"^mqtt\.ca .*(No such file|no PEM certificate)"):
        tls_context(MqttConfig(ca=file))
    with pytest.raises(ConfigError, match=r"^mqtt\.ca "):
        Publisher(
            MqttConfig(servers=["mqtts://a"], ca=file),
            device="pi",
            store=Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000),
        )


@pytest.mark.parametrize("wrong", ["encrypted", "missing", "no PEM", "of another", "no PEM certificate"])
def test_a_certificate_or_key_that_cannot_be_used_is_a_wrong_configuration(
    wrong: str, ca: trustme.CA, tmp_path: Path
) -> None:
    cert, key = issue(ca, "pi.example", tmp_path)
    match wrong:
        case "encrypted":
            key.write_bytes(encrypted(key.read_bytes()))
        case "missing":
            key.unlink()
        case "no PEM":
            key.write_text("this is no key")
        case "of another":
            key.write_bytes(issue(ca, "other.example", tmp_path)[1].read_bytes())
        case _:
            cert.write_text("this is no certificate")
    with pytest.raises(ConfigError, match=r"^mqtt\.cert .* mqtt\.key .*: ") as caught:
        tls_context(MqttConfig(cert=cert, key=key))
    assert caught.value.exit_code == 78
    assert ("encrypted" in str(caught.value)) == (wrong == "encrypted")
    with pytest.raises(ConfigError) as of_the_page:
        check_certificate(HttpConfig(cert=cert, key=key))
    assert str(of_the_page.value) == str(caught.value).replace("mqtt.", "http.")


def test_the_page_has_a_certificate_or_none(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issue(ca, "pi.example", tmp_path)
    assert check_certificate(HttpConfig(cert=cert, key=key))
    assert not check_certificate(HttpConfig())


def encrypted(key: bytes) -> bytes:
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )


def test_an_encrypted_key_does_not_ask_on_the_terminal(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issue(ca, "pi.example", tmp_path)
    key.write_bytes(encrypted(key.read_bytes()))
    child, terminal = pty.fork()
    if child == 0:
        try:
            tls_context(MqttConfig(cert=cert, key=key))
        except ConfigError as error:
            os.write(1, str(error).encode())
        os._exit(0)
    said = b""
    try:
        while some := os.read(terminal, 1000):
            said += some
    except OSError:
        # So Linux says that the other side is gone.
        pass
    os.waitpid(child, 0)
    os.close(terminal)
    assert b"the key is encrypted; store one without a password" in said
    assert b"pass phrase" not in said


def test_no_connection_leaves_a_thread_or_a_socket_behind(
    new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("SHORTEST_BACKOFF", 0.01), ("LONGEST_BACKOFF", 0.05)):
        monkeypatch.setattr(f"facemask_edge.mqtt.{name}", seconds)
    with closing(ScriptedBroker(Manner.DROPS_ALL)) as scripted:
        new_publisher(scripted.url)
        assert wait_until(lambda: scripted.connections > 5)
        before = open_sockets(scripted)
        assert wait_until(lambda: scripted.connections > 60, 60)
        assert wait_until(lambda: open_sockets(scripted) <= before + 5)
        assert sum(thread.name == "mqtt" for thread in threading.enumerate()) <= 3


def test_a_flood_of_welcomes_is_no_mqtt(new_publisher: NewPublisher) -> None:
    with closing(ScriptedBroker(Manner.CONNACK_FLOOD)) as scripted:
        publisher = new_publisher(scripted.url)
        assert says(publisher, "a second CONNACK")
        assert publisher.delivery.store.waiting == 1


def test_an_answer_to_a_web_socket_that_is_none_is_said(
    new_publisher: NewPublisher, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(ScriptedBroker(Manner.BAD_WEB_SOCKET)) as scripted:
        publisher = new_publisher(f"ws://127.0.0.1:{scripted.port}")
        assert says(publisher, "it sent what is no WebSocket")
        assert wait_until(lambda: scripted.connections > 1)
    assert "fault of the program" not in caplog.text


@contextmanager
def silent_address(address: str, port: int) -> Iterator[None]:
    """Where nothing answers, not even with a refusal: a listener whose queue is full."""
    with socket.create_server((address, port), backlog=0) as listening, ExitStack() as waiting:
        for _ in range(3):
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            connection.connect_ex(listening.getsockname())
        yield


def test_of_several_addresses_the_one_that_answers_is_found(
    new_mosquitto: NewMosquitto, new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("broker_connection.CONNECT_TIMEOUT", 3.0), ("mqtt.ANSWER_TIMEOUT", 4.0)):
        monkeypatch.setattr(f"facemask_edge.{name}", seconds)
    broker = new_mosquitto("allow_anonymous true").start()
    addresses = ("127.0.0.2", "127.0.0.3", "127.0.0.1")
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, broker.port)) for address in addresses]
    real = socket.getaddrinfo

    def several(host: str, *arguments: Any, **more: Any) -> Any:
        return found if host == "cluster" else real(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", several)
    with silent_address("127.0.0.2", broker.port), silent_address("127.0.0.3", broker.port):
        publisher = new_publisher(f"mqtt://cluster:{broker.port}")
        assert publisher.drain(12)


@pytest.mark.parametrize("scheme", ["ws", "mqtts"])
def test_a_handshake_that_trickles_is_given_up_with_its_thread(
    scheme: str, new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("ANSWER_TIMEOUT", 0.5), ("SHORTEST_BACKOFF", 0.01), ("LONGEST_BACKOFF", 0.05)):
        monkeypatch.setattr(f"facemask_edge.mqtt.{name}", seconds)
    with closing(ScriptedBroker(Manner.TRICKLES)) as scripted:
        before = open_sockets(scripted)
        new_publisher(f"{scheme}://127.0.0.1:{scripted.port}")
        assert wait_until(lambda: scripted.connections > 5, 30)
        assert wait_until(lambda: sum(thread.name == "mqtt" for thread in threading.enumerate()) <= 2)
        assert wait_until(lambda: open_sockets(scripted) <= before + 4)


def open_sockets(scripted: ScriptedBroker) -> int:
    """Sockets of this process, without those of the scripted broker, which stay open until it is closed."""
    kinds = [str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]
    return sum(kind.startswith("socket:") for kind in kinds) - scripted.connections


def test_a_connection_that_was_given_up_does_not_push_out_its_successor(
    new_mosquitto: NewMosquitto, new_publisher: NewPublisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("facemask_edge.mqtt.ANSWER_TIMEOUT", 1.0)
    monkeypatch.setattr("facemask_edge.mqtt.LONGEST_BACKOFF", 1.0)
    log = tmp_path / "broker.log"
    broker = new_mosquitto("allow_anonymous true", f"log_dest file {log}").start()
    real = socket.getaddrinfo
    slow_ones = iter([True])

    def slow_once(*arguments: Any, **more: Any) -> Any:
        if next(slow_ones, False):
            threading.Event().wait(3)
        return real(*arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow_once)
    publisher = new_publisher(broker.url)
    assert publisher.drain(15)
    threading.Event().wait(3)
    assert log.read_text().count(" as facemask:pi ") == 1


def test_an_event_does_not_wait_for_the_acknowledgement_of_the_packet_before(
    mosquitto: Mosquitto, new_publisher: NewPublisher
) -> None:
    publisher = new_publisher(mosquitto.url)
    assert publisher.drain(15)
    line = publisher._connection._client._line  # type: ignore[union-attr] # noqa: SLF001 - time would tell by chance only
    assert line is not None
    assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_password_is_in_no_log(
    new_mosquitto: NewMosquitto, new_publisher: NewPublisher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = new_mosquitto("allow_anonymous true").start()
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    publisher = new_publisher(broker.url, username="pi", password_file=secret)
    assert publisher.drain(15)
    with closing(ScriptedBroker(Manner.GARBAGE)) as scripted:
        publisher.stop()
        publisher = new_publisher(scripted.url, username="pi", password_file=secret)
        assert wait_until(lambda: scripted.connections > 1, 30)
    assert "connected to" in caplog.text


def test_the_lowest_version_of_tls_is_1_2() -> None:
    assert tls_context(MqttConfig()).minimum_version >= ssl.TLSVersion.TLSv1_2
