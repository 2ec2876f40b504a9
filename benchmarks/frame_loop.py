"""Compares ``facemask-edge run`` on the sample recording with nothing but the model invocations that it makes.

    python -m benchmarks.frame_loop [--rounds 5] [--json frame_loop.json]

Everything is timed in one run, alternately, on the same machine: only the ratio means something elsewhere.

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
from facemask_edge.cameras.recording import Recording
from facemask_edge.config_file import load_config
from facemask_edge.demo import SAMPLE
from facemask_edge.faces import packaged_model
from facemask_edge.inference import Model
from facemask_edge.live_time import LiveTime
from facemask_edge.local_broker import local_broker
from facemask_edge.pipeline import Models, Pipeline

FIRST_FRAME, LAST_FRAME, STARTED = "first frame judged", "has ended", "violation_start"
"""In the lines that the daemon logs then."""
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


def count_invocations(fps: float = math.inf) -> Invocations:
    """Judge the sample in this process and count.

    Args:
        fps: Frames a second that a device can judge; a camera drops the others.
    """
    config = load_config(None)
    models = Models(config)
    pipeline = Pipeline(config, config.cameras[0], models)
    recording = Recording(SAMPLE)
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


def run_daemon(server: str, folder: Path) -> Run:
    """Run the daemon on the sample until its end."""
    settings = {
        "cameras": json.dumps([{"name": "door", "source": str(SAMPLE)}]),
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


def main() -> None:
    """Print the figures; exit code 1 when something asked for is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often both are timed")
    add_json_option(parser)
    options = parser.parse_args()
    invocations = count_invocations()
    frames = len(invocations.of_classifier)
    detector_input = Models(load_config(None)).detector_input
    runs, bare, reading = [], [], []
    with tempfile.TemporaryDirectory() as folder, local_broker(Path(folder)) as server:
        for _ in range(options.rounds):
            bare.append(bare_seconds(invocations))
            with closing(Recording(SAMPLE, detector_input)) as recording:
                reading.append(bare_seconds(invocations, iter(recording)))
            runs.append(run_daemon(server, Path(folder)))
            if runs[-1].violations != invocations.violations:
                sys.exit(f"the daemon started {runs[-1].violations} violations instead of {invocations.violations}")
    table = Table("", "median", "worst", "asked for", title=f"facemask-edge run on {SAMPLE.name}, {frames} frames")
    pairs = list(zip(runs, bare, strict=True))
    whole = [run.seconds / alone for run, alone in pairs]
    judging = [(run.seconds - run.first_frame) / alone for run, alone in pairs]
    peaks, starts = [run.peak_mebibytes for run in runs], [run.first_frame for run in runs]
    bars = [
        Bar("from the first frame on / bare invocations", statistics.median(judging), at_most=MOST_TIMES),
        Bar("peak memory, MiB", statistics.median(peaks), at_most=MOST_MEBIBYTES),
        Bar("process start to first frame judged, s", statistics.median(starts), at_most=MOST_SECONDS),
    ]
    _row(table, bars[0].name, judging, "{:.2f}", bars[0].asked)
    loop = [run.loop_seconds / alone for run, alone in pairs]
    _row(table, "the loop's processor time / bare invocations", loop, "{:.2f}", "")
    beside = [seconds / alone for seconds, alone in zip(reading, bare, strict=True)]
    _row(table, "bare invocations, frames read beside / not", beside, "{:.2f}", "")
    alike = [(run.seconds - run.first_frame) / seconds for run, seconds in zip(runs, reading, strict=True)]
    _row(table, "the loop / invocations, frames read beside", alike, "{:.2f}", "")
    _row(table, "whole command / bare invocations", whole, "{:.2f}", "")
    _row(table, bars[1].name, peaks, "{:.0f}", bars[1].asked)
    _row(table, bars[2].name, starts, "{:.2f}", bars[2].asked)
    _row(table, "whole command, s", [run.seconds for run in runs], "{:.2f}", "")
    _row(table, "bare invocations, s", bare, "{:.2f}", "")
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
        "rounds": [
            {**asdict(run), "bare_seconds": alone, "reading_seconds": with_reading}
            for run, alone, with_reading in zip(runs, bare, reading, strict=True)
        ],
    }
    finish(options.json, bars, told)


def _row(table: Table, name: str, values: list[float], form: str, asked: str) -> None:
    table.add_row(name, form.format(statistics.median(values)), form.format(max(values)), asked)


if __name__ == "__main__":
    main()
