"""The broker goes away and comes back."""

import random
import time
from contextlib import closing
from pathlib import Path

from tests.conftest import Mosquitto
from tests.faults.outcome import Outcome, compare
from tests.faults.running import device, settings
from tests.subscriber import Subscriber, wait_until

PERSISTENT = ("allow_anonymous true", "persistence true", "max_inflight_messages 0", "max_queued_messages 0")


def broker_killed(folder: Path, rounds: int, seed: int) -> Outcome:
    """Mosquitto is killed (SIGKILL) while violations flow, and started again."""
    chance = random.Random(seed)
    broker = Mosquitto(folder, *PERSISTENT, "autosave_interval 1", "autosave_on_changes true").start()
    recovery = 0.0
    with closing(Subscriber(broker.port, persistent=True)) as witness:
        running = device(settings(folder, broker.url), rate=30, drain=60)
        for _ in range(rounds):
            time.sleep(chance.uniform(0.3, 1.5))
            broker.kill()
            time.sleep(chance.uniform(0.0, 1.0))
            broker.start()
            heard, started = len(witness.events()), time.monotonic()
            assert wait_until(lambda: len(witness.events()) > heard, 30)  # noqa: B023 - called in this turn only
            recovery = max(recovery, time.monotonic() - started)
        running.stop()
        # What was not acknowledged in time waits for the next start.
        again = device(settings(folder, broker.url), count=1, drain=30)
        again.wait()
        recorded = running.recorded + again.recorded
        assert (
            wait_until(lambda: len({(e["id"], e["event_type"]) for e in witness.events()}) >= len(set(recorded)), 5)
            or True
        )
        outcome = compare(
            "broker killed",
            witness.events(),
            recorded=recorded,
            decided=running.decided + again.decided,
            recovery=recovery,
        )
    broker.stop()
    outcome.tries = rounds
    return outcome
