"""What is asked of a benchmark's figures, and whether it is reached: in its JSON, and as its exit code."""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from facemask_edge import __version__
from facemask_edge.benchmark import hardware

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that something is asked of."""

    name: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_reached(self) -> bool:
        """Whether it is; what could not be measured (NaN) is not."""
        too_much = self.at_most is not None and not self.value <= self.at_most
        too_little = self.at_least is not None and not self.value >= self.at_least
        return not (too_much or too_little)

    @property
    def asked(self) -> str:
        """For a table."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}"


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Let the result be written to a file."""
    parser.add_argument("--json", type=Path, help="write the result there")


def finish(file: Path | None, bars: Sequence[Bar], details: object) -> NoReturn:
    """Write the result, name what is not reached, and end the program: 1 when there is any.

    Args:
        file: A JSON file; None for none.
        bars: All that something is asked of.
        details: What was measured, in the form of the benchmark's own.
    """
    if file:
        told = {
            "benchmark": Path(sys.argv[0]).stem,
            "arguments": sys.argv[1:],
            "version": __version__,
            "commit": _commit(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "hardware": asdict(hardware({})),
            # JSON knows no infinity.
            "asked": [
                {**asdict(bar), "value": bar.value if math.isfinite(bar.value) else None, "reached": bar.is_reached}
                for bar in bars
            ],
            "details": details,
        }
        file.write_text(json.dumps(told, indent=2) + "\n")
    missed = [bar for bar in bars if not bar.is_reached]
    for bar in missed:
        Console(stderr=True).print(
            f"not reached: {bar.name} is {bar.value:.4g}, asked for: {bar.asked}", soft_wrap=True
        )
    sys.exit(bool(missed))


def _commit() -> str | None:
    """What is measured, with a mark where it is changed; None where that is no clone."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own command
    except (OSError, subprocess.CalledProcessError):
        return None
