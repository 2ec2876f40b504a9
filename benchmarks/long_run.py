"""Judges 100,000 frames with people coming and going, and shows that neither memory nor latency grows.

    python -m benchmarks.long_run [--frames 100000] [--json long_run.json]

The sample recording is played again and again on a clock that goes on, through one pipeline: ten minutes.
"""

import argparse
import itertools
import math
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bars import Bar, add_json_option, finish
from benchmarks.peak_memory import mebibytes
from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Frame

WINDOW = 2000
"""Frames over which memory and latency are told."""
WARM_UP = 2
"""Windows at the beginning that do not count."""
LARGEST_SLOPE = 1.0
"""MiB per 10,000 frames."""
LARGEST_DRIFT = 1.1
"""Of the median latency, last quarter to first."""
LARGEST_P95_DRIFT = 1.25
"""Likewise, of the latency that 19 of 20 frames are below: it depends more on what else the machine does."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some thousand frames that follow each other."""

    frames: int
    """Judged so far."""
    mebibytes: float
    """Resident at its end."""
    milliseconds: float
    """Median of a frame."""
    milliseconds_p95: float
    violations: int
    """Started in it."""


def frames_without_end() -> Iterator[Frame]:
    """The sample over and over, with indices and timestamps that go on."""
    start, index = 0.0, 0
    while True:
        recording = Recording(SAMPLE)
        frame = None
        for frame in recording:
            yield replace(frame, timestamp=start + frame.timestamp, index=index)
            index += 1
        recording.close()
        if frame is None:
            sys.exit(f"{SAMPLE} holds no frames")
        start += frame.timestamp + 1 / recording.fps


def windows(frames: int, console: Console) -> list[Window]:
    """Judge so many frames."""
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    told: list[Window] = []
    times: list[float] = []
    violations = 0
    endless = itertools.islice(frames_without_end(), frames)
    for frame in track(endless, "frames", frames, console=console, transient=True, disable=not console.is_terminal):
        start = time.perf_counter()
        events = pipeline.process(frame)
        times.append(1000 * (time.perf_counter() - start))
        violations += sum(event.event_type == "violation_start" for event in events)
        if len(times) == WINDOW:
            memory = round(mebibytes("VmRSS") or math.nan, 2)
            p50, p95 = (round(float(each), 3) for each in np.percentile(times, [50, 95]))
            told.append(Window(frame.index + 1, memory, p50, p95, violations))
            times.clear()
            violations = 0
    return told


def main() -> None:
    """Print a table; exit code 1 when memory or latency grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000, help="how many")
    add_json_option(parser)
    options = parser.parse_args()
    judged = windows(options.frames, Console(stderr=True))
    steady = judged[WARM_UP:]
    if len(steady) < 4:  # noqa: PLR2004 - a quarter at each end
        sys.exit(f"give at least {(WARM_UP + 4) * WINDOW} --frames")
    slope = 10_000 * float(np.polyfit([one.frames for one in steady], [one.mebibytes for one in steady], 1)[0])
    quarter = len(steady) // 4
    parts = steady[:quarter], steady[-quarter:]
    (first, last), (first_p95, last_p95) = (
        [statistics.median(getattr(one, name) for one in part) for part in parts]
        for name in ("milliseconds", "milliseconds_p95")
    )
    table = Table("frames", "MiB", "p50 ms", "p95 ms", "violations started")
    for one in steady[:: max(len(steady) // 10, 1)]:
        times = f"{one.milliseconds:.2f}", f"{one.milliseconds_p95:.2f}"
        table.add_row(f"{one.frames}", f"{one.mebibytes:.1f}", *times, f"{one.violations}")
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"memory grows by {slope:+.3f} MiB per 10,000 frames (asked for: under {LARGEST_SLOPE:g}); a frame took "
        f"{first:.2f} ms (p95 {first_p95:.2f}) in the first quarter and {last:.2f} ms (p95 {last_p95:.2f}) in the last",
        soft_wrap=True,
    )
    bars = [
        Bar("MiB per 10,000 frames", slope, at_most=LARGEST_SLOPE),
        Bar("latency in the last quarter / in the first", last / first, at_most=LARGEST_DRIFT),
        Bar("p95 of the latency, likewise", last_p95 / first_p95, at_most=LARGEST_P95_DRIFT),
        # Where nobody comes and goes, nothing is shown.
        Bar("least violations of a window", min(one.violations for one in steady), at_least=1),
    ]
    finish(options.json, bars, [asdict(one) for one in judged])


if __name__ == "__main__":
    main()
