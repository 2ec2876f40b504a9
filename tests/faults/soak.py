"""All faults at random, one after the other and at the same time, for a long while; repeatable by its seed.

Not among them is damage of the file, which may lose events. A process is killed only while its events are on disk: what
is in memory because the disk fails is lost with the process, see docs/delivery.md.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.conftest import Mosquitto
from tests.faults.broker_faults import PERSISTENT, SAVES_AT_ONCE
from tests.faults.clock_faults import OFFSETS, faked_clock, set_clock
from tests.faults.forgetful_disk import Fault, ForgetfulDisk
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import RECORDED, Happening, Running, device, settings
from tests.subscriber import Subscriber, wait_until

RATE = 20
"""Violations a second."""


class Soak:
    """A device, its disk, its clock and its broker, and what can happen to them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        self._disk = ForgetfulDisk(folder, seed)
        self._clock = folder / "clock"
        set_clock(self._clock, "+0")
        self._environment = os.environ | faked_clock(self._clock)
        self.broker = Mosquitto(folder, *PERSISTENT, *SAVES_AT_ONCE).start()
        self.witness = Subscriber(self.broker.port, persistent=True)
        # Only so it is certain that the broker, should it be killed at once, knows its subscriber again.
        self.broker.stop()
        self.broker.start()
        self._options = settings(self._disk.path, self.broker.url)
        self._ended: list[Running] = []
        self._running = self._started()
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        """Let something happen to the device, perhaps while the broker is away."""
        back = self._chance.choice((None, None, self._without_broker, self._with_frozen_broker))
        returned = back() if back else None
        happening = self._chance.choice(
            (self._kill, self._stop, self._cut_power, self._fail_the_disk, self._set_the_clock, self._wait)
        )
        self.done[happening.__name__.strip("_")] += 1
        happening()
        if returned:
            returned()

    def finish(self) -> tuple[list[Happening], list[Happening]]:
        """End the device once everything was delivered; what was recorded and decided."""
        self._running.stop()
        last = device(self._options, environment=self._environment, count=1, drain=60)
        assert last.wait(120) == 0, last.log[-20:]
        runs = [*self._ended, self._running, last]
        return [one for run in runs for one in run.recorded], [one for run in runs for one in run.decided]

    def said_of(self, lost: set[Happening]) -> str:
        """How the device had said that it kept what was lost."""
        said: Counter[str] = Counter()
        for run in (*self._ended, self._running):
            for line in run.log:
                match = RECORDED.search(line)
                if match and Happening(match["id"], match["kind"]) in lost:
                    said["kept in memory" if "kept in memory" in line else "recorded"] += 1
        return ", ".join(f"{count} {how}" for how, count in said.items())

    @property
    def set_aside(self) -> int:
        """Outboxes that were taken for damaged."""
        return sum("it is set aside" in line for run in (*self._ended, self._running) for line in run.log)

    def close(self) -> None:
        self._running.process.kill()
        self._running.wait()
        self._disk.close()
        self.witness.close()
        self.broker.resume()
        self.broker.stop()

    def _started(self) -> Running:
        return device(self._options, environment=self._environment, rate=RATE, seed=self._chance.getrandbits(30))

    def _start_again(self) -> None:
        self._ended.append(self._running)
        self._running = self._started()

    def _wait(self) -> None:
        time.sleep(self._chance.uniform(0.2, 2.0))

    def _kill(self) -> None:
        self._wait()
        self._running.kill()
        self._start_again()

    def _stop(self) -> None:
        self._wait()
        self._running.stop()
        # One that had hardly started knows no signals yet.
        assert self._running.process.returncode in (0, -signal.SIGTERM), self._running.log[-20:]
        self._start_again()

    def _cut_power(self) -> None:
        self._disk.cut_power(self._chance.randint(1, 200), self._running.process.pid)
        self._running.wait(60)
        self._disk.power_on()
        self._start_again()

    def _fail_the_disk(self) -> None:
        self._disk.fail(self._chance.choice((Fault.READ_ONLY, Fault.FULL, Fault.FSYNC)))
        self._wait()
        self._disk.fail(Fault.NONE)
        # What it said before may come a moment late; then only what is on disk is called recorded.
        time.sleep(1.0)
        mended = len(self._running.log)
        assert wait_until(lambda: any(map(_is_on_disk, self._running.log[mended:])), 60), self._running.log[-20:]

    def _set_the_clock(self) -> None:
        set_clock(self._clock, self._chance.choice(OFFSETS))
        self._wait()

    def _without_broker(self) -> Callable[[], object]:
        # Killed while its subscriber is away or behind, a broker loses what it holds for it and has acknowledged.
        if self.witness.is_connected and self._chance.random() < 0.5:
            process = self._running.process
            process.send_signal(signal.SIGSTOP)
            try:
                self._wait_until_heard()
                self.broker.kill()
            finally:
                process.send_signal(signal.SIGCONT)
        else:
            self.broker.stop()
        return self.broker.start

    def _wait_until_heard(self) -> None:
        """Until nothing has come for a while: all that the broker has acknowledged was heard."""
        heard = -1
        while heard < len(self.witness.messages):
            heard = len(self.witness.messages)
            time.sleep(0.5)

    def _with_frozen_broker(self) -> Callable[[], object]:
        self.broker.freeze()
        return self.broker.resume


def _is_on_disk(line: str) -> bool:
    """Whether a line of the log says that events go to the disk; the ends of an earlier process go there before."""
    return "INFO recorded" in line and "which was open" not in line


def soak(folder: Path, rounds: int, seed: int) -> Outcome:
    """All of it, for as many seconds as there are rounds."""
    with closing(Soak(folder, seed)) as happening:
        witness = happening.witness
        started = time.monotonic()
        while time.monotonic() - started < rounds:
            happening.step()
        back = time.monotonic()
        recorded, decided = happening.finish()
        wait_until(lambda: arrived(witness.events()) >= set(recorded), 30)
        outcome = compare(
            "all at random",
            witness.events(),
            recorded=recorded,
            decided=decided,
            recovery=time.monotonic() - back,
        )
        outcome.tries = happening.done.total()
        outcome.details = happening.said_of(set(recorded) - arrived(witness.events()))
        outcome.remark = ", ".join(f"{name.replace('_', ' ')} {times}" for name, times in happening.done.most_common())
        if happening.set_aside:
            # None of these faults damages a file.
            outcome.remark += f"; {happening.set_aside} outboxes set aside"
    return outcome
