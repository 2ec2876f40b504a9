from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.check.accelerator import edge_tpus
from facemask_edge.check.machine import check_outbox, check_places, check_temperature, cpu_temperature, is_running
from facemask_edge.config import Config
from facemask_edge.store import Store


def outbox_config(folder: Path, **more: object) -> Config:
    return Config.model_validate({"outbox": {"path": folder / "outbox.sqlite3", **more}})


@pytest.fixture
def thermal(tmp_path: Path) -> Path:
    """As /sys/class/thermal of a Pi 5, hot."""
    for number, (kind, value) in enumerate([("battery", "30000"), ("cpu-thermal", "81500")]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "type").write_text(f"{kind}\n")
        (zone / "temp").write_text(f"{value}\n")
    return tmp_path


def test_the_temperature_is_the_processors(thermal: Path) -> None:
    assert cpu_temperature(thermal) == 81.5
    assert cpu_temperature(thermal / "none") is None
    (thermal / "thermal_zone1" / "temp").write_text("not a number")
    assert cpu_temperature(thermal) is None


@pytest.mark.parametrize(
    ("bits", "state", "says"),
    [
        (0, "ok", "never slowed down"),
        (0x50005, "warning", "now: its voltage is too low, it is slowed down"),
        (0x80000, "warning", "there was a time when it is too hot"),
    ],
)
def test_what_the_firmware_says_is_explained(bits: int, state: str, says: str, thermal: Path) -> None:
    temperature, power = check_temperature(thermal, bits)
    assert temperature.state == "warning"
    assert (power.state, power.subject) == (state, "power")
    assert says in power.says


def test_what_the_service_does_not_see_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.model_validate(
        {
            "cameras": [
                {"source": "/home/pi/door.mp4"},
                {"name": "b", "source": "0"},
                {"name": "c", "source": "a.mp4"},
            ],
            "mqtt": {"ca": "/etc/facemask-edge/ca.pem"},
        }
    )
    assert list(check_places(config)) == []
    monkeypatch.setattr("facemask_edge.check.machine.UNIT", tmp_path)
    assert [finding.says for finding in check_places(config)] == ["the service does not see /home/pi/door.mp4"]


def test_a_running_daemon_is_seen_by_its_lock(tmp_path: Path) -> None:
    config = outbox_config(tmp_path)
    assert not is_running(config)
    with closing(Store(config.outbox.path, max_bytes=1_000_000)):
        assert is_running(config)
        # Looking does not keep another one from starting.
    assert not is_running(config)
    with closing(Store(config.outbox.path, max_bytes=1_000_000)):
        assert is_running(config)


def test_a_disk_with_too_little_room_is_a_problem(tmp_path: Path) -> None:
    states = [next(iter(check_outbox(outbox_config(tmp_path, min_free_bytes=least)))).state for least in (0, 10**15)]
    assert states == ["ok", "problem"]


def test_edge_tpus_are_counted_before_and_after_their_first_use(tmp_path: Path) -> None:
    devices = tmp_path / "dev"
    devices.mkdir()
    identities = {"1-1": ("1a6e", "089a"), "1-2": ("18d1", "9302"), "1-3": ("046d", "082d")}
    for name, (vendor, product) in identities.items():
        device = tmp_path / "usb" / name
        device.mkdir(parents=True)
        (device / "idVendor").write_text(f"{vendor}\n")
        (device / "idProduct").write_text(f"{product}\n")
    (tmp_path / "usb" / "1-0:1.0").mkdir()
    assert edge_tpus(tmp_path / "usb", devices) == 2
    (devices / "apex_0").touch()
    assert edge_tpus(tmp_path / "usb", devices) == 3
