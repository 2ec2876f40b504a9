"""The disk forgets, is full, cannot be written, or is damaged; the power is cut."""

import itertools
import json
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facemask_edge.events import Changes
from facemask_edge.store import DISK_TRIES, Store
from tests.conftest import Mosquitto
from tests.faults.forgetful_disk import SLOW_FSYNC, Fault, ForgetfulDisk
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import Happening, Running, device, settings
from tests.faults.small_disk import fill, small_disk
from tests.subscriber import Subscriber, wait_until

OUTBOX = "outbox.sqlite3"
NEW_DISK = 0.2
"""Share of the power cuts after which a new, empty disk is put in."""
DEVICE_ROUNDS = 40
"""Power cuts of a store alone for each one of a whole device."""
FLAKY_BEFORE = 4
"""Power cuts of which one finds a disk that failed and worked again."""
DAMAGES = 10
"""Tries with copies of the same outbox, each damaged in another way."""
PATIENCE = 90.0
"""Seconds to wait for what must come at some time; the store tries a failing disk every ten."""


def power_cut(folder: Path, rounds: int, seed: int) -> Outcome:
    """The power is cut at a random write or fsync: of a store alone, and of a device that is connected."""
    chance = random.Random(seed)
    outcome = _power_cuts_of_a_store(folder / "store", rounds, chance)
    outcome.add(_power_cuts_of_a_device(folder, 1 + rounds // DEVICE_ROUNDS, chance))
    return outcome


def disk_full(folder: Path, rounds: int, seed: int) -> Outcome:
    """A disk of 2 MB is filled while violations flow, and has room again later."""
    with small_disk(folder) as disk:
        disk_fault = _DiskFault("disk full", disk, lambda: fill(disk), (disk / "filler").unlink)
        return _disk_fails(disk_fault, folder, rounds, seed)


def disk_read_only(folder: Path, rounds: int, seed: int) -> Outcome:
    """The disk goes read-only under a running device, as a worn SD card does, and comes back."""
    return _forgetful_disk_fails("disk read-only", folder, rounds, seed, Fault.READ_ONLY)


def disk_failing(folder: Path, rounds: int, seed: int) -> Outcome:
    """Each fsync fails, or every other one by chance, until the disk works again."""
    return _forgetful_disk_fails("disk failing", folder, rounds, seed, Fault.FSYNC, Fault.FLAKY)


def disk_slow(folder: Path, rounds: int, seed: int) -> Outcome:
    """Each fsync takes two seconds: who decides must not notice."""
    with (
        closing(ForgetfulDisk(folder, seed)) as disk,
        _broker_and_witness(folder) as (broker, witness),
        _killed_at_last() as runs,
    ):
        options = settings(disk.path, broker.url)
        runs.append(device(options, rate=20, seed=seed))
        _wait_for_more(witness)
        disk.fail(Fault.SLOW)
        for _ in range(rounds):
            _wait_for_more(witness, 50)
        disk.fail(Fault.NONE)
        _wait_for_more(witness)
        runs[-1].stop()
        _run_once_more(runs, options)
        outcome = _compared("disk slow", witness, runs, tries=rounds, recovery=0.0)
    pause = runs[0].longest_pause
    assert pause < SLOW_FSYNC, f"decisions waited {pause:.1f} s for the disk"
    outcome.remark = f"longest pause between decisions {pause:.2f} s, an fsync took {SLOW_FSYNC:.0f} s"
    return outcome


def disk_full_from_the_start(folder: Path, rounds: int, seed: int) -> Outcome:
    """The device is started on a full disk: a new one, then one with an outbox; on every second no file can be made."""
    name = "disk full from the start"
    outcome = Outcome(name)
    with (
        small_disk(folder) as small,
        closing(ForgetfulDisk(folder / "forgetful", seed)) as forgetful,
        _broker_and_witness(folder) as (broker, witness),
    ):
        faults = (
            _DiskFault(name, small, lambda: fill(small), (small / "filler").unlink),
            _DiskFault(name, forgetful.path, lambda: forgetful.fail(Fault.FULL), lambda: forgetful.fail(Fault.NONE)),
        )
        for number in range(rounds):
            outcome.add(_start_on_a_full_disk(faults[number % 2], broker, witness))
    return outcome


def damaged(folder: Path, rounds: int, seed: int) -> Outcome:
    """The outbox is damaged between two runs; what is whole may arrive, what is new must."""
    chance = random.Random(seed)
    outcome = Outcome("outbox damaged")
    losses = _Losses()
    with _broker_and_witness(folder) as (broker, witness):
        for number in range(rounds):
            if number % DAMAGES == 0:
                whole, earlier = folder / f"whole-{number}", _Earlier()
                _record_without_broker(whole, earlier, count=30 if rounds < DAMAGES else 150)
            tried = folder / f"damaged-{number}"
            shutil.copytree(whole, tried)
            _damage(tried, chance)
            outcome.add(_start_on_a_damaged_outbox(tried, earlier, broker, witness, losses))
    outcome.remark = str(losses)
    return outcome


def _power_cuts_of_a_store(folder: Path, rounds: int, chance: random.Random) -> Outcome:
    events: list[dict[str, Any]] = []
    with closing(ForgetfulDisk(folder, chance.getrandbits(32))) as disk, _killed_at_last() as runs:
        for number in range(1, rounds + 1):
            runs.append(Running("tests.faults.outbox_writer", str(disk.path / OUTBOX), str(chance.getrandbits(32))))
            if number % FLAKY_BEFORE == 0:
                _be_flaky(disk, runs[-1])
            disk.cut_power(chance.randint(1, chance.choice((40, 400, 2000))), runs[-1].process.pid)
            assert runs[-1].wait() == -signal.SIGKILL, runs[-1].log[-20:]
            disk.power_on()
            events += _delivered(runs[-1])
            _check_integrity(disk.path, folder / "copy")
            is_last_of_disk = number == rounds or chance.random() < NEW_DISK
            events += _read_again(disk.path, acknowledge=is_last_of_disk or chance.random() < 0.5)
            missing = set(runs[-1].recorded) - arrived(events)
            assert not missing, f"power cut number {number}: {missing}"
            if is_last_of_disk:
                disk.replace()
    outcome = compare(
        "power cut",
        events,
        recorded=[happening for running in runs for happening in running.recorded],
        decided=[happening for running in runs for happening in running.decided],
    )
    outcome.tries = rounds
    return outcome


def _be_flaky(disk: ForgetfulDisk, writer: Running) -> None:
    """The disk fails now and then, and works again before the power is cut."""
    disk.fail(Fault.FLAKY)
    assert wait_until(lambda: list(writer.log).count("kept memory") >= 5, PATIENCE), writer.log[-20:]
    disk.fail(Fault.NONE)
    # What is in memory when the power is cut may have been delivered, and is delivered once more if the disk kept some
    # of it: that is not to be had otherwise, and not counted here.
    known = list(writer.log).count("kept disk")
    assert wait_until(lambda: list(writer.log).count("kept disk") >= known + 5, PATIENCE), writer.log[-20:]


def _delivered(writer: Running) -> list[dict[str, Any]]:
    said = "delivered "
    return [json.loads(line.removeprefix(said)) for line in writer.log if line.startswith(said)]


def _check_integrity(folder: Path, copy: Path) -> None:
    """Nothing looks damaged; asked of a copy, because asking changes the file."""
    assert not list(folder.glob("*.damaged-*"))
    copy.mkdir(exist_ok=True)
    for ending in ("", "-wal", "-journal"):
        (copy / f"{OUTBOX}{ending}").unlink(missing_ok=True)
        if (folder / f"{OUTBOX}{ending}").exists():
            shutil.copy(folder / f"{OUTBOX}{ending}", copy)
    with closing(sqlite3.connect(copy / OUTBOX)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _read_again(folder: Path, *, acknowledge: bool) -> list[dict[str, Any]]:
    """What a new store delivers after a power cut."""
    with closing(Store(folder / OUTBOX, max_bytes=50_000_000)) as store:
        messages = store.take(1_000_000)
        store.commit(Changes(delivered=[message.key for message in messages] if acknowledge else []))
        state = store.state()
        assert (state.kept, state.set_aside, state.dead_letters) == ("disk", None, 0)
    return [json.loads(message.payload) for message in messages]


def _power_cuts_of_a_device(folder: Path, rounds: int, chance: random.Random) -> Outcome:
    with (
        closing(ForgetfulDisk(folder / "device", chance.getrandbits(32))) as disk,
        _broker_and_witness(folder) as (broker, witness),
        _killed_at_last() as runs,
    ):
        options = settings(disk.path, broker.url)
        for _ in range(rounds):
            runs.append(device(options, rate=30))
            disk.cut_power(chance.randint(1, 2000), runs[-1].process.pid)
            assert runs[-1].wait() == -signal.SIGKILL, runs[-1].log[-20:]
            disk.power_on()
            _check_integrity(disk.path, folder / "copy")
        powered = time.monotonic()
        _run_once_more(runs, options)
        return _compared("power cut", witness, runs, tries=rounds, recovery=time.monotonic() - powered)


@dataclass(frozen=True, slots=True)
class _DiskFault:
    """How a disk fails and works again."""

    name: str
    disk: Path
    fail: Callable[[], object]
    mend: Callable[[], object]


def _forgetful_disk_fails(name: str, folder: Path, rounds: int, seed: int, *faults: Fault) -> Outcome:
    turns = itertools.cycle(faults)
    with closing(ForgetfulDisk(folder, seed)) as disk:
        disk_fault = _DiskFault(name, disk.path, lambda: disk.fail(next(turns)), lambda: disk.fail(Fault.NONE))
        return _disk_fails(disk_fault, folder, rounds, seed)


def _disk_fails(fault: _DiskFault, folder: Path, rounds: int, seed: int) -> Outcome:
    """The disk fails while violations flow, and works again."""
    chance = random.Random(seed)
    recovery = 0.0
    with _broker_and_witness(folder) as (broker, witness), _killed_at_last() as runs:
        options = settings(fault.disk, broker.url)
        runs.append(device(options, rate=10, seed=seed))
        for number in range(rounds):
            _wait_for_more(witness)
            time.sleep(chance.uniform(0, 0.5))
            fault.fail()
            _wait_for_health(witness, "memory")
            # Delivered from memory meanwhile.
            _wait_for_more(witness)
            if number % 2:
                # The device finds out that the disk does not work yet.
                time.sleep(DISK_TRIES * chance.uniform(1, 2))
            recovery = max(recovery, _mend(fault, witness))
        assert runs[-1].process.poll() is None
        runs[-1].stop()
        _run_once_more(runs, options)
        return _compared(fault.name, witness, runs, tries=rounds, recovery=recovery)


def _start_on_a_full_disk(fault: _DiskFault, broker: Mosquitto, witness: Subscriber) -> Outcome:
    heard = len(witness.events())
    options = settings(fault.disk, broker.url)
    with _killed_at_last() as runs:
        fault.fail()
        runs.append(device(options, rate=10))
        _wait_for_health(witness, "memory")
        _wait_for_more(witness)
        recovery = _mend(fault, witness)
        # Killed, so that the next one finds open violations.
        _wait_for_more(witness)
        runs[-1].kill()
        _run_once_more(runs, options)
        return _compared(fault.name, witness, runs, heard=heard, recovery=recovery)


def _mend(fault: _DiskFault, witness: Subscriber) -> float:
    """Seconds until the device uses the disk again."""
    fault.mend()
    mended = time.monotonic()
    _wait_for_health(witness, "disk")
    return time.monotonic() - mended


@dataclass(slots=True)
class _Earlier:
    """What was recorded before the damage."""

    decided: set[Happening] = field(default_factory=set)
    recorded: set[Happening] = field(default_factory=set)


@dataclass(slots=True)
class _Losses:
    """What the damage took with it."""

    recorded: int = 0
    lost: int = 0
    set_aside: int = 0

    def __str__(self) -> str:
        return f"{self.lost} of {self.recorded} earlier events lost by damage, {self.set_aside} outboxes set aside"


def _record_without_broker(folder: Path, earlier: _Earlier, *, count: int) -> None:
    """One device that ends as it should, and one that is killed: its events are in the write-ahead log."""
    options = settings(folder, "mqtt://127.0.0.1:1")
    with _killed_at_last() as runs:
        runs.append(device(options, rate=200, count=count))
        runs[-1].wait()
        runs.append(device(options, rate=100))
        assert wait_until(lambda: len(runs[-1].recorded) >= count, PATIENCE)
        runs[-1].kill()
    for running in runs:
        earlier.decided.update(running.decided)
        earlier.recorded.update(running.recorded)


def _damage(folder: Path, chance: random.Random) -> None:
    files = [folder / OUTBOX, folder / f"{OUTBOX}-wal"]
    for file in chance.choice((files[:1], files[1:], files)):
        content = bytearray(file.read_bytes())
        place = chance.randrange(len(content))
        match chance.choice(("truncated", "flipped", "flipped", "overwritten")):
            case "truncated":
                del content[place:]
            case "flipped":
                for _ in range(chance.choice((1, 1, 4, 50))):
                    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            case "overwritten":
                content[place : place + 4096] = chance.randbytes(len(content[place : place + 4096]))
        file.write_bytes(content)


def _start_on_a_damaged_outbox(
    folder: Path, earlier: _Earlier, broker: Mosquitto, witness: Subscriber, losses: _Losses
) -> Outcome:
    heard = len(witness.events())
    running = device(settings(folder, broker.url), rate=50, count=5, drain=60)
    assert running.wait(PATIENCE) == 0, running.log[-20:]
    wait_until(lambda: arrived(witness.events()[heard:]) >= set(running.recorded), 10)
    events = witness.events()[heard:]
    found = arrived(events)
    losses.recorded += len(earlier.recorded)
    losses.lost += len(earlier.recorded - found)
    losses.set_aside += bool(list(folder.glob("*.damaged-*")))
    ids = {happening.id for happening in earlier.recorded}
    # The end of a violation whose start was lost by the damage is no invention.
    halves = {id_ for id_ in ids if Happening(id_, "violation_start") not in found}
    return compare(
        "outbox damaged",
        [event for event in events if event["id"] not in halves],
        recorded=[happening for happening in running.recorded if happening.id not in halves],
        decided=earlier.decided | set(running.decided),
        are_open=ids,
    )


def _run_once_more(runs: list[Running], options: list[str]) -> None:
    """All that waits is delivered, and what was left open ends."""
    runs.append(device(options, count=1, drain=PATIENCE))
    assert runs[-1].wait(2 * PATIENCE) == 0, runs[-1].log[-20:]


@contextmanager
def _killed_at_last() -> Iterator[list[Running]]:
    """A list of devices of which none runs on, whatever happens."""
    runs: list[Running] = []
    try:
        yield runs
    finally:
        for running in runs:
            if running.process.poll() is None:
                running.kill()


def _compared(  # noqa: PLR0913 - of the outcome
    name: str, witness: Subscriber, runs: list[Running], *, heard: int = 0, tries: int = 1, recovery: float
) -> Outcome:
    recorded = {happening for running in runs for happening in running.recorded}
    wait_until(lambda: arrived(witness.events()[heard:]) >= recorded, 10)
    outcome = compare(
        name,
        witness.events()[heard:],
        recorded=recorded,
        decided=[happening for running in runs for happening in running.decided],
        recovery=recovery,
    )
    outcome.tries = tries
    return outcome


def _wait_for_more(witness: Subscriber, number: int = 10) -> None:
    heard = len(witness.events())
    assert wait_until(lambda: len(witness.events()) >= heard + number, PATIENCE)


def _wait_for_health(witness: Subscriber, kept: str) -> None:
    """Until the device says where it keeps events; in memory only with a reason."""

    def says_so() -> bool:
        said = witness.healths()
        outbox = said[-1]["outbox"] if said else {}
        return bool(outbox) and (outbox["kept"], outbox["fault"] is None) == (kept, kept == "disk")

    assert wait_until(says_so, PATIENCE), witness.healths()[-3:]


@contextmanager
def _broker_and_witness(folder: Path) -> Iterator[tuple[Mosquitto, Subscriber]]:
    broker = Mosquitto(folder).start()
    try:
        with closing(Subscriber(broker.port)) as witness:
            yield broker, witness
    finally:
        broker.stop()
