"""What is announced; ``tests/homeassistant`` shows it to a real Home Assistant."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from facemask_edge import homeassistant
from facemask_edge.config import Config
from facemask_edge.homeassistant import HomeAssistant, discovery_topic, escaped

TWO = [{"name": "door"}, {"name": "yard.north"}]
ACTIONS = ["restart", "take_snapshot"]


def home_assistant(folder: Path, **sections: Any) -> HomeAssistant:
    config = Config.model_validate(sections)
    return HomeAssistant(config, device="pi", file=folder / "homeassistant.json", actions=ACTIONS)


def announced(folder: Path, **sections: Any) -> dict[str, Any]:
    announcement: dict[str, Any] = json.loads(home_assistant(folder, **sections).announcement)
    return announcement


def test_every_camera_has_its_components(tmp_path: Path) -> None:
    components = announced(tmp_path, cameras=TWO)["components"]
    of_each = {
        "violation": "event",
        "violation_now": "binary_sensor",
        "mask": "sensor",
        "no_mask": "sensor",
        "undetermined": "sensor",
        "state": "sensor",
        "fps": "sensor",
        "latency": "sensor",
    }
    for camera in ("door", "yard_2enorth"):
        assert {key: components[f"{camera}__{key}"]["platform"] for key in of_each} == of_each
    assert components["yard_2enorth__violation"]["state_topic"] == "facemask/pi/yard.north/violation"
    assert components["yard_2enorth__violation"]["name"] == "yard.north violation"


def test_each_component_is_one_of_its_own(tmp_path: Path) -> None:
    components = announced(tmp_path, cameras=TWO)["components"]
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", key) for key in components)
    assert all(component["qos"] == 1 for component in components.values())
    other = json.loads(
        HomeAssistant(Config(), device="pi2", file=tmp_path / "other.json", actions=["restart"]).announcement
    )
    assert not {each["unique_id"] for each in other["components"].values()} & {
        each["unique_id"] for each in components.values()
    }


def test_switches_have_the_bounds_in_which_they_are_taken(tmp_path: Path) -> None:
    components = announced(tmp_path)["components"]
    threshold = components["threshold"]
    assert (threshold["platform"], threshold["min"], threshold["max"], threshold["step"]) == (
        "number",
        0.01,
        0.99,
        0.01,
    )
    assert (threshold["command_topic"], threshold["state_topic"]) == (
        "facemask/pi/threshold/set",
        "facemask/pi/threshold/state",
    )
    assert components["enabled"]["platform"] == "switch"
    assert (components["restart"]["platform"], components["restart"]["device_class"]) == ("button", "restart")


def test_a_camera_may_be_called_as_half_of_an_action_is(tmp_path: Path) -> None:
    both = announced(tmp_path, cameras=[{"name": "take"}], snapshots={"enabled": True})["components"]
    assert {component["platform"] for key, component in both.items() if "snapshot" in key} == {
        "camera",
        "button",
        "switch",
    }
    assert len({component["unique_id"] for component in both.values()}) == len(both)


def test_where_no_orders_are_taken_there_is_nothing_to_switch(tmp_path: Path) -> None:
    components = announced(tmp_path, mqtt={"orders": False})["components"]
    assert not {"enabled", "threshold", "restart"} & set(components)


def test_a_camera_that_is_gone_is_taken_back_by_name(tmp_path: Path) -> None:
    before = announced(tmp_path, cameras=TWO)["components"]
    for _ in range(2):
        # Also at later starts: nobody tells whether Home Assistant was there to hear it.
        after = announced(tmp_path, cameras=TWO[:1])["components"]
        assert after.keys() == before.keys()
        gone = {key: component for key, component in after.items() if key.startswith("yard")}
        assert all(component == {"platform": before[key]["platform"]} for key, component in gone.items())
        assert len(gone) == 8
    back = announced(tmp_path, cameras=TWO)["components"]
    assert back == before


def test_a_disk_that_cannot_be_written_is_no_reason_to_be_silent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("")
    assert announced(in_the_way)["components"]
    assert "what Home Assistant is to forget later, it will not" in caplog.text


def test_topics_have_no_dots_and_are_never_shared() -> None:
    def topic(prefix: str, device: str) -> str:
        return discovery_topic(Config.model_validate({"mqtt": {"prefix": prefix}}), device)

    assert topic("facemask", "pi") == "homeassistant/device/facemask__pi/config"
    assert topic("facemask", "pi.example") == "homeassistant/device/facemask__pi_2eexample/config"
    assert len({escaped(name) for name in ("a.b", "a_b", "a-b", "a_2eb")}) == 4


def test_it_is_announced_again_a_moment_after_home_assistant_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homeassistant, "LONGEST_DELAY", 0.0)
    told = home_assistant(tmp_path)
    assert told.birth_topic == "homeassistant/status"
    assert not told.is_due()
    told.heard(b"offline")
    assert not told.is_due()
    told.heard(b"online")
    assert told.is_due()
    assert not told.is_due(), "said once"


def test_not_all_devices_of_a_house_do_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("facemask_edge.homeassistant.time.monotonic", lambda: now)
    devices = [home_assistant(tmp_path) for _ in range(40)]
    for device in devices:
        device.heard(b"online")
    now += homeassistant.LONGEST_DELAY / 2
    assert 5 < sum(device.is_due() for device in devices) < 35
    now += homeassistant.LONGEST_DELAY / 2
    assert any(device.is_due() for device in devices)
