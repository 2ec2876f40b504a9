"""Injects every fault and prints what became of the violations.

    python -m tests.faults [--short] [--only NAME ...] [--seed N] [--json FILE]

Ends with 1 when an event was lost or invented.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.outcome import Outcome
from tests.faults.scenarios import SCENARIOS, Scenario

COLUMNS = ("fault", "tries", "decided", "delivered", "lost", "invented", "duplicates", "recovered in", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a few tries of each")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[scenario.name for scenario in SCENARIOS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=150)
    outcomes = []
    for scenario in SCENARIOS:
        if arguments.only and scenario.name not in arguments.only:
            continue
        started = time.monotonic()
        outcomes.append(_run(scenario, short=arguments.short, seed=arguments.seed))
        console.print(f"{outcomes[-1].fault}: {time.monotonic() - started:.0f} s", style="dim")
        if arguments.json:
            rows = [asdict(outcome) for outcome in outcomes]
            arguments.json.write_text(json.dumps({"seed": arguments.seed, "faults": rows}, indent=1) + "\n")
    console.print(_table(outcomes))
    sys.exit(not all(outcome.is_good for outcome in outcomes))


def _run(scenario: Scenario, *, short: bool, seed: int) -> Outcome:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            return scenario.inject(Path(folder), scenario.short if short else scenario.full, seed)
        except AssertionError as error:
            # The others can be tried all the same.
            traceback.print_exception(error)
            return Outcome(scenario.name, remark=f"FAILED: {error!s:.300}")


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(*COLUMNS, box=None)
    for outcome in outcomes:
        recovery = "" if outcome.recovery is None else f"{outcome.recovery:.1f} s"
        counts = outcome.tries, outcome.decided, outcome.delivered, outcome.lost, outcome.invented, outcome.duplicates
        style = None if outcome.is_good else "bold red"
        table.add_row(outcome.fault, *(f"{count:,}" for count in counts), recovery, outcome.remark, style=style)
    return table


if __name__ == "__main__":
    main()
