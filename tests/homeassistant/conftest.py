"""The real Home Assistant, which all tests here share: it takes minutes to make."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import MOSQUITTO, NO_MOSQUITTO, Mosquitto
from tests.homeassistant.debian import make_root, why_not
from tests.homeassistant.home_assistant import HomeAssistant, running
from tests.subscriber import wait_until
from tests.test_daemon import facemask_edge_run

REASON = why_not() or (None if MOSQUITTO else NO_MOSQUITTO)
MARKS = [
    pytest.mark.full,
    pytest.mark.skipif(REASON is not None, reason=f"{REASON}; on Debian as root: make test-homeassistant"),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HomeAssistant, Mosquitto]]:
    """A running Home Assistant and its broker."""
    root = make_root(tmp_path_factory.mktemp("debian"))
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto")).start()
    try:
        with running(root, tmp_path_factory.mktemp("home"), broker.port) as home:
            yield home, broker
    finally:
        broker.stop()


@pytest.fixture
def device() -> str:
    """The name of the device that a test has."""
    return "pi"


@pytest.fixture
def home(house: tuple[HomeAssistant, Mosquitto], device: str, tmp_path: Path) -> Iterator[HomeAssistant]:
    """Home Assistant, which forgets the device in the end."""
    yield house[0]
    # It wonders about one that it does not know.
    if house[0].entities():
        retire(house[1], tmp_path, device)
    assert wait_until(lambda: house[0].entities() == set())


@pytest.fixture
def broker(house: tuple[HomeAssistant, Mosquitto]) -> Mosquitto:
    return house[1]


def retire(broker: Mosquitto, folder: Path, device: str = "pi") -> None:
    command = facemask_edge_run(broker, folder)
    told = [*command[:3], "retire", *command[4:], "--set", f"device.name={device}"]
    subprocess.run(told, check=True, timeout=60)
