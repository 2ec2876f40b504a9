"""Lets mutated inputs at everything that reads what others wrote.

    python -m tests.fuzz [--inputs N] [--only NAME ...] [--seed N]

Prints for each target how many inputs it read, how many of them reached code that none before had reached, and which
part of its lines and branches was reached. Ends with 1 when one crashed, hung, took too much memory or raised what it
should not; such an input then belongs into tests/fuzz/regressions.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.targets import ROOT, TARGETS, Target

LONGEST = 3600
"""Seconds that a target may take."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a target."""

    target: str
    inputs: int
    corpus: int
    reached: float
    """Part of the lines and branches, 0..1."""
    seconds: float
    fault: str | None
    """The end of what was said; None when all is well."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000, help="of each target")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[target.name for target in TARGETS])
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    console = Console(highlight=False, width=120)
    table = Table("target", "inputs", "corpus", "reached", "seconds", "", box=None)
    is_good = True
    for target in TARGETS:
        if arguments.only and target.name not in arguments.only:
            continue
        result = fuzz(target, inputs=arguments.inputs, seed=arguments.seed)
        is_good = is_good and result.fault is None
        cells = f"{result.inputs:,}", f"{result.corpus:,}", f"{result.reached:.0%}", f"{result.seconds:.0f}"
        table.add_row(result.target, *cells, "" if result.fault is None else "FAILED")
        if result.fault is not None:
            console.print(result.fault, style="red")
    console.print(table)
    sys.exit(not is_good)


def fuzz(target: Target, *, inputs: int, seed: int) -> Result:
    """Mutate the inputs of one target."""
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{target.name}-"))
    started = time.monotonic()
    done = _python("tests.fuzz.mutate", target.name, str(corpus), str(inputs), str(seed))
    seconds = time.monotonic() - started
    read = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    fault = None
    if done.returncode or read is None:
        said = f"{done.stdout[-3000:]}\n{done.stderr[-2000:]}"
        fault = f"{target.name}: exit code {done.returncode}, inputs in {corpus}\n{said}"
    inputs_folder = corpus / "inputs"
    kept = len(list(inputs_folder.iterdir())) if inputs_folder.is_dir() else 0
    reached = 0.0 if fault else _reached(target, inputs_folder)
    if not fault:
        shutil.rmtree(corpus)
    return Result(
        target.name,
        inputs=int(read[1]) if read else 0,
        corpus=kept,
        reached=reached,
        seconds=seconds,
        fault=fault,
    )


def _reached(target: Target, corpus: Path) -> float:
    """The part of the target's lines and branches that the corpus reaches."""
    with tempfile.TemporaryDirectory() as folder:
        data, report = Path(folder, "data"), Path(folder, "report.json")
        common = ["coverage", "run", "--branch", f"--data-file={data}", f"--include={','.join(target.measured)}"]
        _python(*common, "-m", "tests.fuzz.replay", target.name, str(corpus)).check_returncode()
        _python("coverage", "json", f"--data-file={data}", "-o", str(report)).check_returncode()
        totals = json.loads(report.read_text())["totals"]
    return float(totals["percent_covered"]) / 100


def _python(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LONGEST,
        check=False,
        cwd=ROOT,
    )


if __name__ == "__main__":
    main()
