"""Whatever breaks off or is lost, in whatever order: in the end, the device runs with the newest that is right."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import IS_FULL
from tests.rollouts.simulation import BAD_BROKER, GOOD, HOUR, LOOK, ROLLOUTS, Disk, Simulation, Walk

STRIDE = 1 if IS_FULL else 9
"""So many writes are passed over at a time."""
WALKS = 400 if IS_FULL else 12
BREAKS: list[Callable[[Disk, int], None]] = [Disk.cut, Disk.fail, Disk.fill]
MOST_WRITES = 150
"""Of one look; there are fewer."""


@contextmanager
def simulated(folder: Path) -> Iterator[Simulation]:
    """One that uses the first rollout."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        simulation = Simulation(folder, monkeypatch)
        simulation.publish(ROLLOUTS[GOOD].format(1))
        yield simulation


def first(simulation: Simulation) -> str:
    assert simulation.shelf.current is None
    return "good1"


def newer(simulation: Simulation) -> str:
    simulation.look()
    simulation.publish(ROLLOUTS[GOOD].format(2))
    return "good2"


def bad(simulation: Simulation) -> str:
    simulation.look()
    simulation.publish(ROLLOUTS[BAD_BROKER].format(2))
    return "good1"


def first_is_bad(simulation: Simulation) -> str:
    simulation.publish(ROLLOUTS[BAD_BROKER].format(1))
    return "image"


def emptied(simulation: Simulation) -> str:
    simulation.look()
    simulation.rollout_file.write_text("")
    simulation.daemon.restart()
    return "good1"


def unreadable(simulation: Simulation) -> str:
    simulation.look()
    simulation.rollout_file.write_text("mqtt: {pre")
    simulation.daemon.restart()
    return "good1"


def unreadable_with_a_bad_one(simulation: Simulation) -> str:
    unreadable(simulation)
    simulation.publish(ROLLOUTS[BAD_BROKER].format(2))
    return "image"


def found_again(simulation: Simulation) -> str:
    simulation.look()
    file = simulation.rollout_file
    file.write_text("mqtt: {pre")
    simulation.daemon.restart()
    simulation.is_server_there = False
    simulation.look()
    file.write_text(ROLLOUTS[GOOD].format(1))
    return "good1"


def link_lost(simulation: Simulation) -> str:
    simulation.look()
    simulation.link.unlink()
    simulation.daemon.restart()
    return "good1"


def state_lost(simulation: Simulation) -> str:
    simulation.look()
    (simulation.shelf.folder / "state.json").write_text("")
    simulation.publish(ROLLOUTS[GOOD].format(2))
    return "good2"


Scenario = Callable[[Simulation], str]
SCENARIOS: list[Scenario] = [
    first,
    newer,
    bad,
    first_is_bad,
    emptied,
    unreadable,
    unreadable_with_a_bad_one,
    found_again,
    link_lost,
    state_lost,
]
"""Each returns the prefix of the daemon that is right at last."""


@pytest.mark.timeout(1800 if IS_FULL else 300)
@pytest.mark.parametrize("breaks", BREAKS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_write_may_be_the_last_or_fail(
    tmp_path: Path, scenario: Scenario, breaks: Callable[[Disk, int], None]
) -> None:
    # Not the same ones for each.
    offset = 1 + (SCENARIOS.index(scenario) + 3 * BREAKS.index(breaks)) % STRIDE
    for at in range(offset, MOST_WRITES, STRIDE):
        with simulated(tmp_path / f"{at}") as simulation:
            right = scenario(simulation)
            breaks(simulation.disk, at)
            told = [simulation.look()]
            has_failed = simulation.disk.writes >= at
            starts = []
            for after in [LOOK] * 4 + [25 * HOUR] * 4:
                before = simulation.daemon.starts
                told.append(simulation.look(after))
                starts.append(simulation.daemon.starts - before)
            state = simulation.shelf.state
            assert (simulation.daemon.prefix, simulation.expected()) == (right, right), (at, told)
            assert simulation.shelf.current == state.good, (at, told)
            assert not simulation.shelf.is_in_trial, (at, told)
            assert starts[-2:] == [0, 0], (at, told)
        if not has_failed:
            return
    pytest.fail("a look has more writes than are tried")


@pytest.mark.timeout(1800 if IS_FULL else 300)
@pytest.mark.parametrize("part", range(4))
def test_a_device_finds_back_from_whatever_happens(tmp_path: Path, part: int) -> None:
    for seed in range(part * WALKS // 4, (part + 1) * WALKS // 4):
        with simulated(tmp_path / f"{seed}") as simulation:
            simulation.look()
            walk = Walk(simulation, seed)
            walk.take(15)
            simulation.is_server_there = simulation.daemon.has_broker = simulation.daemon.has_camera = True
            simulation.boot()
            walk.told.append("--- from here on all is well")
            starts = [walk.look(after) for after in [LOOK] * 6 + [9 * HOUR] * 6 + [25 * HOUR] * 4]
            told = "\n".join([f"seed {seed}", *walk.told])
            shelf = simulation.shelf
            assert simulation.daemon.prefix is not None, told
            assert simulation.daemon.prefix == simulation.expected(), told
            assert shelf.current == shelf.state.good, told
            assert shelf.current is None or shelf.can_go_back_to(shelf.current), told
            assert not shelf.is_in_trial, told
            assert sum(starts[-3:]) == 0, told
            # What did not work before is not asked for.
            assert walk.has_had_outage or simulation.daemon.prefix.startswith(("good", "image")), told
            walk.publish(GOOD)
            for _ in range(3):
                walk.look()
            assert simulation.daemon.prefix == f"good{walk.published}", "\n".join([f"seed {seed}", *walk.told])
