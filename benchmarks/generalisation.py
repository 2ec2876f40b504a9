"""Trains on one source and tests on the other, and trains by our recipe on the paper's random split.

    python -m benchmarks.generalisation --data DATA --weights mobilenet_v2_imagenet_notop.weights.h5 --output FOLDER

DATA holds ``masks4095`` and ``scenes``. Three trainings: an hour and a half on two cores. Interrupted, the same
command goes on: a training after its last whole round, and no file in FOLDER is made twice. After a change name a new
folder.

All crops are cut by the packaged face detector, which was trained on both sources (it knows faces, not masks).
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Case:
    """One training and what its model is tested on."""

    name: str
    trained_on: str
    tested_on: str
    options: tuple[str, ...] = ()


CASES = (
    Case("without_scenes", "masks4095", "scenes"),
    Case("without_masks4095", "scenes", "masks4095", ("--copies", "6")),
    Case("random_split", "masks4095", "masks4095", ("--split", "random")),
)
"""The scenes' faces are fewer, and most of them are small: more copies of each."""


def figures_of(case: Case, data: Path, weights: Path, output: Path) -> dict[str, Any]:
    """Train, convert and evaluate, unless it was done; what ``evaluate-model`` says."""
    folder = output / case.name
    folder.mkdir(parents=True, exist_ok=True)
    figures = folder / "figures.json"
    if not figures.exists():
        source = data / case.trained_on
        network, quantized = folder / "classifier.keras", folder / "classifier_int8.tflite"
        if not network.exists():
            _run("train_model", "--data", source, "--weights", weights, "--output", network, *case.options)
        if not quantized.exists():
            _run("convert_model", network, "--data", source, "--output", quantized)
        _run("evaluate_model", quantized, "--data", data / case.tested_on, "--json", figures)
    read: dict[str, Any] = json.loads(figures.read_text())
    return read


def _run(command: str, *arguments: Path | str) -> None:
    # The command of the same name, whether or not the environment's commands are on the path.
    call = f"from converter.cli import {command}; {command}()"
    subprocess.run([sys.executable, "-c", call, *map(str, arguments)], check=True)  # noqa: S603 - commands of this project


def main() -> None:
    """Print one table of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "weights", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    table = Table("trained on", "tested on", "faces", "count", "right, int8", "95 %", "loss")
    for case in CASES:
        tested = figures_of(case, arguments.data, arguments.weights, arguments.output)["data"][case.tested_on]
        for size, figures in tested["int8"].items():
            accuracy = figures["accuracy"]
            table.add_row(
                " ".join((case.trained_on, *case.options)),
                case.tested_on,
                size,
                str(accuracy["count"]),
                f"{accuracy['value']:.4f}",
                " to ".join(f"{bound:.3f}" for bound in accuracy["interval_95"]),
                f"{figures['loss']['value']:.4f}",
            )
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
