"""Rollouts that a card has lost, wholly or in part."""

from pathlib import Path

import pytest

from facemask_edge.errors import ServiceError
from facemask_edge.rollouts.publish import publish
from facemask_edge.rollouts.shelf import Refusal, Shelf, Standing, State, Trial, link_in
from facemask_edge.rollouts.trial import standing
from facemask_edge.rollouts.update import RefusedRolloutError
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
    fleet.write("fleet/10.yaml", f"classifier: {{model: {link}/{models.name}/mask_classifier_int8.tflite}}\n")
    fleet.publish()
    device.update()
    (link.parent / damaged).write_bytes(b"\x00" * 20)
    assert not device.restart()
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert device.rollout() == in_use(1)


def test_a_damaged_rollout_whose_server_is_away_is_out_of_use_until_it_is_back(
    new_device: NewDevice, fleet: Operator
) -> None:
    device = new_device()
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.publish()
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


def test_a_lost_state_does_not_lose_what_is_in_use(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.publish()
    device.update()
    in_use = Shelf(device.shelf).current
    (device.shelf / "state.json").write_text("")
    fleet.write("fleet/10.yaml", "detector: {model: mask_classifier_int8.tflite}\n")
    fleet.publish()
    with pytest.raises(RefusedRolloutError, match="the daemon does not start"):
        device.update()
    assert Shelf(device.shelf).current == Shelf(device.shelf).state.good == in_use


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
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.publish()
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
    assert device.rollout() == in_use(1)


@pytest.mark.parametrize("lost", ["50-rollout", "current"])
def test_a_lost_link_is_made_again_without_the_server(new_device: NewDevice, fleet: Operator, lost: str) -> None:
    device = new_device()
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.publish()
    device.update()
    {"50-rollout": link_in(device.config), "current": device.shelf / "current"}[lost].unlink()
    assert prefix(device) != "airport"
    (fleet.web / "metadata").rename(fleet.web / "away")
    with pytest.raises(ServiceError, match="the server answers 404"):
        device.update()
    assert prefix(device) == "airport"
    assert device.rollout() == in_use(1)


def test_what_a_lost_trial_has_left_in_use_is_tried(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device(probation=20)
    shelf = Shelf(device.shelf)
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.publish()
    device.update()
    former = shelf.current
    fleet.write("fleet/10.yaml", "mqtt: {servers: ['mqtt://127.0.0.1:1']}\n")
    fleet.publish()
    with pytest.raises(RefusedRolloutError):
        device.update()
    # As if power had been cut in the trial, and its file lost with that.
    name = shelf.state.refused.rollout if shelf.state.refused else ""
    with shelf.adding(name) as folder:
        (folder / "1-fleet").mkdir()
        (folder / "1-fleet" / "10.yaml").write_text("mqtt: {servers: ['mqtt://127.0.0.1:1']}\n")
    shelf.state = shelf.state.model_copy(update={"refused": None})
    shelf.use(name)
    assert device.restart()
    with pytest.raises(RefusedRolloutError, match="no broker takes its events"):
        device.update()
    assert shelf.current == shelf.state.good == former
    assert wait_until(lambda: standing(device) == WELL, 30)


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
    assert device.rollout() == in_use(2)


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
    assert device.rollout() == in_use(1)
