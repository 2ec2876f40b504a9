"""Writes the tables of docs/fleet.md from results of ``python -m tests.fleet --json FILE``.

python -m tests.make_fleet_tables FILE
"""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

DOCUMENT = ROOT / "docs" / "fleet.md"
KILLS = ("broker", "killed node", "messages", "lost", "duplicates", "under two keys", "gap", "latest")
RATES = ("broker", "violations a second", "messages a second that came", "median", "95 of 100", "99 of 100")


def kills(rows: Iterable[Mapping[str, Any]]) -> str:
    return _table(
        KILLS,
        (
            (
                row["broker"],
                row["killed"],
                f"{row['decided']:,}",
                row["lost"],
                f"{row['duplicates']:,}",
                row["under_two_keys"],
                f"{row['longest_gap']:.1f} s",
                f"{row['latest']:.1f} s",
            )
            for row in rows
        ),
    )


def rates(rows: Iterable[Mapping[str, Any]]) -> str:
    return _table(
        RATES,
        (
            (
                row["broker"],
                f"{row['violations']:g}",
                f"{row['rate']:.0f}",
                *(f"{row[name]:.0f} ms" for name in ("median_ms", "p95_ms", "p99_ms")),
            )
            for row in rows
        ),
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    results = json.loads(Path(sys.argv[1]).read_text())
    text = DOCUMENT.read_text()
    for name, table in (("kills", kills(results["kills"])), ("rates", rates(results["rates"]))):
        mark, end = f"<!-- {name}: python -m tests.make_fleet_tables fleet-results.json -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(mark)
        text = f"{before}{mark}\n{table}\n{end}{rest.partition(end)[2]}"
    DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
