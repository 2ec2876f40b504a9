"""The daemon itself is killed, or told to stop; here it is the real one, with a recording in front of its camera."""

import random
import shutil
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

from facemask_edge.demo import SAMPLE
from facemask_edge.edge_tpu import LIBRARY
from facemask_edge.edge_tpu_deaths import MOST
from facemask_edge.manifest import MANIFEST, Manifest, packaged_models, read_manifest
from tests.conftest import Mosquitto
from tests.faults.broker_faults import PERSISTENT
from tests.faults.outcome import Outcome, arrived, compare
from tests.faults.running import Running, settings
from tests.faults.service_manager import ServiceManager
from tests.subscriber import Subscriber, wait_until

LONGEST_LIFE = 2.5
"""Seconds after which the daemon is killed at the latest: the sample is judged in about that time."""
CLASSIFIER, DETECTOR = "mask_classifier_int8.tflite", "face_detector_320_int8.tflite"
MOST_INVOCATIONS = 400
"""Of both models together, after which one fails at the latest: the sample takes about twice as many."""
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


def model_hangs(folder: Path, rounds: int, seed: int) -> Outcome:
    """An inference never comes back, in the middle of the recording; the watchdog ends the daemon."""
    return _model_fails("a model hangs", folder, rounds, seed, how="hangs")


def model_raises(folder: Path, rounds: int, seed: int) -> Outcome:
    """An inference raises an error; the daemon ends with 70 and is started again."""
    return _model_fails("a model raises", folder, rounds, seed, how="raises")


def model_aborts(folder: Path, rounds: int, seed: int) -> Outcome:
    """An inference ends the process, as the Edge TPU's library does."""
    return _model_fails("a model aborts the process", folder, rounds, seed, how="aborts")


def edge_tpu_dies(folder: Path, rounds: int, seed: int) -> Outcome:
    """The Edge TPU's library ends the process soon after each start; the fourth start is on the CPU, and works."""
    chance = random.Random(seed)
    outcome = Outcome("the Edge TPU ends the process again and again")
    for turn in range(rounds):
        own = folder / str(turn)
        own.mkdir()
        outcome.add(_dies_until_it_is_left(own, outcome.fault, chance.randint(1, MOST_INVOCATIONS // 4)))
    return outcome


def _dies_until_it_is_left(folder: Path, fault: str, invocations: int) -> Outcome:
    broker = Mosquitto(folder, *PERSISTENT).start()
    stub_delegate(folder, LIBRARY)
    models = with_compiled_models(folder)
    camera = f'cameras=[{{name: door, source: "{SAMPLE}"}}]'
    chosen = {"classifier__model": str(models / CLASSIFIER), "detector__model": str(models / DETECTOR)}
    options = ["--set", camera, *settings(folder, broker.url, **chosen), "--drain-timeout", "60"]
    dying = {"LD_LIBRARY_PATH": str(folder), "STUB_DELEGATE": f"aborts:{invocations}"}
    manager = ServiceManager(folder, "facemask_edge", "run", *options, environments=[dying] * (MOST + 1))
    with closing(Subscriber(broker.port, persistent=True)) as witness, closing(manager):
        manager.run()
        codes = [run.process.returncode for run in manager.runs]
        assert codes == [-signal.SIGABRT] * MOST + [0], (codes, manager.runs[-1].log[-20:])
        recorded = [happening for run in manager.runs for happening in run.recorded]
        wait_until(lambda: arrived(witness.events()) >= set(recorded), 10)
        said = witness.healths()[-1]["accelerator"]
        expected = {"classifier": "cpu", "detector": "cpu", "edge_tpu_deaths": MOST, "edge_tpu_celsius": None}
        assert said == expected, said
        outcome = compare(fault, witness.events(), recorded=recorded)
    broker.stop()
    outcome.remark = f"the {MOST + 1}th start is on the CPU"
    return outcome


def with_compiled_models(folder: Path) -> Path:
    """A folder with the shipped models, and copies that stand for those that were compiled for an Edge TPU."""
    models = folder / "models"
    models.mkdir()
    entries = []
    for entry in read_manifest(packaged_models()).models:
        if entry.file in (CLASSIFIER, DETECTOR):
            compiled = entry.file.replace(".tflite", "_edgetpu.tflite")
            for name in (entry.file, compiled):
                shutil.copy(packaged_models() / entry.file, models / name)
                entries.append(entry.model_copy(update={"file": name}))
    (models / MANIFEST).write_text(Manifest(models=entries).model_dump_json())
    return models


def stub_delegate(folder: Path, name: str = "libstub.so") -> Path:
    """Compile the delegate that fails when it is told to."""
    library = folder / name
    source = Path(__file__).with_name("stub_delegate.c")
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source, "-lm"], check=True)
    return library


def _model_fails(fault: str, folder: Path, rounds: int, seed: int, *, how: str) -> Outcome:
    chance = random.Random(seed)
    broker = Mosquitto(folder, *PERSISTENT).start()
    camera = f'cameras=[{{name: door, source: "{SAMPLE}"}}]'
    options = ["--set", camera, *settings(folder, broker.url), "--drain-timeout", "60"]
    library = str(stub_delegate(folder))
    environments = [
        {"STUB_LIBRARY": library, "STUB_DELEGATE": f"{how}:{chance.randint(1, MOST_INVOCATIONS)}"}
        for _ in range(rounds)
    ]
    manager = ServiceManager(folder, "tests.faults.failing_daemon", "run", *options, environments=[*environments, {}])
    with closing(Subscriber(broker.port, persistent=True)) as witness, closing(manager):
        manager.run()
        last = manager.runs[-1]
        assert last.process.returncode == 0, last.log
        recorded = [happening for run in manager.runs for happening in run.recorded]
        wait_until(lambda: arrived(witness.events()) >= set(recorded), 10)
        outcome = compare(fault, witness.events(), recorded=recorded)
    broker.stop()
    codes = {run.process.returncode for run in manager.runs[:-1]}
    assert codes == ({70} if how == "raises" else {-signal.SIGABRT}), codes
    assert manager.killed == (rounds if how == "hangs" else 0), "who was killed by the watchdog"
    outcome.tries = rounds
    if how == "hangs":
        outcome.remark = f"ended {manager.slowest:.1f} s after the last sign of life"
    return outcome
