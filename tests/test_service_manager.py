import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from facemask_edge.service_manager import ServiceManager


class Listening:
    """What systemd would hear."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        self.address = address

    def heard(self) -> list[str]:
        told = []
        try:
            while True:
                told.append(self._socket.recv(1000).decode())
        except BlockingIOError:
            return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    listening = Listening(str(tmp_path / "notify") if request.param == "file" else f"@facemask-edge-{os.getpid()}")
    yield listening
    listening.close()


def test_it_is_told_of_the_start_and_of_the_stop(systemd: Listening) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": systemd.address})
    manager.ready()
    manager.alive()
    manager.stopping()
    assert systemd.heard() == ["READY=1", "STOPPING=1"]


def test_signs_of_life_come_at_half_of_the_time(systemd: Listening) -> None:
    environment = {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "400000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager(environment)
    started = time.monotonic()
    while time.monotonic() < started + 1.1:
        manager.alive()
        time.sleep(0.01)
    assert systemd.heard() == ["WATCHDOG=1"] * 6


@pytest.mark.parametrize(
    "environment", [{"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}]
)
def test_a_watchdog_that_is_none_or_another_process_s_is_not_told(
    environment: dict[str, str], systemd: Listening
) -> None:
    ServiceManager({"NOTIFY_SOCKET": systemd.address, **environment}).alive()
    assert systemd.heard() == []


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens", "/" + "x" * 500])
def test_without_systemd_nothing_happens(address: str) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    manager.ready()
    manager.alive()
    manager.stopping()


def test_a_manager_that_does_not_read_stalls_nothing(systemd: Listening) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "1"})
    started = time.monotonic()
    for _ in range(2000):
        manager.alive()
    assert time.monotonic() - started < 5
