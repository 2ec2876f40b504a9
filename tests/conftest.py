"""Fixtures shared by all tests: the shared data, a real broker, a real subscriber."""

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from facemask_edge.config import MqttConfig
from facemask_edge.mqtt import Publisher
from facemask_edge.orders import LISTEN
from facemask_edge.store import Store
from tests.motion_jpeg import MotionJpeg, motion_jpeg_server
from tests.subscriber import Subscriber

ROOT = Path(__file__).parent.parent
NewPublisher = Callable[..., Publisher]
IS_FULL = os.environ.get("FACEMASK_TESTS") == "full"
"""Whether what takes many minutes is tried, too."""


LONGEST = ["faults/test_faults.py", "system/", "v4l2/", "converter/", "rollouts/"]
"""What takes minutes begins first, so that it does not end last, alone."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the full version does, and begin with what takes longest."""
    left_out = [item for item in items if item.get_closest_marker("full") and not IS_FULL]
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted((item for item in items if item not in left_out), key=_turn)


def _turn(item: pytest.Item) -> int:
    place = item.nodeid.removeprefix("tests/")
    return next((turn for turn, longest in enumerate(LONGEST) if place.startswith(longest)), len(LONGEST))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data: FACEMASK_SHARED, default ../shared."""
    folder = Path(os.environ.get("FACEMASK_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"the shared data folder {folder} is not here; name it with FACEMASK_SHARED")
    return folder


PORTS = range(15_000, 32_000)
"""The kernel takes none of these by itself: a broker that was away for a while finds its place free."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


# Debian installs it into /usr/sbin, which is not on every user's PATH.
MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
NO_MOSQUITTO = "the Debian package mosquitto is not installed; run: sudo apt install mosquitto"


class Mosquitto:
    """A real Mosquitto on a port of its own; ``settings`` are lines of its configuration."""

    def __init__(self, folder: Path, *settings: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        self._folder = folder
        self._file = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(*settings)

    def configure(self, *settings: str) -> None:
        """Other lines of its configuration, from its next start on or, some of them, from ``reload``."""
        # Started by root it would become the user mosquitto, who may not read the tests' files.
        user = f"user {getpass.getuser()}"
        stored = f"persistence_location {self._folder}/"
        lines = [f"listener {self.port} 127.0.0.1", user, stored, *(settings or ["allow_anonymous true"])]
        self._file.write_text("\n".join(lines) + "\n")

    def reload(self) -> None:
        """Its files of passwords and of access rules are read again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def start(self) -> "Mosquitto":
        assert MOSQUITTO
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._file)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        raise AssertionError("Mosquitto does not start")

    def kill(self) -> None:
        """What it has not written is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    def freeze(self) -> None:
        """It answers nothing any more, but its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            # Politely: only so it saves its sessions where persistence is on.
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def new_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Makes Mosquittos, not started yet; each argument is a line of the configuration."""
    if not MOSQUITTO:
        pytest.skip(NO_MOSQUITTO)
    made: list[Mosquitto] = []

    def new(*settings: str) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(made)}"
        folder.mkdir(mode=0o755)
        made.append(Mosquitto(folder, *settings))
        return made[-1]

    yield new
    for broker in made:
        broker.stop()


@pytest.fixture
def mosquitto(new_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running Mosquitto that lets everybody in."""
    return new_mosquitto().start()


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    """A client of ``mosquitto`` that has subscribed to everything."""
    client = Subscriber(mosquitto.port)
    yield client
    client.close()


@pytest.fixture
def stream() -> Iterator[tuple[str, type[MotionJpeg]]]:
    """The URL of a motion-JPEG stream, and the class that answers."""
    with motion_jpeg_server() as served:
        yield served


@pytest.fixture
def new_publisher(tmp_path: Path) -> Iterator[NewPublisher]:
    """Starts publishers on the test's own outbox; they are stopped at the test's end."""
    made: list[Publisher] = []

    def new(*servers: str, listen_to: str | None = None, **settings: Any) -> Publisher:
        store = Store(tmp_path / "outbox.sqlite3", max_bytes=1_000_000)
        config = MqttConfig.model_validate({"servers": list(servers), **settings})
        topics = {} if listen_to is None else {LISTEN: listen_to}
        made.append(Publisher(config, device="pi", store=store, listen_to=topics))
        made[-1].start()
        return made[-1]

    yield new
    for publisher in made:
        publisher.stop()
