"""Rollouts that a card has lost, wholly or in part."""

from pathlib import Path

import pytest
import yaml

from facemask_edge.errors import ConfigError, OutputError, ServiceError
from facemask_edge.rollouts.publish import publish
from facemask_edge.rollouts.shelf import Refusal, Repairs, Shelf, Standing, State, Trial, link_in
from facemask_edge.rollouts.trial import standing
from tests.faults.small_disk import breakable_disk
from tests.rollouts.device import WELL, Device, NewDevice, in_use
from tests.rollouts.operator import Operator
from tests.rollouts.test_publish import with_models
from tests.subscriber import wait_until


@pytest.mark.parametrize("damaged", ["1-fleet/10.yaml", "1-fleet/models/mask_classifier_int8.tflite"])
def test_a_rollout_that_is_damaged_on_the_disk_is_fetched_again(
    new_device: NewDevice, fleet: Operator, damaged: str
) -> None:
    device = new_device()
    models = with_models(fleet.source / "fleet")
    link = device.config.parent / "config.d" / "50-rollout" / "1-fleet"
    fleet.deliver(f"classifier: {{model: {link}/{models.name}/mask_classifier_int8.tflite}}\n")
    device.update()
    (link.parent / damaged).write_bytes(b"\x00" * 20)
    assert not device.restart()
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert device.rollout() == in_use(1, repairs=1)


def test_a_damaged_rollout_whose_server_is_away_is_out_of_use_until_it_is_back(
    new_device: NewDevice, fleet: Operator
) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    (device.shelf / "current" / "1-fleet" / "10.yaml").write_text("mqtt: {prefi")
    assert not device.restart()
    (fleet.web / "metadata").rename(fleet.web / "away")
    with pytest.raises(ServiceError, match="the server answers 404"):
        device.update()
    assert wait_until(lambda: standing(device) == WELL, 30), "with less"
    (fleet.web / "away").rename(fleet.web / "metadata")
    device.update()
    assert device.rollout() == in_use(1)


def test_a_damaged_state_is_as_if_nothing_had_been_delivered(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.state = State(good="a", refused=Refusal(rollout="c", version=3, reason="d"))
    shelf.trial = Trial(rollout="b", before=Standing())
    assert (shelf.state.good, shelf.trial.attempts) == ("a", 1)
    for name in ("state.json", "trial.json"):
        (tmp_path / name).write_text("{")
    assert Shelf(tmp_path).state == State()
    assert Shelf(tmp_path).trial is None
    assert shelf.health() is None


def prefix(device: Device) -> str:
    """That of the daemon's topics, as it reads its configuration."""
    (line,) = (line for line in device.shown_with_origins().splitlines() if line.startswith("mqtt.prefix: "))
    return line.split('"')[1]


def test_an_emptied_file_is_noticed_and_used_until_the_server_is_back(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    (device.shelf / "current" / "1-fleet" / "10.yaml").write_text("")
    assert prefix(device) != "airport"
    started = device.starts()
    (fleet.web / "metadata").rename(fleet.web / "away")
    with pytest.raises(ServiceError, match="the server answers 404"):
        device.update()
    assert device.starts() == started
    (fleet.web / "away").rename(fleet.web / "metadata")
    device.update()
    assert (prefix(device), device.starts()) == ("airport", started + 1)
    assert device.rollout() == in_use(1, repairs=1)


@pytest.mark.parametrize("lost", ["50-rollout", "current"])
def test_a_lost_link_is_made_again_without_the_server(new_device: NewDevice, fleet: Operator, lost: str) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    {"50-rollout": link_in(device.config), "current": device.shelf / "current"}[lost].unlink()
    assert prefix(device) != "airport"
    fleet.asked.clear()
    device.update()
    assert fleet.asked == []
    assert prefix(device) == "airport"
    assert device.rollout() == in_use(1)


def test_where_the_server_has_moved_a_damaged_rollout_is_fetched_from_where_it_is_now(
    new_device: NewDevice, fleet: Operator
) -> None:
    device = new_device()
    delivered = link_in(device.config) / "1-fleet"
    fleet.write("fleet/10.yaml", f"rollout: {{url: '{fleet.url}/anew', ca: {delivered}/ca.pem}}\n")
    fleet.write("fleet/ca.pem", fleet.ca.read_text())
    fleet.publish()
    publish(fleet.source, fleet.keys, fleet.web / "anew", days=30)
    device.update()
    # What the image says leads nowhere any more.
    (fleet.web / "metadata").rename(fleet.web / "away")
    for damaged in (delivered / "10.yaml", delivered / "ca.pem"):
        damaged.write_text("{")
    assert not device.restart()
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert device.rollout() == in_use(2, repairs=1)


def test_a_damaged_model_that_the_device_itself_names_is_fetched_again(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    models = with_models(fleet.source / "fleet")
    fleet.publish()
    device.update()
    model = link_in(device.config) / "1-fleet" / models.name / "mask_classifier_int8.tflite"
    device.config.write_text(f"{device.config.read_text()}classifier: {{model: {model}}}\n")
    assert device.restart()
    model.write_bytes(model.read_bytes()[:-1])
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert device.rollout() == in_use(1, repairs=1)


@pytest.mark.parametrize("lost", ["url", "trust"])
def test_an_image_that_has_forgotten_its_server_still_gets_rollouts(
    new_device: NewDevice, fleet: Operator, tmp_path: Path, lost: str
) -> None:
    given = (fleet.keys / "trust.json").read_text()
    fleet.trust = tmp_path / "trust.json"
    fleet.trust.write_text(given)
    device = new_device()
    fleet.deliver(f"mqtt: {{prefix: airport}}\nrollout: {{path: {device.shelf}}}\n")
    device.update()
    if lost == "url":
        image = device.config.parent / "config.d" / "10-image.yaml"
        image.write_text(yaml.safe_dump(yaml.safe_load(image.read_text()) | {"rollout": {}}))
    else:
        fleet.trust.write_text("{")
    fleet.deliver(f"mqtt: {{prefix: better}}\nrollout: {{path: {device.shelf}}}\n")
    device.update()
    assert prefix(device) == "better"
    assert device.rollout() == in_use(2)
    # And the next one, from another address.
    fleet.deliver(f"rollout: {{path: {device.shelf}, url: '{fleet.url}/anew'}}\n")
    publish(fleet.source, fleet.keys, fleet.web / "anew", days=30)
    device.update()
    (fleet.web / "metadata").rename(fleet.web / "away")
    fleet.write(
        "fleet/10.yaml", f"mqtt: {{prefix: best}}\nrollout: {{path: {device.shelf}, url: '{fleet.url}/anew'}}\n"
    )
    publish(fleet.source, fleet.keys, fleet.web / "anew", days=30)
    device.update()
    assert prefix(device) == "best"


def test_who_says_that_a_device_takes_none_is_heard(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    values = yaml.safe_load(device.config.read_text()) | {"rollout": {"url": None}}
    device.config.write_text(yaml.safe_dump(values))
    fleet.asked.clear()
    with pytest.raises(ConfigError, match=r"rollout\.url is null: this device takes no rollouts"):
        device.update()
    assert fleet.asked == []


def test_damages_that_are_long_ago_are_another_matter() -> None:
    first = Repairs.after(None, 1000)
    assert first == Repairs(times=1, at=1000)
    assert Repairs.after(first, 2000) == Repairs(times=2, at=2000)
    assert Repairs.after(first, 1000 + 8 * 86400) == Repairs(times=1, at=1000 + 8 * 86400)
    assert (first.lately(2000), first.lately(1000 + 8 * 86400)) == (1, 0)


def test_what_the_file_system_cannot_look_at_is_done_without(
    new_device: NewDevice, fleet: Operator, tmp_path: Path
) -> None:
    with breakable_disk(tmp_path / "rollouts") as disk:
        device = new_device()
        fleet.deliver("mqtt: {prefix: airport}\n")
        device.update()
        disk.forget(Shelf(device.shelf).current or "")
        # What lies there cannot even be renamed: a file system's own repair has to come first.
        with pytest.raises(OutputError, match="Structure needs cleaning"):
            device.update()
        assert wait_until(lambda: standing(device) == WELL, 30)
        fleet.deliver("mqtt: {prefix: better}\n")
        device.update()
        assert prefix(device) == "better"
        device.close()
