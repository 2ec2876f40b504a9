"""Writes the table of docs/delivery.md from results of ``python -m tests.faults --json FILE``.

python -m tests.make_fault_table FILE...
"""

import json
import sys
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

DOCUMENT = ROOT / "docs" / "delivery.md"
MARK = "<!-- faults: python -m tests.make_fault_table fault-results.json -->"
HEAD = "| fault | tries | decided | delivered | lost | invented | duplicates | longest recovery | |"


def table(faults: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = [HEAD, "|" + " --- |" * HEAD[1:].count("|")]
    for fault in faults:
        counts = (fault[name] for name in ("tries", "decided", "delivered", "lost", "invented", "duplicates"))
        recovery = "" if fault["recovery"] is None else f"{fault['recovery']:.1f} s"
        lines.append(
            f"| {' | '.join([fault['fault'], *(f'{count:,}' for count in counts), recovery, fault['remark']])} |"
        )
    return "\n".join(lines)


def main() -> None:
    faults = [fault for file in sys.argv[1:] for fault in json.loads(Path(file).read_text())["faults"]]
    before = DOCUMENT.read_text().partition(MARK)[0]
    DOCUMENT.write_text(f"{before}{MARK}\n{table(faults)}\n")


if __name__ == "__main__":
    main()
