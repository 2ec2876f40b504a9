"""Compares ``facemask-edge run`` on two minutes of recording with nothing but the model invocations that it makes.

    python -m benchmarks.frame_loop [--rounds 5] [--json frame_loop.json]

Everything is timed in one run, alternately, on the same machine: only the ratio means something elsewhere.

The recording is the sample five times over: a daemon runs for months, and on half a minute it counts what a program
does once (code that runs for the first time, its end). The sample alone is timed, too.

A recording is decoded beside the frame loop, on a machine that lets it: some kernels, of virtual machines above all,
leave a thread on a busy processor though another one is idle. So the loop's own processor time is compared, too; and
the bare invocations with those that wait for a frame that is read beside, for what the machine alone takes for that;
and the loop with these. The processors of a virtual machine, and those of a desktop, may be two threads of one core.

The daemon must report what the counted run reports: one that saw nobody would be fast.
"""

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bars import Bar, add_json_option, finish
from benchmarks.peak_memory import PeakMemory
from benchmarks.repeated import repeated
from facemask_edge.cameras.recording import Recording
from facemask_edge.config_file import load_config
from facemask_edge.demo import SAMPLE
from facemask_edge.faces import packaged_model
from facemask_edge.inference import Model
from facemask_edge.live_time import LiveTime
from facemask_edge.local_broker import local_broker
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.scaling import DetectorInput

FIRST_FRAME, LAST_FRAME, STARTED = "first frame judged", "has ended", "violation_start"
"""In the lines that the daemon logs then."""
TIMES = 5
"""The sample is played over."""
MOST_TIMES, MOST_MEBIBYTES, MOST_SECONDS = 1.25, 110.0, 0.5
"""Asked for: of the ratio from the first frame on, of the peak memory, and from the start to the first frame."""


@dataclass(frozen=True, slots=True)
class Invocations:
    """What the pipeline asks of the models, frame by frame."""

    detector: str
    classifier: str
    of_detector: list[int]
    """For each frame: one, and the closer looks."""
    of_classifier: list[int]
    """For each frame."""
    violations: int
    """Started."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the daemon as a process of its own."""

    seconds: float
    """From the start of the process to its end: every violation is acknowledged by the broker then."""
    first_frame: float
    """Seconds from the start of the process until the first frame was judged."""
    peak_mebibytes: float
    loop_seconds: float
    """Processor time of the frame loop's thread from the first frame to the end of the recording."""
    violations: int
    """Started, as it logs."""

    @property
    def judging_seconds(self) -> float:
        """From the first frame on."""
        return self.seconds - self.first_frame


@dataclass(frozen=True, slots=True)
class Round:
    """What is timed in turn on one recording."""

    run: Run
    bare_seconds: float
    """Of the same invocations and nothing else."""
    reading_seconds: float
    """Of those that wait for frames that are read beside."""


def count_invocations(source: Path = SAMPLE, fps: float = math.inf) -> Invocations:
    """Judge a recording in this process and count.

    Args:
        source: The recording.
        fps: Frames a second that a device can judge; a camera drops the others.
    """
    config = load_config(None)
    models = Models(config)
    pipeline = Pipeline(config, config.cameras[0], models)
    recording = Recording(source)
    counted: list[tuple[int, int]] = []
    live, violations = LiveTime(), 0
    size = 0, 0
    for frame in recording:
        if live.is_dropped(frame.timestamp):
            continue
        live.judged(frame.timestamp, 1 / fps)
        size = frame.width, frame.height
        used = models.detector(*size).model, models.classifier.model
        before = [model.invocations for model in used]
        violations += sum(event.event_type == "violation_start" for event in pipeline.process(frame))
        of_detector, of_classifier = (model.invocations - count for model, count in zip(used, before, strict=True))
        counted.append((of_detector, of_classifier))
    recording.close()
    detector = packaged_model(*size, config.compliance.min_face_height)
    detectors, classifiers = (list(counts) for counts in zip(*counted, strict=True))
    return Invocations(detector, config.classifier.model, detectors, classifiers, violations)


def bare_seconds(invocations: Invocations, frames: Iterator[object] | None = None) -> float:
    """Seconds for the same invocations in the same order, from the second frame on, and nothing else.

    Args:
        invocations: Of each frame.
        frames: Each is waited for before its invocations, and not looked at; None where nothing is read.
    """
    frames = itertools.repeat(None) if frames is None else frames
    next(frames)
    detector, classifier = Model(invocations.detector), Model(invocations.classifier)
    random = np.random.default_rng(0)
    for model in (detector, classifier):
        # The first one allocates; and each works on the same picture, because filling in another one is not bare.
        model.invoke(random.integers(0, 256, (*model.size[::-1], 3), np.uint8))
    start = time.perf_counter()
    for of_detector, of_classifier in zip(invocations.of_detector[1:], invocations.of_classifier[1:], strict=True):
        next(frames)
        for _ in range(of_detector):
            detector.run()
        for _ in range(of_classifier):
            classifier.run()
    return time.perf_counter() - start


def run_daemon(source: Path, server: str, folder: Path) -> Run:
    """Run the daemon on a recording until its end."""
    settings = {
        "cameras": json.dumps([{"name": "door", "source": str(source)}]),
        "mqtt.servers": json.dumps([server]),
        "outbox.path": json.dumps(str(folder / "outbox.sqlite3")),
    }
    command = [sys.executable, "-m", "facemask_edge", "run"]
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    start = time.perf_counter()
    # What was counted knows no other configuration than the packaged one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FACEMASK_")}
    daemon = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - our own command
    memory = PeakMemory(daemon.pid)
    assert daemon.stderr is not None  # noqa: S101 - for mypy
    first_frame = loop_seconds = math.nan
    violations = 0
    for line in daemon.stderr:
        if FIRST_FRAME in line:
            first_frame = time.perf_counter() - start
            loop_seconds = -processor_seconds(daemon.pid)
        elif LAST_FRAME in line:
            loop_seconds += processor_seconds(daemon.pid)
        violations += STARTED in line
    if daemon.wait():
        sys.exit(f"the daemon ended with exit code {daemon.returncode}")
    return Run(time.perf_counter() - start, first_frame, memory.stop(), loop_seconds, violations)


def processor_seconds(process: int) -> float:
    """Processor time of a process' first thread so far."""
    stat = Path(f"/proc/{process}/task/{process}/stat").read_text()
    # Behind the name in brackets, from the third field on: utime is the 14th, stime the 15th (proc(5)).
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def timed_once(
    source: Path, invocations: Invocations, detector_input: DetectorInput, server: str, folder: Path
) -> Round:
    """Time the bare invocations, those with frames read beside, and the daemon on the same recording.

    Args:
        source: The recording.
        invocations: That were counted on it.
        detector_input: How large a picture the face detector wants.
        server: The broker's address.
        folder: Of the daemon's outbox.
    """
    bare = bare_seconds(invocations)
    with closing(Recording(source, detector_input)) as recording:
        reading = bare_seconds(invocations, iter(recording))
    run = run_daemon(source, server, folder)
    if run.violations != invocations.violations:
        sys.exit(f"the daemon started {run.violations} violations instead of {invocations.violations}")
    return Round(run, bare, reading)


def main() -> None:
    """Print the figures; exit code 1 when something asked for is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is timed")
    add_json_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, local_broker(Path(name)) as server:
        folder = Path(name)
        recording = repeated(SAMPLE, TIMES, folder / "recording.mp4")
        invocations, of_sample = count_invocations(recording), count_invocations()
        detector_input = Models(load_config(None)).detector_input
        rounds, alone = [], []
        for _ in range(options.rounds):
            rounds.append(timed_once(recording, invocations, detector_input, server, folder))
            alone.append(timed_once(SAMPLE, of_sample, detector_input, server, folder))
    frames = len(invocations.of_classifier)
    judging = [each.run.judging_seconds / each.bare_seconds for each in rounds]
    peaks, starts = [each.run.peak_mebibytes for each in rounds], [each.run.first_frame for each in rounds]
    bars = [
        Bar("from the first frame on / bare invocations", statistics.median(judging), at_most=MOST_TIMES),
        Bar("peak memory, MiB", statistics.median(peaks), at_most=MOST_MEBIBYTES),
        Bar("process start to first frame judged, s", statistics.median(starts), at_most=MOST_SECONDS),
    ]
    title = f"facemask-edge run on {SAMPLE.name}, {TIMES} times over: {frames} frames"
    table = Table("", "median", "worst", "asked for", title=title)
    once = [each.run.judging_seconds / each.bare_seconds for each in alone]
    loop = [each.run.loop_seconds / each.bare_seconds for each in rounds]
    beside = [each.reading_seconds / each.bare_seconds for each in rounds]
    alike = [each.run.judging_seconds / each.reading_seconds for each in rounds]
    whole = [each.run.seconds / each.bare_seconds for each in rounds]
    _row(table, bars[0].name, judging, asked=bars[0].asked)
    _row(table, f"likewise, {SAMPLE.name} alone, {len(of_sample.of_classifier)} frames", once)
    _row(table, "the loop's processor time / bare invocations", loop)
    _row(table, "bare invocations, frames read beside / not", beside)
    _row(table, "the loop / invocations, frames read beside", alike)
    _row(table, "whole command / bare invocations", whole)
    _row(table, bars[1].name, peaks, "{:.0f}", asked=bars[1].asked)
    _row(table, bars[2].name, starts, asked=bars[2].asked)
    _row(table, "whole command, s", [each.run.seconds for each in rounds])
    _row(table, "bare invocations, s", [each.bare_seconds for each in rounds])
    console = Console()
    console.print(table)
    console.print(
        f"Invocations a frame: {sum(invocations.of_detector) / frames:.2f} of {invocations.detector}, "
        f"{sum(invocations.of_classifier) / frames:.2f} of {invocations.classifier}"
    )
    told = {
        "frames": frames,
        "detector_invocations": sum(invocations.of_detector),
        "classifier_invocations": sum(invocations.of_classifier),
        "rounds": [asdict(each) for each in rounds],
        "rounds_of_the_sample_alone": [asdict(each) for each in alone],
    }
    finish(options.json, bars, told)


def _row(table: Table, name: str, values: list[float], form: str = "{:.2f}", asked: str = "") -> None:
    table.add_row(name, form.format(statistics.median(values)), form.format(max(values)), asked)


if __name__ == "__main__":
    main()
