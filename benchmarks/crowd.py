"""Shows what a crowd costs: the same scene with 1, 3, 10, 30 and 100 people, judged frame by frame in turn.

    python -m benchmarks.crowd [--seconds 8] [--json crowd.json]

All in one run, so that the ratios mean something on other machines. The people are composed, see ``tests.make_crowd``:
who wears a mask is known, and each bare one must start exactly one violation. Judged as a recording: no frame is left
out, and where frames take longer than they are apart, all that follow are judged later.
"""

import argparse
import math
import statistics
import time
from collections import Counter
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bars import Bar, add_json_option, finish
from facemask_edge.config import Config
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Frame, Label, Violation
from tests.make_crowd import Crowd, make_crowd

COUNTS = (1, 3, 10, 30, 100)
FPS = 15
SOON = 3.0
"""Seconds in which everybody is to be judged."""
LARGEST_RATIO = 2.0
"""Of the cost with 30 people to that with 3."""


class Scene:
    """One number of people on their way through the pipeline."""

    def __init__(self, count: int, models: Models) -> None:
        self.crowd: Crowd = make_crowd(count)
        config = Config()
        self._models = models
        self._pipeline = Pipeline(config, config.cameras[0], models)
        self.milliseconds: list[float] = []
        self.looks: list[int] = []
        self.events: list[Violation] = []
        self.judged_at: float | None = None
        """Seconds after which everybody had the right verdict."""
        self._done = 0.0
        """When the newest frame was judged, in seconds from the first one on."""

    def judge(self, index: int) -> None:
        """Take in one frame."""
        frame = Frame(self.crowd.frame(index), index / FPS, index)
        before = self._models.classifier.model.invocations
        start = time.perf_counter()
        self.events += self._pipeline.process(frame)
        seconds = time.perf_counter() - start
        self._done = max(self._done, index / FPS) + seconds
        self.milliseconds.append(1000 * seconds)
        self.looks.append(self._models.classifier.model.invocations - before)
        if self.judged_at is None and self.is_judged():
            self.judged_at = self._done

    def is_judged(self) -> bool:
        """Whether everybody has the right verdict."""
        decided = {
            self.crowd.whose(verdict.track.box): verdict.label
            for verdict in self._pipeline.verdicts()
            if verdict.label is not Label.UNDETERMINED
        }
        truth = {who: Label.MASK if masked else Label.NO_MASK for who, masked in enumerate(self.crowd.masked)}
        return {who: label for who, label in decided.items() if who is not None} == truth

    def right_starts(self) -> bool:
        """Whether each bare person starts one violation, and nobody and nothing else does."""
        starts = [event for event in self.events if event.event_type == "violation_start"]
        bare = (who for who, masked in enumerate(self.crowd.masked) if not masked)
        return Counter(self.crowd.whose(event.track.box) for event in starts) == Counter(bare)


@dataclass(frozen=True, slots=True)
class Row:
    """What a number of people costs once all are judged."""

    people: int
    face_height: float
    """Pixels."""
    milliseconds: float
    """Mean of a frame."""
    ratio: float
    """To the cost with three people."""
    looks: float
    """Of the classifier, a frame."""
    most_looks: int
    judged_after: float | None
    """Seconds until everybody was judged rightly; None: never."""
    bare: int
    violations: int
    """Starts."""
    as_the_truth: bool
    """Whether each bare person starts one, and nobody else does."""


def measured(seconds: float, console: Console) -> list[Row]:
    """Judge all scenes in turn; steady is the second half."""
    models = Models(Config())
    scenes = [Scene(count, models) for count in COUNTS]
    frames = round(seconds * FPS)
    for index in track(range(frames), "frames", console=console, transient=True, disable=not console.is_terminal):
        for scene in scenes:
            scene.judge(index)
    steady = slice(frames // 2, None)
    costs = [statistics.mean(scene.milliseconds[steady]) for scene in scenes]
    reference = costs[COUNTS.index(3)]
    return [
        Row(
            people=len(scene.crowd.faces),
            face_height=round(scene.crowd.faces[0].height, 1),
            milliseconds=round(cost, 2),
            ratio=round(cost / reference, 3),
            looks=round(statistics.mean(scene.looks[steady]), 3),
            most_looks=max(scene.looks),
            judged_after=None if scene.judged_at is None else round(scene.judged_at, 2),
            bare=scene.crowd.masked.count(False),
            violations=sum(event.event_type == "violation_start" for event in scene.events),
            as_the_truth=scene.right_starts(),
        )
        for scene, cost in zip(scenes, costs, strict=True)
    ]


def main() -> None:
    """Print a table; exit code 1 when something asked for is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each scene, at 15 frames a second")
    add_json_option(parser)
    options = parser.parse_args()
    rows = measured(options.seconds, Console(stderr=True))
    table = Table(
        "people", "face px", "ms a frame", "to 3 people", "looks a frame", "most", "all judged after", "bare", "starts"
    )
    for row in rows:
        after = "never" if row.judged_after is None else f"{row.judged_after:.2f} s"
        numbers = (f"{row.face_height:.0f}", f"{row.milliseconds:.1f}", f"{row.ratio:.2f}", f"{row.looks:.2f}")
        table.add_row(f"{row.people}", *numbers, f"{row.most_looks}", after, f"{row.bare}", f"{row.violations}")
    Console(highlight=False).print(table)
    ratio = next(row.ratio for row in rows if row.people == 30)  # noqa: PLR2004 - as asked for
    latest = max(math.inf if row.judged_after is None else row.judged_after for row in rows)
    bars = [
        Bar("cost of 30 people / 3 people", ratio, at_most=LARGEST_RATIO),
        Bar("seconds until everybody is judged rightly", latest, at_most=SOON),
        Bar("part of the scenes that are as the truth", statistics.mean(row.as_the_truth for row in rows), at_least=1),
    ]
    finish(options.json, bars, [asdict(row) for row in rows])


if __name__ == "__main__":
    main()
