"""How often the verdict of a clear, bare face is right on the shared clips, and whether it ever flips.

    python -m tests.judge_clips DATA/clips
    python -m tests.judge_clips DATA/clips --set classifier.model=models/mask_classifier_int8.tflite

A face is clear when it is 48 px high or more and found with a score of 0.8 or better; it counts from the look on from
which a verdict is possible (``compliance.min_observations``); the frames of large faces that do not count are told.
Exit code 1 when a verdict flips, or fewer than 98 % are right.
"""

import argparse
import itertools
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.config_file import load_config
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Label

BARE_UNTIL = {
    # From here on masks are put on, and one is taken off again.
    "four_people_put_on_masks.mp4": 1.2,
    "intel_classroom.gif": math.inf,
    "intel_head_pose_two.gif": math.inf,
    "intel_three_people_walking.gif": math.inf,
    "intel_two_people_walking.gif": math.inf,
}
"""Clips in which everybody is bare until that second."""
CLEAR_HEIGHT = 48
CLEAR_SCORE = 0.8
WANTED = 0.98


@dataclass
class Judged:
    """The frames of a track's large, bare faces."""

    labels: list[Label] = field(default_factory=list)
    """The verdicts of those that count."""
    unclear: int = 0
    early: int = 0
    """Before a verdict is possible."""


def verdicts_of_bare_faces(path: Path, until: float, config: Config) -> dict[str, Judged]:
    """The verdicts of the large faces of a clip, by track."""
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    recording = Recording(path)
    tracks: dict[str, Judged] = defaultdict(Judged)
    start = None
    for frame in recording:
        start = frame.timestamp if start is None else start
        if frame.timestamp - start > until:
            break
        pipeline.process(frame)
        for verdict in pipeline.verdicts():
            if verdict.track.box.height < CLEAR_HEIGHT:
                continue
            judged = tracks[verdict.track.id]
            if verdict.track.score < CLEAR_SCORE:
                judged.unclear += 1
            elif verdict.observations < config.compliance.min_observations:
                judged.early += 1
            else:
                judged.labels.append(verdict.label)
    recording.close()
    return tracks


def flips(labels: Sequence[Label]) -> int:
    """How often a track's verdict changes from mask to no_mask or back, undetermined frames left out."""
    decided = [label for label in labels if label is not Label.UNDETERMINED]
    return sum(one is not other for one, other in itertools.pairwise(decided))


def described(labels: Iterable[Label]) -> str:
    """Counts by label, as text."""
    return ", ".join(f"{count} {label}" for label, count in sorted(Counter(labels).items()))


def main() -> None:
    """Print a line for each track and one for all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting")
    arguments = parser.parse_args()
    config = load_config(None, arguments.set)
    every: list[Label] = []
    flipped = 0
    for name, until in BARE_UNTIL.items():
        tracks = verdicts_of_bare_faces(arguments.clips / name, until, config)
        print(f"{name}: {len(tracks)} tracks of bare faces of {CLEAR_HEIGHT} px and more")
        for judged in tracks.values():
            print(
                f"  {len(judged.labels)} frames: {described(judged.labels)}; {flips(judged.labels)} flips; "
                f"not counted: {judged.unclear} unclear, {judged.early} early"
            )
            every += judged.labels
            flipped += flips(judged.labels) > 0
    right = every.count(Label.NO_MASK) / max(len(every), 1)
    print(f"right in {every.count(Label.NO_MASK)} of {len(every)} frames ({right:.4f}); {flipped} tracks flip")
    sys.exit(flipped > 0 or right < WANTED)


if __name__ == "__main__":
    main()
