"""Sequences of events that once ended badly, on a simulated device."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from facemask_edge.health_message import RolloutHealth
from facemask_edge.health_warnings import rollout_warnings
from facemask_edge.rollouts import update
from facemask_edge.rollouts.shelf import Standing
from tests.rollouts.simulation import (
    BAD_BROKER,
    CRASH,
    GOOD,
    HOUR,
    LOOK,
    ROLLOUTS,
    PowerCutError,
    Simulation,
    cut_the_power,
)

UNREADABLE = "mqtt: {pre"
POSTPONED, REFUSED = "ServiceError: rollout 2 is tried again later", "RefusedRolloutError: rollout 2 is refused"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Simulation]:
    """One that uses the first rollout, ``good1``."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        simulation = Simulation(tmp_path / "device", monkeypatch)
        simulation.publish(ROLLOUTS[GOOD].format(1))
        assert simulation.look() == "well"
        assert simulation.daemon.prefix == "good1"
        yield simulation


def publish_bad(device: Simulation) -> None:
    device.publish(ROLLOUTS[BAD_BROKER].format(2))


def in_the_next_look(device: Simulation, function: Callable[[], object]) -> None:
    """Something happens in the middle of it, when a trial has begun."""
    device.clock.coming.append((device.clock.now + LOOK + 5, function))


def is_on(device: Simulation, prefix: str) -> bool:
    """Whether the daemon runs with this, and would be started with it."""
    return device.daemon.prefix == device.expected() == prefix and device.shelf.current == device.shelf.state.good


def health_of(device: Simulation) -> RolloutHealth:
    """What it says of its rollout."""
    health = device.shelf.health()
    assert health is not None
    return health


@pytest.mark.parametrize("has_newer", [False, True])
def test_a_daemon_that_could_not_read_for_a_moment_is_started_again(device: Simulation, *, has_newer: bool) -> None:
    device.rollout_file.write_text(UNREADABLE)
    assert not device.daemon.restart()
    device.rollout_file.write_text(ROLLOUTS[GOOD].format(1))
    if has_newer:
        publish_bad(device)
    assert device.look() == "well"
    assert is_on(device, "good1")
    # What is dead is nothing to compare with.
    assert device.look().startswith(REFUSED) is has_newer
    assert is_on(device, "good1")


def test_a_daemon_that_ends_again_and_again_gets_what_mends_it(
    device: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = device.daemon.deaths

    def again_and_again() -> int | None:
        return 2 if device.daemon.prefix == "good1" else deaths()

    monkeypatch.setattr(device.daemon, "deaths", again_and_again)
    # As systemd has it between two starts.
    device.daemon.read = None
    device.publish(ROLLOUTS[GOOD].format(2))
    assert device.look() == "well"
    assert is_on(device, "good2")


@pytest.mark.parametrize("seconds", [2, 60])
def test_a_daemon_that_ends_for_good_after_each_start_gets_what_mends_it(
    device: Simulation, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    deaths, restart = device.daemon.deaths, device.daemon.restart
    started = [0.0]

    def noted() -> bool:
        started[0] = device.clock.now
        return restart()

    def ends() -> int | None:
        is_over = device.daemon.prefix == "good1" and device.clock.now > started[0] + seconds
        return None if is_over else deaths()

    monkeypatch.setattr(device.daemon, "restart", noted)
    monkeypatch.setattr(device.daemon, "deaths", ends)
    device.publish(ROLLOUTS[GOOD].format(2))
    for _ in range(2):
        device.look()
    assert is_on(device, "good2")


def test_a_damaged_one_that_is_no_use_at_all_gives_way_to_a_newer_one(device: Simulation) -> None:
    device.publish("http: {cert: /a.pem, key: /a.key}\nmqtt: {prefix: good2}\n")
    device.own({"http": {"key": "/gate.key"}})
    assert device.look() == "well"
    device.rollout_file.write_text(UNREADABLE)
    assert not device.daemon.restart()
    device.publish("http: {cert: /a.pem, key: /a.key}\nmqtt: {prefix: good3}\n")
    for _ in range(2):
        device.look()
    assert is_on(device, "good3")


def test_what_could_not_be_had_again_and_is_whole_again_is_used(device: Simulation) -> None:
    publish_bad(device)
    assert device.look().startswith(REFUSED)
    kept = device.shelf.folder / "kept"
    file = device.rollout_file.resolve()
    file.rename(kept)
    device.daemon.restart()
    device.look()
    assert device.daemon.restart()
    assert health_of(device).damaged == "used"
    kept.rename(file)
    for _ in range(3):
        device.look(2 * HOUR)
    assert is_on(device, "good1")
    assert health_of(device).damaged is None


@pytest.mark.parametrize("lost", ["state.json", "current/1-fleet/note.txt"])
def test_who_takes_no_more_keeps_what_there_is_also_when_something_is_lost(device: Simulation, lost: str) -> None:
    device.own({"rollout": {"url": None}})
    assert "this device takes no rollouts" in device.look()
    (device.shelf.folder / lost).write_text("")
    for _ in range(3):
        assert "this device takes no rollouts" in device.look()
        assert device.daemon.restart()
        assert is_on(device, "good1")


def test_a_trial_that_was_cut_off_goes_on_with_the_link_that_was_lost(device: Simulation) -> None:
    publish_bad(device)
    in_the_next_look(device, cut_the_power)
    assert device.look() == "the power was cut"
    device.link.unlink()
    assert device.look().startswith(REFUSED)
    assert is_on(device, "good1")


def test_what_was_damaged_in_its_trial_has_proved_nothing(device: Simulation) -> None:
    publish_bad(device)
    in_the_next_look(device, lambda: device.rollout_file.write_text(""))
    assert device.look().startswith(f"{POSTPONED}: its files were damaged")
    assert is_on(device, "good1")
    assert device.look().startswith(REFUSED)
    assert is_on(device, "good1")


def test_a_good_one_that_was_damaged_before_its_trial_is_not_refused(device: Simulation) -> None:
    device.publish(ROLLOUTS[GOOD].format(2))

    def damage() -> None:
        (newest,) = {file.parent.parent for file in device.shelf.folder.glob("*/1-fleet/10.yaml")} - {
            device.shelf.folder / "current",
            device.shelf.place(device.shelf.current or ""),
        }
        (newest / "1-fleet" / "10.yaml").write_text(UNREADABLE)

    device.daemon.has_broker = False
    # While it is waited for the broker.
    in_the_next_look(device, damage)
    assert device.look().startswith(f"{POSTPONED}: its files were damaged")
    device.daemon.has_broker = True
    assert device.look() == "well"
    assert is_on(device, "good2")


def test_what_is_refused_now_is_not_used_because_it_once_was_good(
    device: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.rollout_file.write_text(UNREADABLE)
    device.daemon.restart()
    device.is_server_there = False
    assert "the server is away" in device.look()
    assert is_on(device, "image")
    device.is_server_there = True

    standing = device.daemon.standing

    def without_camera() -> Standing:
        """With the rollout, the camera gives no picture any more."""
        works = standing()
        return Standing(broker=works.broker) if device.daemon.prefix == "good1" else works

    monkeypatch.setattr(device.daemon, "standing", without_camera)
    assert device.look().startswith("RefusedRolloutError: rollout 1 is refused")
    for _ in range(3):
        assert device.look() == "well"
        assert is_on(device, "image")


def test_an_outage_in_a_trial_is_no_proof_in_the_next_one(device: Simulation) -> None:
    def away() -> None:
        device.daemon.has_broker = False

    publish_bad(device)
    in_the_next_look(device, away)
    assert device.look().startswith(POSTPONED)
    assert device.look().startswith(POSTPONED)
    device.daemon.has_broker = True
    assert device.look(2 * HOUR).startswith(REFUSED)
    assert is_on(device, "good1")


def test_a_broker_that_is_gone_for_days_does_not_keep_rollouts_away(device: Simulation) -> None:
    def away() -> None:
        device.daemon.has_broker = False

    device.publish(ROLLOUTS[GOOD].format(2))
    in_the_next_look(device, away)
    told = [device.look()]
    hours = 0
    while device.daemon.prefix != "good2" and hours < 100:
        hours += 1
        told.append(device.look(HOUR))
    assert 12 < hours < 40, told
    assert told[0].startswith(POSTPONED)


def test_a_state_that_is_lost_in_a_trial_does_not_lose_what_is_good(device: Simulation) -> None:
    publish_bad(device)
    in_the_next_look(device, lambda: (device.shelf.folder / "state.json").write_text(""))
    for _ in range(4):
        device.look()
        assert is_on(device, "good1")


def test_what_cannot_be_read_is_not_taken_for_usable_because_the_link_is_lost(device: Simulation) -> None:
    publish_bad(device)
    assert device.look().startswith(REFUSED)
    device.rollout_file.write_text(UNREADABLE)
    device.link.unlink()
    device.daemon.restart()
    for _ in range(3):
        device.look()
        assert is_on(device, "image")


def test_a_damaged_one_that_was_right_for_the_device_alone_is_dropped_when_that_is_right_without_it(
    device: Simulation,
) -> None:
    device.publish("http: {cert: /a.pem, key: /b.key}\nmqtt: {prefix: good2}\n")
    assert device.look() == "well"
    device.publish(ROLLOUTS[BAD_BROKER].format(3))
    assert device.look().startswith("RefusedRolloutError")
    device.own({"http": {"key": "/gate.key"}})
    assert device.daemon.restart()
    device.rollout_file.write_text(UNREADABLE)
    for _ in range(2):
        device.look()
        assert not device.daemon.restart()
    assert health_of(device).damaged == "used"
    device.own({})
    device.look()
    assert is_on(device, "image")
    health = health_of(device)
    assert (health.state, health.damaged) == ("none", "unused")
    assert "none is used" in [warning.says for warning in rollout_warnings(health)][-1]


def test_an_owed_restart_waits_for_what_is_whole(device: Simulation) -> None:
    for after in (LOOK, 60):
        device.rollout_file.write_text("")
        device.daemon.restart()
        assert device.look(after) == "well"
    assert device.shelf.state.owes_restart
    device.is_server_there = False
    device.rollout_file.write_text("compliance: {threshold: [")
    starts = device.daemon.starts
    assert "the server is away" in device.look(3 * HOUR)
    assert device.daemon.starts == starts
    device.is_server_there = True
    device.look(3 * HOUR)
    assert is_on(device, "good1")


def test_a_newer_rollout_pays_for_what_is_owed(device: Simulation) -> None:
    for after in (LOOK, 60):
        device.rollout_file.write_text("")
        device.daemon.restart()
        assert device.look(after) == "well"
    device.publish(ROLLOUTS[GOOD].format(2))
    device.look(60)
    assert is_on(device, "good2")
    starts = device.daemon.starts
    for _ in range(3):
        assert device.look(2 * HOUR) == "well"
    assert device.daemon.starts == starts


def test_who_stops_the_daemon_while_something_is_mended_finds_it_stopped(device: Simulation) -> None:
    def stop(number: int, _name: str) -> None:
        if number == 12:
            device.daemon.is_stopped_by_somebody = True

    device.rollout_file.write_text("")
    starts = device.daemon.starts
    device.disk.fails = stop
    assert device.look() == "well"
    assert device.daemon.starts == starts
    assert device.daemon.restart()
    assert is_on(device, "good1")


@pytest.mark.parametrize("tag", ["!!bool x", "!!int ''", "!!timestamp x", ":".join(["1"] * 200) + ":1.0"])
def test_no_value_of_yaml_ends_a_look(device: Simulation, tag: str) -> None:
    device.own({})
    device.config.write_text(f"{device.config.read_text()}mqtt: {{port: {tag}}}\n")
    assert device.look().startswith("ConfigError")


def test_a_refused_rollout_is_tried_against_what_a_damage_has_left(device: Simulation) -> None:
    publish_bad(device)
    assert device.look().startswith(REFUSED)
    device.rollout_file.write_text("")
    # Only the newer one can be had.
    assert device.look().startswith(REFUSED)
    starts = device.daemon.starts
    assert device.look() == "well"
    assert device.daemon.starts == starts, "what is left is taken for what it is to be"
    health = health_of(device)
    assert (health.version, health.state, health.refused, health.damaged) == (1, "good", 2, "used")
    # The one before can be had again.
    device.publish(ROLLOUTS[GOOD].format(1))
    device.look()
    assert is_on(device, "good1")
    assert health_of(device).damaged is None


def test_a_device_that_cannot_go_back_asks_for_the_next_one(device: Simulation) -> None:
    device.publish("http: {cert: /door.pem, key: /door.key}\n")
    assert device.look() == "well"
    # Somebody has changed what does not go with it.
    device.own({"http": {"cert": None}})
    assert not device.daemon.restart()
    device.publish(ROLLOUTS[CRASH].format(3))
    assert "cert and key belong together" in device.look()
    device.publish(ROLLOUTS[GOOD].format(4))
    assert device.look() == "well"
    assert is_on(device, "good4")


def test_a_device_that_is_right_only_with_a_damaged_rollout_is_mended(device: Simulation) -> None:
    device.publish("http: {cert: /door.pem, key: /door.key}\nmqtt: {prefix: good2}\n")
    assert device.look() == "well"
    device.own({"http": {"cert": "/gate.pem"}})
    device.rollout_file.write_text("")
    assert not device.daemon.restart()
    assert device.look() == "well"
    assert is_on(device, "good2")


@pytest.mark.parametrize("is_first", [True, False])
def test_what_a_lost_trial_has_left_in_use_is_not_taken_for_a_good_one(tmp_path: Path, *, is_first: bool) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        device = Simulation(tmp_path / "device", monkeypatch)
        former = "image" if is_first else "good1"
        if not is_first:
            device.publish(ROLLOUTS[GOOD].format(1))
            device.look()
        publish_bad(device)
        in_the_next_look(device, cut_the_power)
        device.clock.now += LOOK
        with pytest.raises(PowerCutError):
            update.update(device.config, device.daemon)
        # It was not even booted since.
        (device.shelf.folder / "trial.json").write_text("{")
        assert device.expected() == "bad2"
        device.look()
        assert is_on(device, former), "what it is compared with runs for a while"
        assert "is refused" in device.look()
        assert is_on(device, former)
        assert not device.shelf.is_in_trial


def test_a_boot_in_a_trial_begins_with_what_is_good_also_where_the_state_is_lost(device: Simulation) -> None:
    def cut() -> None:
        (device.shelf.folder / "state.json").write_text("")
        raise PowerCutError

    device.publish(ROLLOUTS[GOOD].format(2))
    in_the_next_look(device, cut)
    device.daemon.has_broker = False
    assert device.look() == "the power was cut"
    assert device.daemon.prefix == "good1"
    device.daemon.has_broker, device.is_server_there = True, False
    assert "the server is away" in device.look()
    assert is_on(device, "good1"), "what was good lies here yet"
    device.is_server_there = True
    device.look()
    assert is_on(device, "good2")


def test_a_card_that_forgets_again_and_again_does_not_start_a_daemon_again_and_again(device: Simulation) -> None:
    for repairs, after in ((1, LOOK), (2, LOOK), (3, 2 * HOUR)):
        device.rollout_file.write_text("")
        device.daemon.restart()
        assert device.look(after) == "well"
        assert is_on(device, "good1")
        assert health_of(device).repairs == repairs
    assert [warning.code for warning in rollout_warnings(device.shelf.health())] == ["rollout_damaged"]
    device.rollout_file.write_text("")
    # It comes up with what is left, and is not started again for that at once.
    device.daemon.restart()
    starts = device.daemon.starts
    for _ in range(2):
        assert device.look() == "well"
    assert (device.daemon.starts, device.daemon.prefix) == (starts, "image")
    for _ in range(2):
        assert device.look(2 * HOUR) == "well"
    assert device.daemon.starts == starts + 1
    assert is_on(device, "good1")


def test_a_newer_rollout_takes_the_place_of_one_that_cannot_be_read(device: Simulation) -> None:
    device.rollout_file.write_text("{")
    device.publish(ROLLOUTS[GOOD].format(2))
    assert device.look() == "well"
    assert is_on(device, "good2")
