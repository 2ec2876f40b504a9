"""What a fleet, a site and a device have in files of their own."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from facemask_edge.config_file import load_config
from facemask_edge.config_origins import shown_with_origins
from facemask_edge.errors import ConfigError
from facemask_edge.kept_file import write_kept
from facemask_edge.switches import OVERRIDES

FLEET = "mqtt:\n  servers: ['mqtts://one', 'mqtts://two']\n  prefix: fleet\ncompliance: {cooldown: 3}\n"
SITE = "mqtt: {prefix: terminal-1}\ncameras: [{name: a}, {name: b}]\n"
DEVICE = "# of this door\ndevice:\n  name: gate\ncameras:\n  - name: door\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "config.d"
    folder.mkdir()
    (folder / "20-site.yaml").write_text(SITE)
    (folder / "10-fleet.yaml").write_text(FLEET)
    (folder / "30-nothing.yaml").write_text("# yet\n")
    (folder / "README").write_text("no configuration")
    (folder / ".20-site.yaml").write_text("of an: editor\n")
    file = tmp_path / "config.yaml"
    file.write_text(DEVICE)
    return file


def test_the_nearer_the_device_the_more_it_counts(file: Path) -> None:
    config = load_config(file, ["compliance.threshold=0.7"])
    assert config.device.name == "gate"
    assert config.mqtt.servers == ["mqtts://one", "mqtts://two"]
    assert config.mqtt.prefix == "terminal-1"
    assert [camera.name for camera in config.cameras] == ["door"], "a list is replaced whole"
    assert (config.compliance.cooldown, config.compliance.threshold) == (3, 0.7)


def test_without_a_folder_there_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(DEVICE)
    (tmp_path / "other.d").mkdir()
    (tmp_path / "other.d" / "10.yaml").write_text("device: {name: other}")
    assert load_config(tmp_path / "config.yaml").device.name == "gate"


def test_a_folder_that_may_not_be_read_is_not_passed_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # Who runs the tests may be root, who may read everything.
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match=r"config\.d: Permission denied"):
        load_config(file)


def test_a_section_of_comments_takes_nothing_back(file: Path) -> None:
    (file.with_suffix(".d") / "30-nothing.yaml").write_text("mqtt:\n  # prefix: other\n")
    assert load_config(file).mqtt.servers == ["mqtts://one", "mqtts://two"]
    file.write_text("mqtt:\n")
    assert load_config(file).mqtt.prefix == "terminal-1"


def test_a_file_that_would_be_passed_over_is_said(file: Path) -> None:
    (file.with_suffix(".d") / "40-more.yml").write_text("")
    with pytest.raises(ConfigError, match=r"name it 40-more\.yaml"):
        load_config(file)


@pytest.mark.parametrize("path", [".", "/"])
def test_a_folder_is_no_configuration(path: str) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load_config(Path(path))


def test_what_was_sent_before_nothing_could_be_sent_does_not_hold(tmp_path: Path) -> None:
    overrides = [f"outbox.path={tmp_path / 'outbox.sqlite3'}", "mqtt.orders=false"]
    write_kept(load_config(None, overrides).outbox.beside(OVERRIDES), {"threshold": "0.9"})
    assert "compliance.threshold: 0.5  # default" in shown_with_origins(None, overrides)


def test_of_each_value_is_said_where_it_comes_from(file: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    kept = load_config(None, [f"outbox.path={outbox}"]).outbox.beside(OVERRIDES)
    write_kept(kept, {"threshold": "0.9", "enabled": "OFF"})
    shown = shown_with_origins(file, ["compliance.recheck_interval=2", f"outbox.path={outbox}", "http={port: 81}"])
    lines = dict(line.split(": ", 1) for line in shown.splitlines())
    folder = tmp_path / "config.d"
    assert lines["device.name"] == f'"gate"  # {file}:3'
    assert lines["mqtt.servers"] == f'["mqtts://one", "mqtts://two"]  # {folder}/10-fleet.yaml:2'
    assert lines["mqtt.prefix"] == f'"terminal-1"  # {folder}/20-site.yaml:1'
    assert lines["compliance.cooldown"] == f"3.0  # {folder}/10-fleet.yaml:4"
    assert lines["compliance.recheck_interval"] == "2.0  # --set"
    assert lines["compliance.threshold"] == f"0.9  # {kept}"
    assert lines["compliance.leave_after"] == "1.5  # default"
    assert lines["http.port"] == "81  # --set"
    assert lines["cameras"].endswith(f"# {file}:4")
    assert "password" not in lines["cameras"]


def test_no_password_is_shown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("cameras: [{source: 'rtsp://me:geheim@camera/'}]\n")
    shown = shown_with_origins(tmp_path / "config.yaml")
    assert "rtsp://" in shown
    assert "geheim" not in shown


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("10-fleet.yaml", "mqtt:\n  prefix: fleet\n  sever: []\n", "10-fleet.yaml:3: unknown key mqtt.sever"),
        ("20-site.yaml", "compliance:\n  threshold: high\n", "20-site.yaml:2: compliance.threshold"),
        ("20-site.yaml", "mqtt: [\n", "20-site.yaml:"),
    ],
)
def test_what_is_wrong_is_said_with_its_file(name: str, text: str, says: str, file: Path) -> None:
    (file.with_suffix(".d") / name).write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_config(file)


def test_what_two_files_make_wrong_together_is_said_of_the_nearer_one(file: Path) -> None:
    (file.with_suffix(".d") / "10-fleet.yaml").write_text("mqtt: {cert: /fleet.pem, key: /fleet.key}\n")
    file.write_text("mqtt:\n  key: null\n")
    with pytest.raises(ConfigError, match=r"config.yaml:1: mqtt: "):
        load_config(file)
