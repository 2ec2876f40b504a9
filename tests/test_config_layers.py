"""What a fleet, a site and a device have in files of their own."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from facemask_edge.areas import AREAS, Areas, DrawnAreas
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
    file.write_text("mqtt:\ncompliance:\n  cooldown:\ncameras:\n  - # name: door\n    exposure:\n      # mode: short\n")
    config = load_config(file)
    assert (config.mqtt.prefix, config.compliance.cooldown) == ("terminal-1", 3)
    assert [camera.name for camera in config.cameras] == ["a", "b"]


def test_null_takes_a_value_back(file: Path) -> None:
    (file.with_suffix(".d") / "30-nothing.yaml").write_text("device: {name: fleet}\n")
    file.write_text("device: {name: null}\ncameras: [{name: a, zones: []}]\n")
    config = load_config(file)
    assert config.device.name is None
    assert config.cameras[0].zones == []


def test_the_environment_wins_over_the_files_and_an_option_over_it(file: Path) -> None:
    environment = {
        "FACEMASK_EDGE__MQTT__PREFIX": "hall",
        "FACEMASK_EDGE__MQTT": "{servers: [mqtt://three], prefix: lost}",
        "FACEMASK_EDGE__COMPLIANCE__COOLDOWN": "4",
        "FACEMASK_EDGE__COMPLIANCE__THRESHOLD": "0.6",
        "FACEMASK_MQTT_PASSWORD": "is no key",
    }
    config = load_config(file, ["compliance.threshold=0.7", "compliance.threshold=0.8"], environment)
    assert (config.mqtt.prefix, config.mqtt.servers) == ("hall", ["mqtt://three"])
    assert (config.compliance.cooldown, config.compliance.threshold) == (4, 0.8)
    shown = shown_with_origins(file, ["compliance.threshold=0.8"], environment).splitlines()
    assert 'mqtt.prefix: "hall"  # FACEMASK_EDGE__MQTT__PREFIX' in shown
    assert 'mqtt.servers: ["mqtt://three"]  # FACEMASK_EDGE__MQTT' in shown
    assert "compliance.threshold: 0.8  # --set" in shown


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("COMPLIANCE__TRESHOLD", "0.6", ["unknown key compliance.treshold; did you mean threshold?"]),
        ("COMPLIANCE__THRESHOLD", "high", ["compliance.threshold", "'high'"]),
        ("MQTT__SERVERS", "['mqtt://me:geheim@broker'", ["not valid YAML"]),
        ("MQTT__SERVERS", "['mqtt://me:geheim@broker']", ["mqtt.servers"]),
        ("CAMERAS__NAME", "door", ["cameras has no keys"]),
        ("", "x", ["unknown key"]),
        ("MQTT____PREFIX", "x", ["unknown key mqtt."]),
        ("MQTT__FIRST__LEVEL", "x", ["unknown key mqtt.first"]),
    ],
)
def test_a_wrong_variable_is_named(name: str, text: str, words: list[str], file: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(file, [], {f"FACEMASK_EDGE__{name}": text})
    assert str(error.value).startswith(f"FACEMASK_EDGE__{name}: ")
    assert "geheim" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_of_two_options_the_one_that_counts_is_to_blame() -> None:
    with pytest.raises(ConfigError, match=r"^--set compliance\.threshold=high: "):
        load_config(None, ["compliance.threshold=0.6", "compliance.threshold=high"])


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
    assert lines["enabled"] == f"false  # {kept}"
    assert "snapshots" not in lines, "that switch is only where there are any"


def test_what_was_drawn_on_the_page_is_shown_with_its_file(file: Path, tmp_path: Path) -> None:
    mask, zone = [[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]], [[0.5, 0.0], [1.0, 0.0], [1.0, 1.0]]
    file.write_text(f"cameras: [{{name: door, privacy_masks: [{mask}], zones: [{mask}]}}, {{name: yard}}]\n")
    overrides = [f"outbox.path={tmp_path / 'outbox.sqlite3'}", "snapshots.enabled=true"]
    config = load_config(file, overrides)
    drawn = config.outbox.beside(AREAS)
    areas = DrawnAreas.model_validate({"zones": [zone], "privacy_masks": [zone]})
    Areas(config.cameras, drawn).draw("door", areas)
    write_kept(config.outbox.beside(OVERRIDES), {"snapshots": "OFF"})
    lines = dict(line.split(": ", 1) for line in shown_with_origins(file, overrides).splitlines())
    assert lines["cameras[door].zones"] == f"{[zone]}  # {drawn}"
    assert lines["cameras[door].ignore_zones"] == f"[]  # {drawn}"
    assert lines["cameras[door].privacy_masks"] == f"{[mask, zone]}  # {drawn}"
    assert not [key for key in lines if "yard" in key]
    assert lines["cameras"].endswith(f"# {file}:1")
    assert lines["snapshots"] == f"false  # {config.outbox.beside(OVERRIDES)}"


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
