"""The daemon itself is killed, or told to stop; here it is the real one, with a recording in front of its camera."""

import random
import time
from contextlib import closing
from pathlib import Path

from facemask_edge.demo import SAMPLE
from tests.conftest import Mosquitto
from tests.faults.broker_faults import PERSISTENT
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import Running, settings
from tests.subscriber import Subscriber, wait_until

LONGEST_LIFE = 2.5
"""Seconds after which the daemon is killed at the latest: the sample is judged in about that time."""
LONGEST_STOP = 5.0
"""Seconds in which a daemon that is told to stop must have ended."""


def daemon(options: list[str]) -> Running:
    """The real daemon, judging the sample."""
    camera = f'cameras=[{{name: door, source: "{SAMPLE}"}}]'
    return Running("facemask_edge", "run", "--set", camera, *options)


def daemon_killed(folder: Path, rounds: int, seed: int) -> Outcome:
    """Kill -9 at a random moment; the next start delivers, and ends what was left open."""
    chance = random.Random(seed)
    broker = Mosquitto(folder, *PERSISTENT).start()
    options = settings(folder, broker.url)
    recorded = []
    with closing(Subscriber(broker.port, persistent=True)) as witness:
        for _ in range(rounds):
            running = daemon(options)
            assert wait_until(lambda: running.has_said("watches"), 30)  # noqa: B023 - called in this turn only
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            running.kill()
            recorded += running.recorded
        started = time.monotonic()
        last = daemon([*options, "--drain-timeout", "60"])
        assert last.wait() == 0, last.log
        recorded += last.recorded
        wait_until(lambda: arrived(witness.events()) >= set(recorded), 10)
        outcome = compare("daemon killed", witness.events(), recorded=recorded, recovery=time.monotonic() - started)
    broker.stop()
    outcome.tries = rounds
    return outcome


def daemon_stopped(folder: Path, rounds: int, seed: int) -> Outcome:
    """SIGTERM at a random moment, with and without a broker: it ends in time, and all open violations with it."""
    chance = random.Random(seed)
    broker = Mosquitto(folder, *PERSISTENT).start()
    options = settings(folder, broker.url)
    recorded = []
    longest = 0.0
    with closing(Subscriber(broker.port, persistent=True)) as witness:
        for turn in range(rounds):
            is_away = turn % 2 == 1
            if is_away:
                broker.stop()
            running = daemon(options)
            assert wait_until(lambda: running.has_said("watches"), 30)  # noqa: B023 - called in this turn only
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            longest = max(longest, running.stop())
            assert running.process.returncode == 0, running.log
            recorded += running.recorded
            if is_away:
                broker.start()
            else:
                stopped = witness.payloads("facemask/pi/status")
                assert wait_until(lambda: witness.payloads("facemask/pi/status")[-1] == "stopped"), stopped
        last = daemon([*options, "--drain-timeout", "60"])
        assert last.wait() == 0, last.log
        recorded += last.recorded
        wait_until(lambda: arrived(witness.events()) >= set(recorded), 10)
        outcome = compare("daemon stopped", witness.events(), recorded=recorded, recovery=longest)
    broker.stop()
    outcome.tries = rounds
    outcome.remark = f"ended within {longest:.1f} s"
    assert longest <= LONGEST_STOP, outcome.remark
    return outcome
