"""The configuration that an installation begins with."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from facemask_edge.commented_config import commented_config, packaged_config
from facemask_edge.config import Config
from facemask_edge.config_file import load_config
from facemask_edge.config_layers import merged, read_layers

KNOWN = {"cameras.source": 'rtsp://me:"x"@door/1', "mqtt.servers": ["mqtt://broker"], "device.name": "door"}
LINES = commented_config().splitlines()
KEYS = [number for number, line in enumerate(LINES) if line.lstrip().startswith("#") and line.lstrip()[1] != " "]


def flat(values: Any, above: str = "") -> dict[str, Any]:
    """Values by their dotted keys, of the first camera without a number."""
    if isinstance(values, list) and above == "cameras.":
        return flat(values[0], above)
    if not isinstance(values, dict):
        return {above.removesuffix("."): values}
    return {name: value for key, inner in values.items() for name, value in flat(inner, f"{above}{key}.").items()}


def said(folder: Path, text: str) -> dict[str, Any]:
    """What a file says by itself, without the defaults."""
    (folder / "config.yaml").write_text(text)
    return flat(merged(read_layers(folder / "config.yaml")))


def test_it_says_nothing_by_itself(tmp_path: Path) -> None:
    assert said(tmp_path, commented_config()) == {}
    assert load_config(tmp_path / "config.yaml") == Config()


def test_what_is_known_is_no_comment(tmp_path: Path) -> None:
    assert said(tmp_path, commented_config(KNOWN)) == KNOWN


def test_every_key_is_there_and_without_its_sign_it_is_set_where_it_belongs(tmp_path: Path) -> None:
    defaults = flat(yaml.safe_load(packaged_config()))
    set_one_by_one: dict[str, Any] = {}
    for number in KEYS:
        lines = [*LINES[:number], LINES[number].replace("#", "", 1), *LINES[number + 1 :]]
        one = said(tmp_path, "\n".join(lines))
        assert len(one) == 1, LINES[number]
        assert load_config(tmp_path / "config.yaml") == Config()
        set_one_by_one |= one
    assert set_one_by_one == defaults


def test_without_all_signs_it_is_the_packaged_one(tmp_path: Path) -> None:
    lines = [line.replace("#", "", 1) if number in KEYS else line for number, line in enumerate(LINES)]
    assert lines[2:] == packaged_config().splitlines()[2:]
    assert said(tmp_path, "\n".join(lines)) == flat(Config().model_dump(mode="json"))


@pytest.mark.parametrize("known", [{}, {"device.name": "door"}])
def test_what_a_fleet_says_holds(known: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "config.d").mkdir()
    fleet = "mqtt: {prefix: hall, servers: [mqtts://one]}\ncameras: [{name: gate, exposure: {mode: short}}]\n"
    (tmp_path / "config.d" / "10-fleet.yaml").write_text(fleet)
    (tmp_path / "config.yaml").write_text(commented_config(known))
    config = load_config(tmp_path / "config.yaml")
    assert (config.mqtt.prefix, config.mqtt.servers) == ("hall", ["mqtts://one"])
    assert [camera.name for camera in config.cameras] == ["gate"]
    assert config.device.name == known.get("device.name")
