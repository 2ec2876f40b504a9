"""All faults, with how often each is tried."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import broker_faults, clock_faults, load, process_faults
from tests.faults.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault to be injected."""

    inject: Callable[[Path, int, int], Outcome]
    """Takes a folder for its files, the number of rounds and a seed."""
    full: int
    """Rounds of ``make faults``."""
    short: int
    """Rounds of the tests."""

    @property
    def name(self) -> str:
        """As it is named on the command line."""
        return self.inject.__name__


SCENARIOS = (
    Scenario(broker_faults.broker_killed, full=20, short=3),
    Scenario(process_faults.daemon_killed, full=50, short=3),
    Scenario(process_faults.daemon_stopped, full=20, short=2),
    Scenario(clock_faults.clock_jumps, full=21, short=3),
    Scenario(load.sustained_load, full=120, short=5),
    Scenario(load.backlog, full=100, short=1),
)
