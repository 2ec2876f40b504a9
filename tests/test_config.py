import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from facemask_edge.config import CameraConfig, Config, Section, is_name
from facemask_edge.config_file import load_config
from facemask_edge.errors import ConfigError
from tests.conftest import ROOT


def test_config_yaml_holds_every_key_with_its_default() -> None:
    assert load_config(ROOT / "config.yaml") == Config()
    assert yaml.safe_load((ROOT / "config.yaml").read_text()) == Config().model_dump(mode="json")


def test_every_key_has_a_description_which_config_yaml_repeats() -> None:
    text = " ".join((ROOT / "config.yaml").read_text().replace("#", " ").split())
    sections: list[type[Section]] = [Config]
    while sections:
        for name, field in sections.pop().model_fields.items():
            inner: Any = field.annotation
            arguments = [inner, *getattr(inner, "__args__", ())]
            nested = [each for each in arguments if isinstance(each, type) and issubclass(each, Section)]
            sections += nested
            if not nested:
                assert field.description, name
                assert field.description in text, name


def test_a_file_and_overrides_are_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cameras:\n  - name: door\n    source: 1\ncompliance:\n  cooldown: 3\n")
    config = load_config(file, ["compliance.cooldown=5", "mqtt.servers=['mqtt://a:1', 'mqtt://b']"])
    assert config.cameras[0].source == "1"
    assert config.compliance.cooldown == 5
    assert config.mqtt.servers == ["mqtt://a:1", "mqtt://b"]


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("# nothing yet\n")
    assert load_config(tmp_path / "config.yaml") == Config()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("detector:\n  min_scor: 0.5\n", 2, ["detector.min_scor", "did you mean min_score"]),
        ("device:\n  name: a\ndetectors: {}\n", 3, ["detectors", "did you mean detector"]),
        ("cameras:\n  - name: a\n    sauce: 0\n", 3, ["cameras.0.sauce", "did you mean source"]),
        ("compliance:\n  threshold: high\n", 2, ["compliance.threshold", "valid number", "'high'"]),
        ("compliance:\n\n  threshold: 1.5\n", 3, ["compliance.threshold", "less than or equal to 0.99"]),
        ("mqtt:\n  servers: [tcp://broker]\n", 2, ["mqtt.servers", "mqtt://host:port"]),
        ("cameras:\n- name: a\n- name: a\n", 1, ["name of its own"]),
        ("cameras: []\n", 1, ["cameras", "at least 1"]),
        ("device:\n  name: a/b\n", 2, ["device.name"]),
        ("cameras:\n- zones: [[[0, 0], [1, 1]]]\n", 2, ["zones", "at least 3"]),
        ("device: {name: a}\nmqtt: {}\ndevice: {name: b}\n", 3, ["device", "twice"]),
        ("device: {name: [}\n", 1, ["not valid YAML"]),
        ("device: !!python/object:os.system {}\n", 1, ["constructor"]),
        ("just text\n", 1, ["sections"]),
    ],
)
def test_a_wrong_file_is_explained_with_its_line(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(file)
    assert f"wrong.yaml:{line}:" in str(error.value)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("compliance.cooldown", ["section.key=value"]),
        ("compliance.cool=1", ["--set compliance.cool=1", "unknown key", "cooldown"]),
        ("detector.min_score=[", ["not valid YAML"]),
        ("outbox=3", ["--set outbox=3", "outbox"]),
        ("cameras.name=door", ["cameras", "write the whole"]),
    ],
)
def test_a_wrong_override_is_explained(override: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(ROOT / "config.yaml", [override])
    for word in words:
        assert word in str(error.value)


def test_a_missing_or_huge_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "missing.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 2_000_000)
    with pytest.raises(ConfigError, match="larger than"):
        load_config(tmp_path / "huge.yaml")


def test_the_device_is_named_after_the_host_unless_it_has_a_name() -> None:
    assert load_config(None, ["device.name=entrance-pi"]).device_name == "entrance-pi"
    assert load_config(None).device_name


def test_a_host_name_that_cannot_be_part_of_a_topic_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "bad+host/#")
    with pytest.raises(ConfigError, match=r"set device\.name"):
        _ = load_config(None).device_name


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, ["mqtt.servers=['mqtt://pi:geheim@broker']"])
    assert "mqtt.password_file" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_width_needs_its_height() -> None:
    with pytest.raises(ConfigError, match="width and height belong together"):
        load_config(None, ["cameras=[{name: a, width: 640}]"])


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ConfigError, match="cert and key belong together"):
        load_config(None, ["mqtt.cert=cert.pem"])


def test_it_is_shown_without_passwords_and_can_be_read_again(tmp_path: Path) -> None:
    overrides = ["cameras=[{name: door, source: 'rtsp://u:secret@host/1?pwd=hidden'}]", "mqtt.password_file=/etc/p"]
    shown = load_config(None, overrides).shown()
    assert "secret" not in shown
    assert "hidden" not in shown
    (tmp_path / "config.yaml").write_text(shown)
    assert load_config(tmp_path / "config.yaml").mqtt.password_file == Path("/etc/p")
    (tmp_path / "config.yaml").write_text(Config().shown())
    assert load_config(tmp_path / "config.yaml") == Config()


def test_a_frame_must_last_as_long_as_it_is_exposed() -> None:
    camera = {"source": "picamera", "fps": 15, "exposure": {"time": 0.1}}
    with pytest.raises(ValidationError, match="longer than a frame lasts at 15 fps"):
        CameraConfig.model_validate(camera)
    CameraConfig.model_validate(camera | {"fps": 10})


@pytest.mark.parametrize("name", [".", "..", "", "a/b", "a" * 65])
def test_what_cannot_be_a_folder_or_a_level_of_a_topic_is_no_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ConfigError, match="cameras"):
        load_config(None, [f"cameras=[{{name: '{name}'}}]"])


@pytest.mark.parametrize("name", ["a", ".a", "yard.north", "-", "a" * 64])
def test_names_may_have_dots(name: str) -> None:
    assert is_name(name)
    assert load_config(None, [f"cameras=[{{name: '{name}'}}]"]).cameras[0].name == name
