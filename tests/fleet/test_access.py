"""The access rules of docs/fleet, at a real Mosquitto that knows each by its certificate."""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from facemask_edge.config import MqttConfig
from facemask_edge.delivery import BrokerState
from facemask_edge.mqtt import Publisher
from facemask_edge.store import Store
from tests.certificates import authority
from tests.conftest import Mosquitto, free_port
from tests.fleet.example_broker import example_broker
from tests.subscriber import wait_until


class Site:
    """A broker as the example configures it, and certificates for who is to be let in."""

    def __init__(self, folder: Path, new_mosquitto: Callable[..., Mosquitto]) -> None:
        self.folder = folder
        self._authority = authority(folder / "fleet-ca.pem")
        self._write("broker", "localhost")
        self.port = free_port()
        new_mosquitto(*example_broker(folder, self.port)).start()

    def _write(self, file: str, name: str) -> None:
        issued = self._authority.issue_cert(name, common_name=name)
        issued.cert_chain_pems[0].write_to_path(self.folder / f"{file}.pem")
        issued.private_key_pem.write_to_path(self.folder / f"{file}.key")

    def files(self, name: str) -> dict[str, Path]:
        """Of the certificate of somebody with that name."""
        self._write(name, name)
        return {
            "ca": self.folder / "fleet-ca.pem",
            "cert": self.folder / f"{name}.pem",
            "key": self.folder / f"{name}.key",
        }

    @contextmanager
    def client(self, name: str) -> Iterator[paho.Client]:
        """Who is let in by that name, with MQTT 5, so that what is forbidden is said."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        files = self.files(name)
        client.tls_set(str(files["ca"]), str(files["cert"]), str(files["key"]), cert_reqs=ssl.CERT_REQUIRED)
        client.connect("localhost", self.port)
        client.loop_start()
        assert wait_until(client.is_connected)
        yield client
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def site(tmp_path: Path, new_mosquitto: Callable[..., Mosquitto]) -> Site:
    return Site(tmp_path, new_mosquitto)


def said(client: paho.Client, topic: str) -> bool:
    """Whether somebody may publish there."""
    refused: list[bool] = []
    client.on_publish = lambda _client, _data, _mid, reason, _properties: refused.append(reason.is_failure)
    client.publish(topic, "{}", qos=1)
    assert wait_until(lambda: bool(refused))
    return not refused[0]


@contextmanager
def device(site: Site, name: str, *, calls_itself: str) -> Iterator[Publisher]:
    """A real one, with a certificate for ``name``, and one event."""
    config = MqttConfig.model_validate({"servers": [f"mqtts://localhost:{site.port}"], **site.files(name)})
    store = Store(site.folder / f"{calls_itself}.sqlite3", max_bytes=1_000_000)
    publisher = Publisher(config, device=calls_itself, store=store)
    publisher.start()
    publisher.submit(f"facemask/{calls_itself}/door/violation", {"number": 1})
    yield publisher
    publisher.stop()


def test_a_device_reports_for_itself_and_for_nobody_else(site: Site) -> None:
    got: list[str] = []
    with site.client("keeper") as keeper:
        keeper.on_message = lambda _client, _data, message: got.append(message.topic)
        keeper.subscribe([("facemask/+/+/violation", 1), ("facemask/+/status", 1)])
        time.sleep(0.5)
        with device(site, "gate-1", calls_itself="gate-1") as own:
            assert own.drain(15)
            assert wait_until(lambda: "facemask/gate-1/door/violation" in got)
        with device(site, "gate-1", calls_itself="gate-2") as impostor:
            assert wait_until(lambda: impostor.delivery.state == BrokerState.HELD, 30)
            assert impostor.delivery.store.waiting == 1, "it keeps what nobody took"
        assert not [topic for topic in got if "gate-2" in topic]


@pytest.mark.parametrize(
    ("name", "may", "may_not"),
    [
        (
            "gate-1",
            ["facemask/gate-1/health", "hall/gate-1/door/people", "homeassistant/device/facemask__gate-1/config"],
            ["facemask/gate-2/health", "facemask/gate-1/threshold/set", "homeassistant/device/facemask__gate-2/config"],
        ),
        ("keeper", [], ["facemask/gate-1/door/violation", "facemask/gate-1/enabled/set"]),
        ("operator", ["facemask/gate-1/enabled/set"], ["facemask/gate-1/door/violation", "facemask/gate-1/status"]),
    ],
)
def test_who_may_say_what(name: str, may: list[str], may_not: list[str], site: Site) -> None:
    with site.client(name) as client:
        assert [topic for topic in [*may, *may_not] if said(client, topic)] == may


def test_a_device_hears_its_own_orders_only(site: Site) -> None:
    got: list[str] = []
    with site.client("gate-1") as own, site.client("operator") as operator:
        own.on_message = lambda _client, _data, message: got.append(message.topic)
        own.subscribe([("facemask/+/+/set", 1), ("facemask/gate-1/+/set", 1), ("#", 1)])
        time.sleep(0.5)
        for gate in ("gate-2", "gate-1"):
            assert said(operator, f"facemask/{gate}/enabled/set")
        assert wait_until(lambda: bool(got))
        time.sleep(0.5)
    assert set(got) == {"facemask/gate-1/enabled/set"}
