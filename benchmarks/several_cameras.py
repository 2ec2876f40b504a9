"""Shows what several cameras cost one device: four recordings at once against the same four one after the other.

    python -m benchmarks.several_cameras [--rounds 3] [--json several_cameras.json]

Both in turn, with the same models, read and judged by the daemon's own objects in the order of its loop, so that the
ratios mean something on other machines; that of processor time also on a busy one. Each recording must be judged as its
ground truth says, whatever runs beside it.
"""

import argparse
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bars import Bar, add_json_option, finish
from facemask_edge.config import Config
from facemask_edge.pipeline import Models
from facemask_edge.values import Violation
from facemask_edge.watch import Watch
from tests.judge_recordings import as_in_the_ground_truth
from tests.make_recordings import RECORDINGS

COUNT = 4
LEAST_RATE = 0.9
"""Of the frames a second at once to those one after the other."""
MOST_COST = 1.1
"""Of the processor time at once to that one after the other: on a busy machine, seconds say more about the others."""


@dataclass(frozen=True, slots=True)
class Run:
    """Some recordings that were judged."""

    seconds: float
    processor_seconds: float
    """Of all threads."""
    frames: list[int]
    """Of each recording."""
    as_the_truth: list[bool]
    """Whether each was judged as its ground truth says."""

    @property
    def frames_per_second(self) -> float:
        """All together."""
        return sum(self.frames) / self.seconds


def judged(paths: list[Path], models: Models) -> Run:
    """Judge recordings at once, one frame of each in turn, as the daemon's loop does."""
    cameras = [{"name": f"camera-{number}", "source": str(path)} for number, path in enumerate(paths)]
    config = Config.model_validate({"cameras": cameras})
    start, start_processor = time.perf_counter(), time.process_time()
    watches = [Watch(config, camera, models) for camera in config.cameras]
    events = {watch.name: list[Violation]() for watch in watches}
    active = list(watches)
    while active:
        for watch in list(active):
            try:
                frame = next(watch.frames)
            except StopIteration:
                active.remove(watch)
                events[watch.name] += watch.pipeline.finish("stopped")
                watch.camera.close()
                continue
            if frame is not None:
                events[watch.name] += watch.pipeline.process(frame)
                watch.judged += 1
    return Run(
        seconds=time.perf_counter() - start,
        processor_seconds=time.process_time() - start_processor,
        frames=[watch.judged for watch in watches],
        as_the_truth=[as_in_the_ground_truth(path, events[name]) for path, name in zip(paths, events, strict=True)],
    )


def one_after_the_other(paths: list[Path], models: Models) -> Run:
    """Judge the same recordings, each by itself."""
    runs = [judged([path], models) for path in paths]
    return Run(
        seconds=sum(run.seconds for run in runs),
        processor_seconds=sum(run.processor_seconds for run in runs),
        frames=[run.frames[0] for run in runs],
        as_the_truth=[run.as_the_truth[0] for run in runs],
    )


def main() -> None:
    """Print a table; exit code 1 when something asked for is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often both are timed")
    add_json_option(parser)
    options = parser.parse_args()
    console = Console(highlight=False)
    models = Models(Config())
    recordings = [path for path, _ in RECORDINGS]
    paths = [recordings[number % len(recordings)] for number in range(COUNT)]
    judged(paths[:1], models)  # Loads the detector.
    alone, together = [], []
    for _ in track(range(options.rounds), "rounds", console=Console(stderr=True), transient=True):
        alone.append(one_after_the_other(paths, models))
        together.append(judged(paths, models))
    pairs = list(zip(together, alone, strict=True))
    ratios = [run.frames_per_second / single.frames_per_second for run, single in pairs]
    processor = [run.processor_seconds / single.processor_seconds for run, single in pairs]
    is_right = all(all(run.as_the_truth) for run in alone + together)
    table = Table(
        "", "median", "worst", "asked for", title=f"{COUNT} recordings of 640 x 480, {sum(together[0].frames)} frames"
    )
    for name, runs in (("one after the other", alone), ("at once", together)):
        rates = [run.frames_per_second for run in runs]
        table.add_row(f"frames a second, {name}", f"{statistics.median(rates):.0f}", f"{min(rates):.0f}", "")
    rate = statistics.median(ratios)
    table.add_row("ratio of frames a second", f"{rate:.2f}", f"{min(ratios):.2f}", f"at least {LEAST_RATE:g}")
    table.add_row(
        "ratio of processor time",
        f"{statistics.median(processor):.2f}",
        f"{max(processor):.2f}",
        f"at most {MOST_COST:g}",
    )
    table.add_row("judged as the ground truth says", "yes" if is_right else "no", "", "yes")
    console.print(table)
    bars = [
        Bar("ratio of frames a second", rate, at_least=LEAST_RATE),
        Bar("ratio of processor time", statistics.median(processor), at_most=MOST_COST),
        Bar("judged as the ground truth says", is_right, at_least=1),
    ]
    finish(options.json, bars, {"alone": [asdict(run) for run in alone], "together": [asdict(run) for run in together]})


if __name__ == "__main__":
    main()
