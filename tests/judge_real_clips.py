"""Judges the shared clips and compares the violations with what was seen when watching them.

    python -m tests.judge_real_clips DATA/clips
    python -m tests.judge_real_clips DATA/clips --write

What was seen stands in ``tests/expected_clips.json``, written down before the first run: who is bare from when on and
from when on a mask covers mouth and nose, and where each face is (fractions of the frame). A violation is as expected
when it starts at that face within a second (a face under 48 px: at all) and ends for the expected reason, and nobody
else starts one. ``--write`` puts the table into docs/judgement.md.
"""

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.values import Violation
from tests.conftest import ROOT
from tests.judge_recordings import judged
from tests.make_model_figures import filled

EXPECTED: dict[str, dict[str, Any]] = json.loads((ROOT / "tests" / "expected_clips.json").read_text())
PAGE = ROOT / "docs" / "judgement.md"
BEGIN = "<!-- violations on the clips: python -m tests.judge_real_clips DATA/clips --write -->\n"
NEAR = 0.12
"""Distance of a face from where it was seen, in parts of the frame's width and height."""
SOON = 1.0
"""Seconds within which a clear face is to be reported."""


@dataclass(frozen=True, slots=True)
class Reported:
    """A violation with what was expected of it; one of both may be missing."""

    clip: str
    expected: dict[str, Any] | None
    start: Violation | None = None
    end: Violation | None = None

    @property
    def after(self) -> float | None:
        """Seconds from the bare face to the report."""
        return self.start.timestamp - self.expected["bare_from"] if self.expected and self.start else None

    @property
    def is_as_expected(self) -> bool:
        """Whether somebody saw what is reported, and the other way round."""
        if (
            self.expected is None
            or self.after is None
            or self.end is None
            or self.end.reason != self.expected["reason"]
        ):
            return False
        in_time = self.after >= 0 and (self.after <= SOON or self.expected.get("small", False))
        return in_time and self.end.timestamp >= self.expected.get("covered_from", 0)

    def row(self) -> str:
        """One line of the table."""
        who = self.expected["person"] if self.expected else "nobody"
        bare = f"{self.expected['bare_from']:.1f} s" if self.expected else ""
        covered = self.expected.get("covered_from") if self.expected else None
        wanted = f"{bare}, mask {covered:.1f} s" if covered else bare
        told = "none"
        if self.start and self.end:
            told = f"{self.start.timestamp:.2f} s, `{self.end.reason}` {self.end.timestamp:.2f} s"
        after = "" if self.after is None else f"{self.after:.2f} s"
        return f"| {self.clip} | {who} | {wanted} | {told} | {after} | {'yes' if self.is_as_expected else '**no**'} |"


def reported(path: Path) -> list[Reported]:
    """What a clip's violations are beside what was seen."""
    recording = Recording(path)
    first = next(iter(recording))
    recording.close()
    events = judged(path, Config.model_validate(EXPECTED[path.name]["settings"]))
    ends = {event.id: event for event in events if event.event_type == "violation_end"}
    starts = [event for event in events if event.event_type == "violation_start"]
    rows = []
    for expected in sorted(EXPECTED[path.name]["violations"], key=lambda one: one["bare_from"]):

        def unlikeness(start: Violation, seen: dict[str, Any] = expected) -> float:
            x, y = start.track.box.centre
            near = math.dist((x / first.width, y / first.height), seen["at"]) <= NEAR
            return start.timestamp if near and start.timestamp >= seen["bare_from"] else math.inf

        start = min(starts, key=unlikeness, default=None)
        if start is None or unlikeness(start) == math.inf:
            rows.append(Reported(path.name, expected))
            continue
        starts.remove(start)
        rows.append(Reported(path.name, expected, start, ends.get(start.id)))
    return rows + [Reported(path.name, None, start, ends.get(start.id)) for start in starts]


def table(rows: dict[str, list[Reported]]) -> str:
    """All clips as a Markdown table."""
    lines = ["| clip | who | bare from | reported | after | as expected |", "| --- | --- | --- | --- | --- | --- |"]
    for clip, found in rows.items():
        lines += [row.row() for row in found] or [f"| {clip} | nobody | | none | | yes |"]
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it; exit code 1 when something is not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the clips")
    parser.add_argument("--write", action="store_true", help="put the table into docs/judgement.md")
    options = parser.parse_args()
    rows = {clip: reported(options.folder / clip) for clip in EXPECTED}
    if options.write:
        PAGE.write_text(filled(PAGE.read_text(), BEGIN, table(rows)))
    else:
        print(table(rows))
    sys.exit(not all(row.is_as_expected for found in rows.values() for row in found))


if __name__ == "__main__":
    main()
