"""Compares our pipeline with the paper's: PyPI's ``face_mask_detector`` 0.2.3, on the sample recording, in turn.

    python -m benchmarks.paper_pipeline [--rounds 3] [--json paper.json]

The package has the paper's design: OpenCV's res10 SSD finds faces, a Keras MobileNetV2 judges them. It is installed
into a virtual environment of its own, without the TensorFlow 2.2 that it pins: with TensorFlow's newest legacy Keras
and OpenCV 4. Both run as a process of their own, on all cores there are; loading and the first frame are not timed.
The package reads its face detector's file for each frame anew, as its users get it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bars import Bar, add_json_option, finish
from benchmarks.peak_memory import PeakMemory
from converter.detector_data import Boxes, overlaps
from facemask_edge.demo import SAMPLE
from facemask_edge.values import Box

PACKAGE = "face_mask_detector==0.2.3"
NEEDS = ("tensorflow-cpu==2.21.*", "opencv-python-headless<5", "imutils", "importlib-resources")
LEGACY_KERAS = "tf-keras==2.21.*"
MIN_OVERLAP = 0.4
"""Intersection over union from which on a labelled face is found."""
TIMES_FASTER, PART_OF_MEMORY = 12.0, 0.2
"""Asked for."""
FOLDER = Path(__file__).parent
Corners = list[float]
"""Left, top, right, bottom, as the workers print them."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the recording."""

    frames_per_second: float
    peak_mebibytes: float
    found: int
    """Of the labelled faces that are fully in view."""
    labelled: int
    false: int
    """Finds in the frames with labels that are nobody's face."""


def installed(folder: Path) -> Path:
    """Install the package and what it needs; the Python that has it."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *NEEDS], check=True)  # noqa: S603 - our own command
    # Both would bring another TensorFlow.
    subprocess.run([*pip, "--no-deps", LEGACY_KERAS, PACKAGE], check=True)  # noqa: S603 - likewise
    return python


def run(python: Path, worker: str) -> Run:
    """Run a worker over the sample."""
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = "" if worker == "paper_worker" else str(FOLDER.parent)
    command = [str(python), str(FOLDER / f"{worker}.py"), str(SAMPLE)]
    process = subprocess.Popen(  # noqa: S603 - likewise
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    memory = PeakMemory(process.pid)
    output, errors = process.communicate()
    peak = memory.stop()
    if process.returncode:
        sys.exit(f"{worker} ended with exit code {process.returncode}:\n{errors[-2000:]}")
    # Keras shows a progress bar for every frame.
    told = json.loads(output.splitlines()[-1])
    return Run(round(told["frames"] / told["seconds"], 2), round(peak, 1), *faces_found(told["found"]))


def faces_found(found: list[list[Corners]]) -> tuple[int, int, int]:
    """How many of the sample's faces that are fully in view were found, how many there are, and the false finds."""
    truth: dict[str, Any] = json.loads(SAMPLE.with_suffix(".json").read_text())
    right = count = 0
    labelled: dict[int, list[list[float]]] = {}
    for person in truth["people"]:
        for frame, x, y, width, height in person["boxes"]:
            labelled.setdefault(frame, []).append([x, y, width, height])
            if person["fully_in_view_from_s"] <= frame / truth["fps"] <= person["fully_in_view_to_s"]:
                count += 1
                right += bool((overlaps(Box(x, y, width, height), sides_of(found[frame])) >= MIN_OVERLAP).any())
    # Of a face that is half in view, the box that was labelled reaches over the frame: any overlap will do.
    false = sum(
        not overlaps(Box(*sides), np.array(faces, np.float32)).any()
        for frame, faces in labelled.items()
        for sides in sides_of(found[frame]).tolist()
    )
    return right, count, false


def sides_of(corners: list[Corners]) -> Boxes:
    """Boxes as left, top, width and height: float32, n x 4."""
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def main() -> None:
    """Print a table; exit code 1 when something asked for is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often both run")
    add_json_option(parser)
    options = parser.parse_args()
    console = Console(highlight=False)
    ours: list[Run] = []
    theirs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="paper-pipeline-") as folder:
        with console.status("installing the paper's pipeline"):
            python = installed(Path(folder))
        for _ in range(options.rounds):
            theirs.append(run(python, "paper_worker"))
            ours.append(run(Path(sys.executable), "own_worker"))
    faster = [own.frames_per_second / other.frames_per_second for own, other in zip(ours, theirs, strict=True)]
    smaller = [own.peak_mebibytes / other.peak_mebibytes for own, other in zip(ours, theirs, strict=True)]
    table = Table("", "paper's", "ours", "ratio", "asked for", title=f"{SAMPLE.name}, {options.rounds} rounds, medians")
    rates, peaks = (
        [[getattr(one, name) for one in runs] for runs in (theirs, ours)]
        for name in ("frames_per_second", "peak_mebibytes")
    )
    table.add_row(
        "frames a second",
        *(f"{statistics.median(each):.1f}" for each in rates),
        f"{statistics.median(faster):.1f}",
        f"at least {TIMES_FASTER:g}",
    )
    table.add_row(
        "peak memory, MiB",
        *(f"{statistics.median(each):.0f}" for each in peaks),
        f"{statistics.median(smaller):.2f}",
        f"at most {PART_OF_MEMORY:g}",
    )
    least, most = min(one.found for one in ours), max(one.found for one in theirs)
    table.add_row(f"faces found, of {ours[0].labelled}", f"{most}", f"{least}", "", "at least as many")
    table.add_row("false finds", f"{min(one.false for one in theirs)}", f"{max(one.false for one in ours)}", "", "")
    console.print(table)
    bars = [
        Bar("times its frames a second", statistics.median(faster), at_least=TIMES_FASTER),
        Bar("part of its memory", statistics.median(smaller), at_most=PART_OF_MEMORY),
        Bar("faces found, fewest of the rounds", least, at_least=most),
    ]
    finish(options.json, bars, {"paper": [asdict(one) for one in theirs], "ours": [asdict(one) for one in ours]})


if __name__ == "__main__":
    main()
