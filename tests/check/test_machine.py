import subprocess
import tempfile
from pathlib import Path

import pytest

from facemask_edge.check.machine import check_outbox, check_secrets, check_temperature
from facemask_edge.config import Config
from facemask_edge.temperature import cpu_temperature
from tests.faults.small_disk import small_disk


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


def test_a_disk_with_too_little_room_is_a_problem(tmp_path: Path) -> None:
    states = [next(iter(check_outbox(outbox_config(tmp_path, min_free_bytes=least)))).state for least in (0, 10**15)]
    assert states == ["ok", "problem"]


def test_a_card_that_became_read_only_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        found = list(check_outbox(outbox_config(disk, min_free_bytes=0)))[-1]
    assert (found.subject, found.state) == ("outbox", "problem")
    assert found.says == f"the file system of {disk} is read-only"


def test_a_password_is_open_to_all_where_no_folder_keeps_them_out() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "password")
        file.touch()
        config = Config.model_validate({"mqtt": {"password_file": file, "cert": file, "key": file}})
        states = []
        for folder_mode, mode in ((0o755, 0o644), (0o755, 0o640), (0o2750, 0o644)):
            Path(folder).chmod(folder_mode)
            file.chmod(mode)
            states += [finding.state for finding in check_secrets(config, None)]
    assert states == ["warning", "warning", "ok", "ok", "ok", "ok"], "of the password and the private key"
