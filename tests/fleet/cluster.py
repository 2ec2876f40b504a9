"""Real clusters of brokers on loopback: RabbitMQ and NATS, three nodes each, as Debian has them; and one Mosquitto."""

import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from tests.conftest import MOSQUITTO, ROOT, Mosquitto, free_port

EXAMPLES = ROOT / "docs" / "fleet"
HOSTS = ("one", "two", "three")
"""Nodes of the examples."""
START_TIMEOUT = 90.0
"""Seconds until all nodes of a cluster let somebody in."""
RABBITMQ = next(iter(sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))), None)
NATS = shutil.which("nats-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NO_BROKERS = "the Debian packages rabbitmq-server and nats-server are not installed"


class Cluster(ABC):
    """Some brokers that hold the same.

    Args:
        folder: For all their files; it is there.
        nodes: How many.
    """

    starts_in_turn = False
    """Whether a node is started when those before let somebody in."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(nodes)]
        """For MQTT."""
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * nodes

    @property
    def servers(self) -> list[str]:
        """As ``mqtt.servers`` has them."""
        return [f"mqtt://127.0.0.1:{port}" for port in self.ports]

    def start(self, number: int) -> None:
        """Start one of them."""
        command, environment = self._command(number)
        with (self.folder / f"{number}.log").open("ab") as log:
            self._processes[number] = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                # RabbitMQ ends when somebody closes what it reads.
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_up(self, port: int) -> None:
        """Wait until a node lets somebody in.

        Raises:
            TimeoutError: It does not.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while not _lets_in(port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{type(self).__name__}: nobody is let in at port {port}; see {self.folder}")
            time.sleep(0.5)

    def kill(self, number: int) -> None:
        """As a power cut would, but for what the kernel still writes."""
        process = self._processes[number]
        assert process is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        self._processes[number] = None

    def stop(self) -> None:
        """End all that run."""
        for number, process in enumerate(self._processes):
            if process is not None:
                self.kill(number)

    @abstractmethod
    def _command(self, number: int) -> tuple[list[str], dict[str, str]]:
        """What starts a node, and its environment."""


class RabbitMq(Cluster):
    """RabbitMQ's MQTT plugin; the queue of a persistent session is a quorum queue, on all nodes."""

    starts_in_turn = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, nodes=len(HOSTS))
        self._epmd_port = free_port()
        self._of_erlang = [free_port() for _ in self.ports]
        names = [f"{host}@localhost" for host in HOSTS]
        self._names = names
        (folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        cookie = folder / ".erlang.cookie"
        cookie.write_text("of the tests")
        cookie.chmod(0o400)
        common = {"allow_anonymous = false": "allow_anonymous = true"}
        common |= {f"rabbit@{host}": name for host, name in zip(HOSTS, names, strict=True)}
        for number, port in enumerate(self.ports):
            _write_as_in(
                EXAMPLES / "rabbitmq.conf", folder / f"{number}.conf", {"= 1883": f"= 127.0.0.1:{port}", **common}
            )
        # A daemon of its own: the tests' nodes are not to meet others of this computer.
        self._epmd = subprocess.Popen(
            ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"], stdin=subprocess.DEVNULL
        )

    def stop(self) -> None:
        super().stop()
        self._epmd.kill()
        self._epmd.wait(10)

    def _command(self, number: int) -> tuple[list[str], dict[str, str]]:
        folder = self.folder
        return [str(RABBITMQ)], {
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": self._names[number],
            "RABBITMQ_DIST_PORT": str(self._of_erlang[number]),
            "RABBITMQ_CONFIG_FILE": str(folder / f"{number}.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / f"{number}"),
            "RABBITMQ_LOG_BASE": str(folder / f"{number}.logs"),
            # Three nodes and all who speak to them share a few processors here: none may wait by spinning.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+sbwt none +sbwtdcpu none +sbwtdio none",
        }


class Nats(Cluster):
    """NATS with JetStream and its MQTT front; what persistent sessions need is on all nodes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, nodes=len(HOSTS))
        routes = [free_port() for _ in self.ports]
        for number, port in enumerate(self.ports):
            own = {
                "server_name: one": f"server_name: {HOSTS[number]}",
                "0.0.0.0:4222": f"127.0.0.1:{free_port()}",
                "0.0.0.0:6222": f"127.0.0.1:{routes[number]}",
                "0.0.0.0:1883": f"127.0.0.1:{port}",
                "/var/lib/nats": str(folder / str(number)),
            }
            common = {f"{host}:6222": f"127.0.0.1:{route}" for host, route in zip(HOSTS, routes, strict=True)}
            _write_as_in(EXAMPLES / "nats.conf", folder / f"{number}.conf", own | common)

    def _command(self, number: int) -> tuple[list[str], dict[str, str]]:
        return [str(NATS), "-c", str(self.folder / f"{number}.conf")], {}


class OneMosquitto(Cluster):
    """No cluster: what a single house has, to compare with."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, nodes=1)
        Mosquitto(folder, "allow_anonymous true", "max_queued_messages 0", port=self.ports[0])

    def _command(self, number: int) -> tuple[list[str], dict[str, str]]:
        assert number == 0
        return [str(MOSQUITTO), "-c", str(self.folder / "mosquitto.conf")], {}


@contextmanager
def running(kind: Callable[[Path], Cluster], folder: Path) -> Iterator[Cluster]:
    """A cluster of which all nodes let somebody in."""
    folder.mkdir()
    cluster = kind(folder)
    try:
        for number, port in enumerate(cluster.ports):
            cluster.start(number)
            # One after the other: RabbitMQ's nodes that begin at once may each wait for the others for ever.
            if cluster.starts_in_turn:
                cluster.wait_until_up(port)
        for port in cluster.ports:
            cluster.wait_until_up(port)
        yield cluster
    finally:
        cluster.stop()


def _write_as_in(example: Path, file: Path, replaced: Mapping[str, str]) -> None:
    """A configuration as the document has it, but for what two on one computer cannot both have."""
    text = example.read_text()
    for old, new in replaced.items():
        assert old in text, f"{example} has no {old}"
        text = text.replace(old, new)
    file.write_text(text)


def _lets_in(port: int) -> bool:
    client = paho.Client(CallbackAPIVersion.VERSION2, f"is-it-up-{port}")
    accepted: list[bool] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: accepted.append(not reason.is_failure)
    try:
        client.connect("127.0.0.1", port)
    except OSError:
        return False
    give_up = time.monotonic() + 5
    while not accepted and time.monotonic() < give_up and client.loop(0.2) == MQTTErrorCode.MQTT_ERR_SUCCESS:
        pass
    client.disconnect()
    return accepted == [True]
