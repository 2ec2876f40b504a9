"""Runs all benchmarks one after the other, also where one misses what is asked of it, and says which did.

    python -m benchmarks [--rounds 5] [--output benchmark-results]

A quarter of an hour on an idle machine. Each leaves its result as JSON.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from rich.console import Console

WITH_ROUNDS = ("frame_loop", "face_detectors", "activation_maps")
"""Those that ``--rounds`` is for; the others know how many they need."""
OTHERS = ("crowd", "several_cameras", "paper_pipeline", "long_run", "live_view")


def main() -> None:
    """Run them; exit code 1 when one of them ends with another than 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often the short ones are timed")
    parser.add_argument("--output", type=Path, default=Path("benchmark-results"), help="folder for the results")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    console, missed = Console(highlight=False), []
    for name in (*WITH_ROUNDS, *OTHERS):
        console.rule(name)
        rounds = ["--rounds", str(options.rounds)] if name in WITH_ROUNDS else []
        command = [sys.executable, "-m", f"benchmarks.{name}", *rounds, "--json", str(options.output / f"{name}.json")]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command
            missed.append(name)
    if missed:
        sys.exit(f"not reached: {', '.join(missed)}")


if __name__ == "__main__":
    main()
