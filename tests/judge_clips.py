"""How often the verdict of a clear, bare face is right on the shared clips, and whether it ever flips.

    python -m tests.judge_clips DATA/clips
    python -m tests.judge_clips DATA/clips --set classifier.model=models/mask_classifier_int8.tflite

A face is clear when it is 48 px high or more and found with a score of 0.8 or better; it counts from the look on from
which a verdict is possible (``compliance.min_observations``). Exit code 1 when a verdict flips.
"""

import argparse
import itertools
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config, load_config
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Label, Verdict

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


def verdicts_of_bare_faces(path: Path, until: float, config: Config) -> dict[str, list[Label]]:
    """The verdicts of the clear faces of a clip, by track."""
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    recording = Recording(path)
    labels: dict[str, list[Label]] = defaultdict(list)
    start = None
    for frame in recording:
        start = frame.timestamp if start is None else start
        if frame.timestamp - start > until:
            break
        pipeline.process(frame)
        for verdict in pipeline.verdicts():
            if is_clear(verdict) and verdict.observations >= config.compliance.min_observations:
                labels[verdict.track.id].append(verdict.label)
    recording.close()
    return labels


def is_clear(verdict: Verdict) -> bool:
    """Whether a face is large and sure enough to be counted."""
    return verdict.track.box.height >= CLEAR_HEIGHT and verdict.track.score >= CLEAR_SCORE


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
        print(f"{name}: {len(tracks)} tracks of clear, bare faces")
        for labels in tracks.values():
            print(f"  {len(labels)} frames: {described(labels)}; {flips(labels)} flips")
            every += labels
            flipped += flips(labels) > 0
    right = every.count(Label.NO_MASK)
    print(f"right in {right} of {len(every)} frames ({right / max(len(every), 1):.4f}); {flipped} tracks flip")
    sys.exit(flipped > 0)


if __name__ == "__main__":
    main()
