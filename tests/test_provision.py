"""What somebody leaves on the boot partition of a new device becomes its settings."""

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
import yaml
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from facemask_edge.commented_config import commented_config
from facemask_edge.config_file import load_config
from facemask_edge.errors import ConfigError, FacemaskError, InputError, OutputError
from facemask_edge.kept_file import replace_for_good
from facemask_edge.provision import BY_CERTIFICATE, provision
from tests.faults.forgetful_disk import ForgetfulDisk

DEVICE = "# of this door\ncameras: [{name: door, source: picamera}]\n"
NAMED = f"device: {{name: gate-7}}\n{DEVICE}"


class Card:
    """A boot partition with the folder on it, and the settings of the system beside it."""

    def __init__(self, at: Path) -> None:
        self.at = at
        self.folder = at / "boot" / "facemask-edge"
        self.folder.mkdir(parents=True)
        self.settings = at / "etc"
        self.settings.mkdir()

    def leave(self, name: str, content: str | bytes) -> None:
        file = self.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def leave_certificate(self, name: str, authority: trustme.CA, until: datetime | None = None) -> None:
        issued = authority.issue_cert(name, common_name=name, not_after=until)
        self.leave("mqtt_ca.pem", authority.cert_pem.bytes())
        self.leave("mqtt_cert.pem", issued.cert_chain_pems[0].bytes())
        self.leave("mqtt_key.pem", issued.private_key_pem.bytes())

    def put(self) -> None:
        provision(self.folder, self.settings, {})

    def refused(self) -> FacemaskError:
        """Why; nothing was changed."""
        before = self.state(), files(self.folder)
        with pytest.raises(FacemaskError) as caught:
            self.put()
        said = (self.folder / "ERROR.txt").read_bytes()
        assert said == f"{caught.value}\r\n".encode()
        (self.folder / "ERROR.txt").unlink()
        assert (self.state(), files(self.folder)) == before
        assert "\n" not in str(caught.value)
        return caught.value

    def state(self) -> dict[str, bytes]:
        return files(self.settings)


def files(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_a_device_gets_its_file_its_layers_and_its_passwords(card: Card) -> None:
    card.leave("device.yaml", NAMED)
    card.leave("config.d/20-site.yaml", "mqtt: {prefix: hall}\n")
    card.leave("mqtt_username", "gate-7\n")
    card.leave("mqtt_password", "geheim\n")
    card.leave("http_password", "long enough\n")
    card.put()
    assert not card.folder.exists()
    assert card.state() == {
        "config.yaml": NAMED.encode(),
        "config.d/20-site.yaml": b"mqtt: {prefix: hall}\n",
        "mqtt_username": b"gate-7\n",
        "mqtt_password": b"geheim\n",
        "http_password": b"long enough\n",
    }


@pytest.mark.parametrize("umask", [0, 0o077])
def test_only_its_group_can_read_what_is_put_there(umask: int, card: Card) -> None:
    if os.geteuid() == 0:
        os.chown(card.settings, -1, 12345)
    card.leave("device.yaml", NAMED)
    card.leave("config.d/20-site.yaml", "mqtt: {prefix: hall}\n")
    card.leave("mqtt_username", "gate-7")
    old = os.umask(umask)
    try:
        card.put()
    finally:
        os.umask(old)
    group = card.settings.stat().st_gid
    for each in card.settings.rglob("*"):
        mode = 0o750 if each.is_dir() else 0o640
        assert (stat.S_IMODE(each.stat().st_mode), each.stat().st_gid) == (mode, group), each


def test_a_certificate_gives_the_device_its_name_and_is_used(card: Card, authority: trustme.CA) -> None:
    card.leave("device.yaml", DEVICE)
    card.leave_certificate("gate-7", authority)
    card.put()
    config = load_config(card.settings / "config.yaml", [], {})
    assert config.device.name == "gate-7"
    assert (config.mqtt.ca, config.mqtt.cert, config.mqtt.key) == tuple(
        card.settings / f"mqtt_{name}.pem" for name in ("ca", "cert", "key")
    )
    assert (card.settings / "config.yaml").read_text() == DEVICE, "it is the technician's own, comments and all"


def test_with_a_certificate_alone_the_rest_is_as_the_fleet_has_it(card: Card, authority: trustme.CA) -> None:
    (card.settings / "config.d").mkdir()
    (card.settings / "config.d" / "10-fleet.yaml").write_text(DEVICE)
    card.leave_certificate("gate-7", authority)
    card.put()
    assert (card.settings / "config.yaml").read_text() == commented_config()
    config = load_config(card.settings / "config.yaml", [], {})
    assert (config.device.name, config.cameras[0].name) == ("gate-7", "door")


@pytest.mark.parametrize("name", ["gate-7", "gate-9"])
def test_a_new_certificate_replaces_the_one_before(name: str, card: Card, authority: trustme.CA) -> None:
    card.leave("device.yaml", DEVICE)
    card.leave_certificate("gate-7", authority)
    card.put()
    before = card.state()
    card.leave_certificate(name, authority)
    card.put()
    assert load_config(card.settings / "config.yaml", [], {}).device.name == name
    changed = {file for file, content in card.state().items() if content != before[file]}
    assert changed == {"mqtt_cert.pem", "mqtt_key.pem", *([BY_CERTIFICATE] if name == "gate-9" else [])}


@pytest.mark.parametrize("where", ["device.yaml", "config.d/20-site.yaml", "before"])
def test_another_name_than_the_certificate_has_is_refused(where: str, card: Card, authority: trustme.CA) -> None:
    if where == "before":
        (card.settings / "config.yaml").write_text("device: {name: gate-8}\n")
    else:
        card.leave(where, "device: {name: gate-8}\n")
    card.leave_certificate("gate-7", authority)
    refused = card.refused()
    assert isinstance(refused, ConfigError)
    assert "device.name is gate-8, but the certificate is for gate-7" in str(refused)


def test_where_the_certificate_is_does_not_depend_on_where_it_was_called(
    card: Card, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(card.at)
    card.leave_certificate("gate-7", authority)
    provision(Path("boot/facemask-edge"), Path("etc"), {})
    assert load_config(card.settings / "config.yaml", [], {}).mqtt.cert == card.settings / "mqtt_cert.pem"


def test_a_name_that_is_taken_back_is_no_name(card: Card, authority: trustme.CA) -> None:
    card.leave("device.yaml", "device: {name: null}\n")
    card.leave_certificate("gate-7", authority)
    assert "device.name is None, but the certificate is for gate-7" in str(card.refused())


def test_a_certificate_for_what_is_no_name_is_refused(card: Card, authority: trustme.CA) -> None:
    issued = authority.issue_cert("gate-7", common_name="gate/7")
    card.leave("mqtt_cert.pem", issued.cert_chain_pems[0].bytes())
    card.leave("mqtt_key.pem", issued.private_key_pem.bytes())
    assert "mqtt_cert.pem: its common name 'gate/7' cannot be a device's" in str(card.refused())


def test_a_certificate_without_any_name_is_refused(card: Card, authority: trustme.CA) -> None:
    issued = authority.issue_cert("gate-7")
    card.leave("mqtt_cert.pem", issued.cert_chain_pems[0].bytes())
    card.leave("mqtt_key.pem", issued.private_key_pem.bytes())
    assert "its common name '' cannot be a device's" in str(card.refused())


def test_one_that_has_expired_is_warned_of(card: Card, authority: trustme.CA, caplog: pytest.LogCaptureFixture) -> None:
    # A Pi's clock may be wrong at its first boot, in either direction.
    card.leave_certificate("gate-7", authority, datetime.now(UTC) - timedelta(days=2))
    card.put()
    assert "the certificate has expired on" in caplog.text
    assert not card.folder.exists()


def test_a_key_that_belongs_to_another_certificate_is_refused(card: Card, authority: trustme.CA) -> None:
    card.leave_certificate("gate-7", authority)
    card.leave("mqtt_key.pem", authority.issue_cert("gate-7").private_key_pem.bytes())
    said = str(card.refused())
    assert "mqtt.cert mqtt_cert.pem with mqtt.key mqtt_key.pem: no PEM certificate and key that belong together" in said


def test_a_key_with_a_password_is_refused(card: Card, authority: trustme.CA) -> None:
    card.leave_certificate("gate-7", authority)
    key = load_pem_private_key((card.folder / "mqtt_key.pem").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim"))
    card.leave("mqtt_key.pem", locked)
    assert "the key is encrypted" in str(card.refused())


@pytest.mark.parametrize("name", ["mqtt_cert.pem", "mqtt_key.pem"])
def test_a_certificate_needs_its_key_and_a_key_its_certificate(name: str, card: Card, authority: trustme.CA) -> None:
    card.leave_certificate("gate-7", authority)
    (card.folder / name).unlink()
    assert "mqtt_cert.pem and mqtt_key.pem belong together" in str(card.refused())


@pytest.mark.parametrize("name", ["mqtt_ca.pem", "mqtt_cert.pem", "mqtt_key.pem"])
def test_what_is_no_certificate_is_refused(name: str, card: Card, authority: trustme.CA) -> None:
    card.leave_certificate("gate-7", authority)
    card.leave(name, "-----BEGIN CERTIFICATE-----\nnone\n")
    assert name in str(card.refused())


def test_files_that_the_configuration_names_elsewhere_are_left_to_it(card: Card, authority: trustme.CA) -> None:
    issued = authority.issue_cert("other")
    certificate, key = card.at / "other.pem", card.at / "other.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    text = f"device: {{name: gate-8}}\nmqtt: {{cert: {certificate}, key: {key}}}\n"
    card.leave("device.yaml", text)
    card.leave_certificate("gate-7", authority)
    card.put()
    assert load_config(card.settings / "config.yaml", [], {}).mqtt.cert == certificate


def test_a_file_among_the_settings_that_the_configuration_names_is_found(card: Card) -> None:
    card.leave("device.yaml", f"mqtt: {{username: pi, password_file: {card.settings}/mqtt_password}}\n")
    card.leave("mqtt_password", "geheim\n")
    card.put()
    assert (card.settings / "mqtt_password").read_text() == "geheim\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("device.yaml", "mqtt:\n  prefix: a\n  sever: []\n", "device.yaml:3: unknown key mqtt.sever"),
        ("device.yaml", "device:\n  name: gate/7\n", "device.yaml:2: device.name: "),
        ("device.yaml", "mqtt: [\n", "device.yaml:"),
        ("device.yaml", b"device: {name: \xff}\n", "device.yaml: this is no text"),
        ("device.yaml", b"", "device.yaml: it is empty"),
        ("mqtt_password", bytes(20), "mqtt_password: it is empty"),
        ("mqtt_password", "x" * 2_000_000, "larger than"),
        ("mqtt_password", "geheim\n", "there is a password but no user name"),
        ("http_password", "geheim\n", "fewer than 8 characters"),
        ("config.d/20-site.yaml", "\nmqtt: {prefix: a/b}\n", "config.d/20-site.yaml:2: mqtt.prefix"),
        ("config.d/20-site.yml", "mqtt: {}\n", "config.d/20-site.yml: no file that a device is given"),
        ("mqtt_password.txt", "geheim\n", "did you mean mqtt_password?"),
        ("Device.yaml", NAMED, "did you mean device.yaml?"),
        ("notes", "geheim", "known are device.yaml, "),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_changed(name: str, content: str | bytes, says: str, card: Card) -> None:
    (card.settings / "config.yaml").write_text("compliance: {cooldown: 3}\n")
    (card.settings / "config.d").mkdir()
    card.leave(name, content)
    refused = card.refused()
    assert isinstance(refused, ConfigError)
    assert says in str(refused)
    assert "geheim" not in str(refused)


def test_what_is_wrong_in_the_settings_that_are_there_is_said_with_their_place(card: Card) -> None:
    (card.settings / "config.yaml").write_text("compliance: {cool: 3}\n")
    card.leave("mqtt_username", "pi\n")
    assert f"{card.settings}/config.yaml:1: unknown key compliance.cool" in str(card.refused())


def test_a_file_of_the_fleet_that_is_there_counts_too(card: Card) -> None:
    (card.settings / "config.d").mkdir()
    (card.settings / "config.d" / "10-fleet.yaml").write_text("mqtt: {cert: /nope/cert.pem}\n")
    card.leave("device.yaml", NAMED)
    assert "cert and key belong together" in str(card.refused())


def test_a_folder_instead_of_a_file_cannot_be_read(card: Card) -> None:
    (card.folder / "mqtt_password").mkdir()
    assert isinstance(card.refused(), InputError)


def test_where_nothing_was_left_there_is_nothing_to_read(card: Card) -> None:
    with pytest.raises(InputError, match="No such file or directory; name the folder"):
        provision(card.at / "nothing", card.settings)
    (card.at / "file").touch()
    with pytest.raises(InputError, match="Not a directory"):
        provision(card.at / "file", card.settings)


def test_settings_that_cannot_be_written_are_said(card: Card) -> None:
    card.leave("device.yaml", NAMED)
    card.settings.rmdir()
    card.settings.touch()
    with pytest.raises(OutputError, match="run this as root"):
        card.put()
    assert set(files(card.folder)) == {"device.yaml", "ERROR.txt"}


def test_where_there_is_no_room_to_try_the_settings_is_said(card: Card) -> None:
    card.leave("device.yaml", f"{NAMED}# {'x' * 100_000}\n")
    program = f"from facemask_edge.provision import provision; provision({card.folder!r}, {card.settings!r})"
    limited = f"""
import resource
from pathlib import PosixPath
from facemask_edge.errors import OutputError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    {program}
except OutputError as error:
    print(error)
"""
    ended = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=False)
    assert "File too large; the settings are tried there, make room" in ended.stdout
    assert set(files(card.folder)) == {"device.yaml", "ERROR.txt"}
    assert card.state() == {}


def test_what_windows_makes_of_a_text_does_no_harm(card: Card, authority: trustme.CA) -> None:
    card.leave_certificate("gate-7", authority)
    for name, content in files(card.folder).items():
        card.leave(name, b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n"))
    card.leave("device.yaml", b"\xef\xbb\xbf" + DEVICE.replace("\n", "\r\n").encode())
    # As PowerShell's > writes it.
    card.leave("mqtt_username", "gate-7\r\n".encode("utf-16"))
    card.leave("mqtt_password", b"\xef\xbb\xbfgehe im\r\n")
    card.leave("config.d/20-site.yaml", "mqtt:\r\n  prefix: hall\r\n".encode("utf-16"))
    card.leave("desktop.ini", "[.ShellClassInfo]")
    card.leave("._device.yaml", b"\0\5\x16\7")
    card.put()
    assert not card.folder.exists()
    put = card.state()
    assert put["config.yaml"] == DEVICE.encode()
    assert (put["mqtt_username"], put["mqtt_password"]) == (b"gate-7\n", b"gehe im\n")
    assert put["config.d/20-site.yaml"] == b"mqtt:\n  prefix: hall\n"
    assert not [name for name, content in put.items() if b"\r" in content or content.startswith(b"\xef")]


def test_an_error_that_was_mended_is_forgotten(card: Card) -> None:
    card.leave("device.yaml", "mqtt2: {}\n")
    with pytest.raises(ConfigError):
        card.put()
    assert "did you mean mqtt?" in (card.folder / "ERROR.txt").read_text()
    card.leave("device.yaml", NAMED)
    card.put()
    assert not card.folder.exists()


def test_an_empty_folder_is_deleted_and_changes_nothing(card: Card) -> None:
    card.put()
    assert not card.folder.exists()
    assert card.state() == {}


STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chown", "os.chmod", "open"}
"""What changes a disk, as Python's audit events call it."""


def cut_at(step: int, card: Card) -> None:
    """Provision, and end like a power cut before a step."""
    done = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal done
        is_reading = event == "open" and not (
            isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if event in STEPS and not is_reading:
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    card.put()


def test_a_power_cut_at_any_step_leaves_what_the_next_boot_completes(tmp_path: Path, authority: trustme.CA) -> None:
    issued = Card(tmp_path / "issued")
    issued.leave("device.yaml", DEVICE)
    issued.leave("config.d/20-site.yaml", "mqtt: {prefix: hall}\n")
    issued.leave("mqtt_username", "gate-7\n")
    issued.leave_certificate("gate-7", authority)
    left = files(issued.folder)
    old = {"config.yaml": b"device: {name: gate-1}\n", "mqtt_username": b"gate-1\n"}
    issued.put()
    new = issued.state()
    step, was_cut, ends = 0, True, set()
    while was_cut:
        step += 1
        card = Card(tmp_path / f"{step}")
        for name, content in left.items():
            card.leave(name, content)
        for name, content in old.items():
            (card.settings / name).write_bytes(content)
        process = multiprocessing.get_context("fork").Process(target=cut_at, args=(step, card))
        process.start()
        process.join(30)
        was_cut = process.exitcode == -signal.SIGKILL
        assert was_cut or process.exitcode == 0
        expected = {name: content.replace(b"/issued/", f"/{step}/".encode()) for name, content in new.items()}
        whole = {name: content for name, content in card.state().items() if not name.endswith(".new")}
        for name, content in whole.items():
            assert content in {old.get(name), expected[name]}, (step, name)
        is_left = {name for name, content in files(card.folder).items() if left.get(name) == content}
        ends.add((whole == old, whole == expected, is_left == set(left), not card.folder.exists()))
        if whole != expected:
            assert is_left == set(left), "nothing is deleted before all is in place"
        if card.folder.exists():
            card.put()
        assert not card.folder.exists()
        assert {name: content for name, content in card.state().items() if not name.endswith(".new")} == expected
    assert step > 20
    assert len(ends) >= 5, "before, in the middle of putting, after it, in the middle of deleting, and at the end"


def test_what_is_deleted_is_on_the_disk_for_certain(tmp_path: Path) -> None:
    old, left = {"config.yaml": b"device: {name: gate-1}\n"}, {"device.yaml": NAMED, "mqtt_username": "gate-7\n" * 500}
    new = {"config.yaml": NAMED.encode(), "mqtt_username": left["mqtt_username"].encode()}
    cuts = 0
    # Some after the last change, too: what of it is on the disk is chance.
    for change in range(1, 18):
        card = Card(tmp_path / f"{change}")
        with closing(ForgetfulDisk(card.at / "forgetful", seed=change)) as disk:
            card.settings = disk.path
            for name, content in old.items():
                replace_for_good(disk.path / name, content)
            for name, text in left.items():
                card.leave(name, text)
            disk.cut_power(change, victim=0)
            with suppress(OutputError):
                card.put()
            cuts += not disk.has_power
            disk.power_on()
            is_gone = not card.folder.exists()
            for name, content in card.state().items():
                whole = {new.get(name)} if is_gone else {new.get(name), old.get(name)}
                assert name.endswith(".new") or content in whole, (change, name)
            if not is_gone:
                card.put()
            assert {name: content for name, content in card.state().items() if not name.endswith(".new")} == new
    assert 8 < cuts < 17


def test_as_a_command_it_ends_with_the_documented_codes(card: Card) -> None:
    command = [sys.executable, "-m", "facemask_edge", "provision", str(card.folder), "--settings", str(card.settings)]
    card.leave("device.yaml", "mqtt2: {}\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "device.yaml:1: unknown key mqtt2" in done.stderr
    card.leave("device.yaml", NAMED)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"{card.settings}: put in place from {card.folder}, which is deleted: config.yaml" in done.stderr
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 66
    assert yaml.safe_load((card.settings / "config.yaml").read_text())["device"] == {"name": "gate-7"}
