"""The system clock jumps, as it does on a Pi when it first hears from a time server."""

import datetime as dt
import os
import random
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Mosquitto
from tests.faults.broker_faults import PERSISTENT
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import device, settings
from tests.subscriber import Subscriber, wait_until

LIBRARIES = "*/faketime/libfaketimeMT.so.1"
"""Of the Debian package faketime, under /usr/lib."""
OFFSETS = ("+0", "+20y", "-40y", "+1h", "-1h", "+3d", "-55y")
"""From 1971 to 2046: a Pi without a clock of its own starts at 1970 or at its last shutdown."""


def faked_clock(clock: Path) -> dict[str, str]:
    """The environment of a process whose clock is off by what the file ``clock`` says, at any moment."""
    library = next(Path("/usr/lib").glob(LIBRARIES), None)
    if library is None:
        pytest.skip("the Debian package faketime is not installed; run: sudo apt install faketime")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # Durations run on the monotonic clock, which the kernel never sets.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def set_clock(clock: Path, offset: str) -> None:
    """Let a clock be off by ``offset`` from now on; never is the file half written."""
    new = clock.with_suffix(".new")
    new.write_text(offset)
    new.replace(clock)


def clock_jumps(folder: Path, rounds: int, seed: int) -> Outcome:
    """The device's clock, and only that, jumps by hours and decades while violations flow and the broker restarts."""
    chance = random.Random(seed)
    clock = folder / "clock"
    set_clock(clock, "+0")
    broker = Mosquitto(folder, *PERSISTENT).start()
    with closing(Subscriber(broker.port, persistent=True)) as witness:
        running = device(settings(folder, broker.url), environment=os.environ | faked_clock(clock), rate=30, seed=seed)
        for turn in range(rounds):
            known = len(running.recorded)
            set_clock(clock, OFFSETS[(turn + 1) % len(OFFSETS)])
            time.sleep(chance.uniform(0.3, 1.0))
            # However busy the machine is: something has to happen at each time.
            assert wait_until(lambda known=known: len(running.recorded) > known, 30)  # type: ignore[misc] # its default
            if turn % 3 == 2:
                broker.stop()
                broker.start()
        assert wait_until(lambda: running.has_said("connected"), 30)
        running.stop()
        last = device(settings(folder, broker.url), count=1, drain=30)
        assert last.wait() == 0, last.log[-20:]
        recorded = running.recorded + last.recorded
        wait_until(lambda: arrived(witness.events()) >= set(recorded), 10)
        outcome = compare("clock jumps", witness.events(), recorded=recorded, decided=running.decided + last.decided)
        years = {dt.datetime.fromisoformat(event["time"]).year for event in witness.events()}
    broker.stop()
    assert len(years) > 1, f"the clock did not jump: {years}"
    outcome.tries = rounds
    outcome.remark = f"years {min(years)} to {max(years)}"
    return outcome
