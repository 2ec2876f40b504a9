"""Rollouts that a card has lost, wholly or in part."""

from pathlib import Path

import pytest
import yaml

from facemask_edge.errors import ConfigError, OutputError, ServiceError
from facemask_edge.rollouts import shelf as shelves
from facemask_edge.rollouts import try_out as trying
from facemask_edge.rollouts.publish import publish
from facemask_edge.rollouts.shelf import Refusal, Repairs, Shelf, Standing, State, Trial, link_in
from facemask_edge.rollouts.trial import standing
from facemask_edge.rollouts.try_out import RefusedRolloutError
from facemask_edge.rollouts.update import settle
from tests.faults.small_disk import breakable_disk
from tests.rollouts.device import WELL, Device, NewDevice, cut, in_use
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


def test_a_lost_state_does_not_lose_what_is_in_use(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    former = Shelf(device.shelf).current
    (device.shelf / "state.json").write_text("")
    fleet.deliver("detector: {model: mask_classifier_int8.tflite}\n")
    with pytest.raises(RefusedRolloutError, match="the daemon does not start"):
        device.update()
    assert Shelf(device.shelf).current == Shelf(device.shelf).state.good == former


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


def test_what_a_lost_trial_has_left_in_use_is_tried(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device(probation=20)
    shelf = Shelf(device.shelf)
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    former = shelf.current
    fleet.deliver("mqtt: {servers: ['mqtt://127.0.0.1:1']}\n")
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
    device.update()
    assert shelf.current == former, "what it is compared with runs for a while"
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


def test_a_newer_rollout_that_was_refused_is_tried_against_what_the_damage_has_left(
    new_device: NewDevice, fleet: Operator
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    fleet.deliver("classifier: {accelerator: edgetpu}\n")
    with pytest.raises(RefusedRolloutError):
        device.update()
    (device.shelf / "current" / "1-fleet" / "10.yaml").write_text("")
    # Only the newer one can be had.
    with pytest.raises(RefusedRolloutError):
        device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    started = device.starts()
    device.update()
    assert device.starts() == started, "what is left is taken for what it is to be"
    told = device.rollout()
    assert (told["version"], told["state"], told["refused"]) == (1, "good", 2)
    # The one before can be had again.
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    assert prefix(device) == "airport"


def test_a_newer_rollout_takes_the_place_of_one_that_cannot_be_read(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    (device.shelf / "current" / "1-fleet" / "10.yaml").write_text("{")
    fleet.deliver("mqtt: {prefix: better}\n")
    device.update()
    assert prefix(device) == "better"
    assert device.rollout() == in_use(2)


def test_a_device_that_cannot_go_back_asks_for_the_next_one(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device(probation=20)
    fleet.deliver("http: {cert: /door.pem, key: /door.key}\n")
    device.update()
    # Somebody has changed what does not go with it.
    device.config.write_text(f"{device.config.read_text()}http: {{cert: null}}\n")
    assert not device.restart()
    fleet.deliver("classifier: {accelerator: edgetpu}\n")
    with pytest.raises(ServiceError, match=r"tried again later: .*; without it: .*cert and key belong together"):
        device.update()
    fleet.deliver("mqtt: {prefix: better}\n")
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert device.rollout() == in_use(3)


def test_a_device_whose_own_configuration_is_right_only_with_a_damaged_rollout_is_mended(
    new_device: NewDevice, fleet: Operator
) -> None:
    device = new_device()
    fleet.deliver("http: {cert: /door.pem, key: /door.key}\n")
    device.update()
    device.config.write_text(f"{device.config.read_text()}http: {{cert: /gate.pem}}\n")
    (device.shelf / "current" / "1-fleet" / "10.yaml").write_text("")
    assert not device.restart()
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)


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


def test_a_first_rollout_whose_trial_is_lost_is_not_taken_for_a_good_one(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {servers: ['mqtt://127.0.0.1:1']}\n")
    with monkeypatch.context() as until:
        until.setattr(trying, "proves_itself", cut)
        with pytest.raises(KeyboardInterrupt):
            device.update()
    (device.shelf / "trial.json").write_text("{")
    assert Shelf(device.shelf).current is not None
    assert device.restart()
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)
    with pytest.raises(RefusedRolloutError, match="no broker takes its events"):
        device.update()
    assert Shelf(device.shelf).current is None
    assert not Shelf(device.shelf).is_in_trial
    assert wait_until(lambda: standing(device) == WELL, 30)


def test_the_next_boot_begins_with_what_has_proved_itself_also_where_the_state_is_lost(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    former = Shelf(device.shelf).current
    fleet.deliver("mqtt: {prefix: better}\n")
    with monkeypatch.context() as until:
        until.setattr(trying, "proves_itself", cut)
        with pytest.raises(KeyboardInterrupt):
            device.update()
    (device.shelf / "state.json").write_text("")
    settle(device.config)
    assert Shelf(device.shelf).current == former
    (fleet.web / "metadata").rename(fleet.web / "away")
    with pytest.raises(ServiceError, match="the server answers 404"):
        device.update()
    assert prefix(device) == "airport", "what was good lies here yet"
    (fleet.web / "away").rename(fleet.web / "metadata")
    device.update()
    assert prefix(device) == "better"


def test_a_card_that_forgets_again_and_again_does_not_start_a_daemon_again_and_again(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    file = device.shelf / "current" / "1-fleet" / "10.yaml"
    for repairs in (1, 2):
        file.write_text("")
        with monkeypatch.context() as until:
            until.setattr(shelves, "PAUSE", 0.0)
            device.update()
        assert device.rollout() == in_use(1, repairs=repairs)
    file.write_text("")
    # It comes up with what is left, and is not started again for that at once.
    assert device.restart()
    started = device.starts()
    device.update()
    assert device.starts() == started
    assert wait_until(lambda: [each["code"] for each in device.said("warnings")] == ["rollout_damaged"], 15)
    with monkeypatch.context() as until:
        until.setattr(shelves, "PAUSE", 0.0)
        for _ in range(2):
            device.update()
    assert device.starts() == started + 1
    assert device.rollout() == in_use(1, repairs=3)


def test_what_cannot_be_read_for_a_while_is_used_again_when_it_can(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    file = device.shelf / "current" / "1-fleet" / "10.yaml"
    file.resolve().replace(device.shelf.parent / "kept")
    file.mkdir()
    (fleet.web / "metadata").rename(fleet.web / "away")
    with pytest.raises(ServiceError, match="the server answers 404"):
        device.update()
    assert Shelf(device.shelf).current is None
    (place,) = device.shelf.glob("*/1-fleet/10.yaml")
    place.rmdir()
    (device.shelf.parent / "kept").replace(place)
    device.update()
    assert prefix(device) == "airport"
    assert device.rollout() == in_use(1, repairs=1)


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
