"""The script by which an operator issues certificates, as its readers run it."""

import subprocess
from pathlib import Path

import pytest

from facemask_edge.config_file import load_config
from facemask_edge.device_identity import read_identity
from facemask_edge.provision import provision
from tests.make_dashboard import FLEET

SCRIPT = FLEET / "issue-certificate.sh"


def issue(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_what_it_makes_is_all_that_a_device_is_given(tmp_path: Path) -> None:
    for name in ("gate-7", "gate-8"):
        assert issue(tmp_path, name).returncode == 0
    made = {str(each.relative_to(tmp_path)) for each in tmp_path.rglob("*") if each.is_file()}
    files = ("mqtt_ca.pem", "mqtt_cert.pem", "mqtt_key.pem")
    devices = {f"{name}/facemask-edge/{file}" for name in ("gate-7", "gate-8") for file in files}
    assert made == {"fleet-ca.pem", "fleet-ca.key", *devices}
    assert {each.stat().st_mode & 0o077 for each in tmp_path.rglob("*")} == {0}
    settings = tmp_path / "etc"
    settings.mkdir()
    provision(tmp_path / "gate-8" / "facemask-edge", settings, {})
    assert load_config(settings / "config.yaml", [], {}).device.name == "gate-8"


def test_it_can_be_said_how_long_one_is_valid(tmp_path: Path) -> None:
    for days in (1, 400):
        issue(tmp_path, "gate-7", f"{days}")
        identity = read_identity(tmp_path / "gate-7" / "facemask-edge" / "mqtt_cert.pem")
        assert f"{days} days" in issue(tmp_path, "gate-7", f"{days}").stdout
        assert not identity.is_expired


@pytest.mark.parametrize("name", ["a/b", "", "a" * 65, "..", "ü"])
def test_a_name_that_no_device_can_have_is_refused(name: str, tmp_path: Path) -> None:
    done = issue(tmp_path, name)
    assert done.returncode != 0
    assert "name" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_every_certificate_is_the_authoritys_and_for_its_use_only(tmp_path: Path) -> None:
    issue(tmp_path, "gate-7")
    issue(tmp_path, "--broker", "localhost")
    device = tmp_path / "gate-7" / "facemask-edge" / "mqtt_cert.pem"
    for certificate, purpose, is_right in (
        (device, "sslclient", True),
        (device, "sslserver", False),
        (tmp_path / "broker.pem", "sslserver", True),
        (tmp_path / "broker.pem", "sslclient", False),
    ):
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", f"{tmp_path}/fleet-ca.pem"]
        done = subprocess.run([*command, f"{certificate}"], capture_output=True, check=False)
        assert (done.returncode == 0) is is_right, (certificate, purpose, done.stderr)
