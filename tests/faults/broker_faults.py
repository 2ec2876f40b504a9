"""The broker goes away and comes back, refuses, or is none."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peak_memory import mebibytes
from tests.certificates import authority, issue, tls_listener
from tests.conftest import Mosquitto, free_port
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import Happening, Running, settings
from tests.faults.scripted_broker import REFUSALS_3, REFUSALS_5, TAKE_EVENTS, Manner, ScriptedBroker
from tests.subscriber import Subscriber, wait_until

PERSISTENT = ("allow_anonymous true", "persistence true", "max_inflight_messages 0", "max_queued_messages 0")
SAVES_AT_ONCE = ("autosave_interval 1", "autosave_on_changes true")
STATUS = "facemask/pi/status"
EVENTS = "facemask/pi/door/violation"
MOST_GROWTH = 30.0
"""MiB that a device may take more because of what a broker does."""
MOST_THREADS = 12
LIMIT = 2000
"""Bytes of the largest packet that a strict broker takes."""
PATIENT = 2
"""Rounds from which on the real time limits are waited for."""


class Watched:
    """A subscriber that misses nothing, and the devices that run one after the other on one outbox."""

    def __init__(self, witness: Subscriber, listener: Subscriber, options: Sequence[str]) -> None:
        self.witness = witness
        self._listener = listener
        """Hears what a broker that is killed had sent to the other one, who could not acknowledge it."""
        self.elsewhere: Callable[[], list[dict[str, Any]]] = list
        """Events that another broker than the subscriber's took."""
        self.keeps_order = True
        """Whether what arrives out of order counts."""
        self._options = options
        self._ran: list[Running] = []
        self._environment: dict[str, str] = {}

    def run(self, *, is_patient: bool = True, large: int = 0, **more: object) -> Running:
        """Start a device; ``large`` makes every so many violations one of 5 kB."""
        self._environment = {
            **({"FAULTS_PATIENT": "1"} if is_patient else {}),
            **({"FAULTS_LARGE": str(large)} if large else {}),
        }
        return self._start(**more)

    @property
    def recorded(self) -> set[Happening]:
        return {happening for ran in self._ran for happening in list(ran.recorded)}

    @property
    def arrived(self) -> set[Happening]:
        return arrived([*self.witness.events(), *self._listener.events(), *self.elsewhere()])

    def recover(self, seconds: float = 90, *, without: Callable[[], Iterable[Happening]] = list) -> float:
        """Wait until all that is recorded by now has arrived; the seconds that took."""
        expected, started = self.recorded, time.monotonic()
        assert wait_until(lambda: expected.difference(without()) <= self.arrived, seconds), (
            f"{len(expected - self.arrived)} of {len(expected)} have not arrived",
            self._ran[-1].log[-20:],
        )
        return time.monotonic() - started

    def finish(self, fault: str, *, recovery: float, dead: Iterable[Happening] = ()) -> Outcome:
        """Stop the device, deliver what it left, and count; ``dead`` cannot be delivered."""
        last = self._ran[-1]
        assert last.process.poll() is None, last.log[-20:]
        last.stop()
        # What was not acknowledged in time waits for the next start.
        self._environment.pop("FAULTS_LARGE", None)
        self._start(count=1, drain=90).wait(120)
        for ran in self._ran:
            assert not ran.has_said("Traceback"), ran.log
            assert not ran.has_said("fault of the program"), ran.log
        expected = self.recorded.difference(dead)
        wait_until(lambda: expected <= self.arrived, 10)
        elsewhere = [*self.elsewhere(), *self._only_listened_to()]
        events = [*self.witness.events(), *elsewhere]
        if elsewhere or not self.keeps_order:
            # Two together have no order of arrival.
            events.sort(key=lambda event: int(event["sequence"]))
        return compare(
            fault,
            events,
            recorded=expected,
            decided=[happening for ran in self._ran for happening in ran.decided],
            recovery=recovery,
        )

    def _only_listened_to(self) -> list[dict[str, Any]]:
        known = {(event["stream"], event["sequence"]) for event in self.witness.events()}
        heard = {(event["stream"], event["sequence"]): event for event in self._listener.events()}
        return [event for key, event in heard.items() if key not in known]

    def break_and_mend(
        self, rounds: int, *, break_it: Callable[[], object], mend: Callable[[], object], says: str
    ) -> float:
        """Break something several times: the device says so and nothing arrives; mend it: everything does.

        Returns:
            The longest time in seconds that this took.
        """
        running = self._ran[-1]
        recovery = 0.0
        for _ in range(rounds):
            already = len(running.log)
            break_it()
            assert wait_until(lambda: any(says in line for line in running.log[already:]), 90), running.log  # noqa: B023 - in this turn
            before = self.recorded
            time.sleep(1.0)
            assert not (self.recorded - before) & self.arrived
            mend()
            recovery = max(recovery, self.recover())
        return recovery

    def _start(self, **more: object) -> Running:
        module = "device" if self._environment == {"FAULTS_PATIENT": "1"} else "impatient_device"
        own = [part for key, value in more.items() for part in (f"--{key}", str(value))]
        environment = {**os.environ, **self._environment}
        self._ran.append(Running(f"tests.faults.{module}", *own, *self._options, environment=environment))
        return self._ran[-1]


@contextmanager
def _watched(broker: Mosquitto, options: Sequence[str]) -> Iterator[Watched]:
    """A running broker with its subscriber."""
    broker.start()
    try:
        with (
            closing(Subscriber(broker.port, persistent=True)) as witness,
            closing(Subscriber(broker.port, qos=0)) as listener,
        ):
            yield Watched(witness, listener, options)
    finally:
        broker.stop()


def broker_killed(folder: Path, rounds: int, seed: int) -> Outcome:
    """Mosquitto is killed (SIGKILL) while violations flow, and started again."""
    return _killed("broker killed", folder, rounds, seed, protocol="5")


def mqtt_3_1_1(folder: Path, rounds: int, seed: int) -> Outcome:
    """The same with a device that speaks MQTT 3.1.1."""
    return _killed("broker killed, MQTT 3.1.1", folder, rounds, seed, protocol="3.1.1")


def _killed(fault: str, folder: Path, rounds: int, seed: int, *, protocol: str) -> Outcome:
    chance = random.Random(seed)
    broker = Mosquitto(folder, *PERSISTENT, *SAVES_AT_ONCE)
    recovery = 0.0
    with _watched(broker, settings(folder, broker.url, mqtt__protocol=protocol)) as watched:
        watched.run(rate=30)
        for _ in range(rounds):
            time.sleep(chance.uniform(0.3, 1.5))
            broker.kill()
            time.sleep(chance.uniform(0.0, 1.0))
            broker.start()
            recovery = max(recovery, watched.recover())
        outcome = watched.finish(fault, recovery=recovery)
    outcome.tries = rounds
    return outcome


def broker_stopped(folder: Path, rounds: int, seed: int) -> Outcome:
    """Mosquitto is stopped for as many seconds as there are rounds, while violations flow."""
    broker = Mosquitto(folder, *PERSISTENT)
    with _watched(broker, settings(folder, broker.url)) as watched:
        watched.run(rate=20, seed=seed)
        assert wait_until(lambda: bool(watched.witness.events()), 30)
        broker.stop()
        time.sleep(rounds)
        broker.start()
        outcome = watched.finish("broker stopped", recovery=watched.recover(120))
    outcome.remark = f"for {rounds} s"
    return outcome


def wrong_ca(folder: Path, rounds: int, seed: int) -> Outcome:
    """The broker's certificate is signed by somebody unknown; later by the one it should be."""
    return _wrong_certificate("certificate not trusted", folder, rounds, seed, says="certificate is not trusted")


def wrong_host_name(folder: Path, rounds: int, seed: int) -> Outcome:
    """The broker's certificate is for another host; later for this one."""
    return _wrong_certificate(
        "certificate for another host", folder, rounds, seed, says="certificate is for another name"
    )


def _wrong_certificate(fault: str, folder: Path, rounds: int, seed: int, *, says: str) -> Outcome:
    known, unknown = authority(folder / "known.pem"), authority(folder / "unknown.pem")
    (folder / "wrong").mkdir()
    port = free_port()
    right = tls_listener(port, *issue(known, "localhost", folder))
    signed_by, name = (known, "another.example") if "name" in says else (unknown, "localhost")
    wrong = tls_listener(port, *issue(signed_by, name, folder / "wrong"))
    broker = Mosquitto(folder, *PERSISTENT, *wrong)
    with _watched(broker, settings(folder, f"mqtts://localhost:{port}", mqtt__ca=str(folder / "known.pem"))) as watched:
        watched.run(rate=20, seed=seed)
        recovery = watched.break_and_mend(
            rounds, break_it=lambda: _restart(broker, *wrong), mend=lambda: _restart(broker, *right), says=says
        )
        outcome = watched.finish(fault, recovery=recovery)
    outcome.tries = rounds
    return outcome


def _restart(broker: Mosquitto, *more: str) -> None:
    broker.stop()
    broker.configure(*PERSISTENT, *more)
    broker.start()


def wrong_password(folder: Path, rounds: int, seed: int) -> Outcome:
    """The device's file holds a wrong password, and later the right one."""
    secret, passwords = folder / "secret", folder / "passwords"
    program = shutil.which("mosquitto_passwd")
    assert program
    subprocess.run([program, "-b", "-c", str(passwords), "pi", "the-right-one"], check=True)
    port = free_port()
    # The subscriber's listener lets everybody in, the device's asks.
    asks = [f"listener {port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}"]
    broker = Mosquitto(folder, "per_listener_settings true", *PERSISTENT, *asks)
    options = settings(folder, f"mqtt://127.0.0.1:{port}", mqtt__username="pi", mqtt__password_file=str(secret))

    def break_it() -> None:
        secret.write_text("not-this-one\n")
        # Only who connects is asked.
        broker.stop()
        broker.start()

    with _watched(broker, options) as watched:
        secret.write_text("the-right-one\n")
        running = watched.run(rate=20, seed=seed)
        recovery = watched.break_and_mend(
            rounds,
            break_it=break_it,
            mend=lambda: secret.write_text("the-right-one\n"),
            says="check mqtt.username",
        )
        outcome = watched.finish("wrong password", recovery=recovery)
        assert not running.has_said("-one"), "a password in the log"
    outcome.tries = rounds
    return outcome


def acl_denies(folder: Path, rounds: int, seed: int) -> Outcome:
    """The broker's access rules deny events, and allow them later."""
    rules = folder / "acl"
    denying = f"topic read #\ntopic write {STATUS}\ntopic write facemask/pi/health\n"
    # Without a limit to this number, Mosquitto 2.0.11 ends the connection after it has refused an event: the device
    # would try again because it has connected, not because its time to wait is over.
    limited = "max_queued_messages 1000000"
    broker = Mosquitto(folder, *PERSISTENT[:-1], limited, f"acl_file {rules}")

    def rule(text: str) -> None:
        rules.write_text(text)
        broker.reload()

    rules.write_text(denying)
    with _watched(broker, settings(folder, broker.url)) as watched:
        running = watched.run(is_patient=rounds >= PATIENT, rate=10, seed=seed)
        recovery = watched.break_and_mend(
            rounds,
            break_it=lambda: rule(denying),
            mend=lambda: rule(f"{denying}topic write {EVENTS}\n"),
            says="does not allow events",
        )
        assert not running.has_said(" lost: "), running.log
        outcome = watched.finish("access rules deny", recovery=recovery)
    outcome.tries = rounds
    return outcome


def too_large(folder: Path, rounds: int, seed: int) -> Outcome:
    """Some events are larger than the broker takes, which it says when the device connects (MQTT 5)."""
    return _large_events("events too large", folder, rounds, seed, protocol="5")


def too_large_unsaid(folder: Path, rounds: int, seed: int) -> Outcome:
    """The same with MQTT 3.1.1: the broker ends the connection whenever such an event is sent."""
    return _large_events("events too large, MQTT 3.1.1", folder, rounds, seed, protocol="3.1.1")


def _large_events(fault: str, folder: Path, rounds: int, seed: int, *, protocol: str) -> Outcome:
    """One large violation a round, each with its start and its end."""
    broker = Mosquitto(folder, *PERSISTENT, f"max_packet_size {LIMIT}")
    with _watched(broker, settings(folder, broker.url, mqtt__protocol=protocol)) as watched:
        running = watched.run(is_patient=False, large=10, rate=5, seed=seed)
        assert wait_until(lambda: bool(running.recorded), 30)
        assert wait_until(lambda: len(_dead_letters(folder)) >= 2 * rounds, 60 + 60 * rounds), running.log[-20:]
        running.stop()
        # With MQTT 3.1.1 it takes others that come through to prove that the rest never will.
        watched.run(is_patient=False, rate=5)
        recovery = watched.recover(120, without=lambda: _dead_letters(folder))
        dead = _dead_letters(folder)
        outcome = watched.finish(fault, recovery=recovery, dead=dead)
        assert sorted(dead.values()) == _gaps(watched.witness.events()), "a gap is exactly a dead letter"
    outcome.tries = rounds
    outcome.remark = f"{len(dead)} dead letters, each a gap"
    return outcome


def _dead_letters(folder: Path) -> dict[Happening, int]:
    """What the outbox holds of them, with their sequence numbers."""
    with closing(sqlite3.connect(f"file:{folder}/outbox.sqlite3?mode=ro", uri=True, timeout=30)) as outbox:
        rows = outbox.execute("SELECT payload, sequence FROM events WHERE dead_reason IS NOT NULL").fetchall()
    events = ((json.loads(payload), sequence) for payload, sequence in rows)
    return {Happening(event["id"], event["event_type"]): sequence for event, sequence in events}


def _gaps(events: Sequence[dict[str, Any]]) -> list[int]:
    numbers = {int(event["sequence"]) for event in events}
    return [number for number in range(1, max(numbers)) if number not in numbers]


def first_server_back(folder: Path, rounds: int, seed: int) -> Outcome:
    """The first of two brokers is away for a while: the second is used, and the first again when it is back."""
    for name in ("first", "second"):
        (folder / name).mkdir()
    first, second = Mosquitto(folder / "first", *PERSISTENT), Mosquitto(folder / "second", *PERSISTENT)
    recovery = 0.0
    with _watched(second, ()) as on_second, _watched(first, settings(folder, first.url, second.url)) as watched:
        witness = on_second.witness
        watched.elsewhere = witness.events
        running = watched.run(is_patient=rounds >= PATIENT, rate=10, seed=seed)
        for turn in range(1, rounds + 1):
            assert wait_until(lambda: running.log.count(f"INFO connected to {first.url}") == turn, 90)  # noqa: B023 - in this turn
            first.stop()
            heard = len(witness.events())
            assert wait_until(lambda: len(witness.events()) > heard, 30), running.log  # noqa: B023 - in this turn
            first.start()
            started = time.monotonic()
            assert wait_until(lambda: running.log.count(f"INFO {first.url} is back") == turn, 90), running.log  # noqa: B023 - in this turn
            recovery = max(recovery, time.monotonic() - started)
            assert wait_until(lambda: witness.payloads(STATUS)[-1] == "offline"), "what the second one says"
        watched.recover()
        outcome = watched.finish("first server back", recovery=recovery)
    outcome.tries = rounds
    outcome.remark = "recovered: used again"
    return outcome


def broker_silent(folder: Path, rounds: int, seed: int) -> Outcome:
    """It accepts connections and never answers."""
    return _scripted("broker never answers", folder, rounds, seed, [Manner.SILENT, Manner.HALF_A_CONNACK])


def broker_drops_connections(folder: Path, rounds: int, seed: int) -> Outcome:
    """It ends the connection after each PUBLISH, after each event, after each event that it acknowledged."""
    manners = [Manner.DROPS_ALL, Manner.DROPS_EVENTS, Manner.DROPS_ACKNOWLEDGED]
    return _scripted("broker ends connections", folder, rounds, seed, manners, tries=5)


def broker_never_acknowledges(folder: Path, rounds: int, seed: int) -> Outcome:
    """It takes everything and acknowledges nothing, or sends half of an acknowledgement."""
    manners = [Manner.NEVER_ACKNOWLEDGES, Manner.HALF_A_PACKET]
    return _scripted("broker never acknowledges", folder, rounds, seed, manners)


def broker_sends_garbage(folder: Path, rounds: int, seed: int) -> Outcome:
    """It sends bytes by chance."""
    return _scripted("broker sends garbage", folder, rounds, seed, [Manner.GARBAGE, Manner.LATER_GARBAGE], tries=10)


def broker_sends_huge_packet(folder: Path, rounds: int, seed: int) -> Outcome:
    """It sends a packet of 200 MB."""
    return _scripted("broker sends 200 MB", folder, rounds, seed, [Manner.HUGE_PACKET])


def broker_refuses(folder: Path, rounds: int, seed: int) -> Outcome:
    """It answers with each reason that MQTT knows for refusing a connection."""
    outcome = _scripted("broker refuses", folder, rounds, seed, [Manner.REFUSES], tries=len(REFUSALS_5))
    outcome.add(
        _scripted("broker refuses", folder, rounds, seed, [Manner.REFUSES], tries=len(REFUSALS_3), protocol="3.1.1")
    )
    return outcome


def _scripted(  # noqa: PLR0913 - what a scenario is made of
    fault: str, folder: Path, rounds: int, seed: int, manners: Sequence[Manner], *, tries: int = 3, protocol: str = "5"
) -> Outcome:
    """Each manner, until the device has tried some times; then a good broker is at the same place."""
    outcome = Outcome(fault)
    for number, manner in enumerate(list(manners) * rounds):
        own = folder / f"{manner.name}-{protocol}-{number}"
        own.mkdir()
        outcome.add(_meets(fault, own, manner, seed + number, tries=tries, protocol=protocol))
    return outcome


def _meets(  # noqa: PLR0913 - what a scenario is made of
    fault: str, folder: Path, manner: Manner, seed: int, *, tries: int, protocol: str
) -> Outcome:
    scripted = ScriptedBroker(manner, seed=seed)
    # The subscriber has a port of its own: it shall meet the good broker only.
    good = Mosquitto(folder, *PERSISTENT)
    with _watched(good, settings(folder, scripted.url, mqtt__protocol=protocol)) as watched:
        running = watched.run(is_patient=False, rate=10, seed=seed)
        assert wait_until(lambda: scripted.connections >= 1, 60), running.log
        before = mebibytes("VmHWM", running.process.pid) or 0.0
        assert wait_until(lambda: scripted.connections > tries, 30 + 6 * tries), running.log[-20:]
        assert any("trying again in" in line for line in list(running.log))
        watched.elsewhere = lambda: scripted.events
        # Another event may go first there, to find out whether the first one is the reason.
        watched.keeps_order = manner not in (Manner.DROPS_EVENTS, Manner.HALF_A_PACKET, Manner.LATER_GARBAGE)
        scripted.close()
        _restart(good, f"listener {scripted.port} 127.0.0.1")
        recovery = watched.recover()
        growth = (mebibytes("VmHWM", running.process.pid) or 0.0) - before
        assert growth < MOST_GROWTH, f"{manner} makes a device grow by {growth} MiB"
        threads = len(list(Path(f"/proc/{running.process.pid}/task").iterdir()))
        assert threads < MOST_THREADS, f"{manner} leaves {threads} threads"
        outcome = watched.finish(fault, recovery=recovery)
    outcome.tries = scripted.connections
    return outcome


def bad_first_server(folder: Path, rounds: int, seed: int) -> Outcome:
    """The first server does what none should, in each manner; everything arrives at the second."""
    outcome = Outcome("bad first server")
    # Those that take events are good ones: nobody orders anything here.
    manners = [manner for manner in Manner if manner not in TAKE_EVENTS]
    for number, manner in enumerate(manners * rounds):
        own = folder / f"{manner.name}-{number}"
        own.mkdir()
        outcome.add(_manages_with_the_second(own, manner, seed + number))
    return outcome


def _manages_with_the_second(folder: Path, manner: Manner, seed: int) -> Outcome:
    scripted, good = ScriptedBroker(manner, seed=seed), Mosquitto(folder, *PERSISTENT)
    with _watched(good, settings(folder, scripted.url, good.url)) as watched:
        watched.elsewhere = lambda: scripted.events
        running = watched.run(is_patient=False, rate=10, seed=seed)
        assert wait_until(lambda: scripted.connections >= 3, 60), running.log
        recovery = watched.recover()
        scripted.close()
        return watched.finish("bad first server", recovery=recovery)
