"""What a training's epochs were like: the paper's Table 2 as Markdown, and its Figure 7 as a picture."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from converter.recipes import Recipe
from facemask_edge.errors import OutputError

mpl.use("Agg")
from matplotlib import pyplot as plt

PAPER_LOSS, PAPER_ACCURACY = 0.035, 0.989
"""The evaluation loss and accuracy that the paper ends with."""


def write_report(folder: Path, history: Sequence[dict[str, Any]], recipe: Recipe) -> None:
    """Write ``epochs.md``, ``epochs.json`` and ``curves.png``.

    Args:
        folder: Made when missing.
        history: One entry an epoch, as from ``classifier_training.fit``.
        recipe: With the paper's recipe the paper's own last values stand beside.

    Raises:
        OutputError: The folder cannot be written.
    """
    paper = recipe.frozen_backbone
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "epochs.json").write_text(json.dumps(list(history), indent=2) + "\n")
        (folder / "epochs.md").write_text(table(history, beside_paper=paper))
        curves(history, folder / "curves.png", beside_paper=paper)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from error


def table(history: Sequence[dict[str, Any]], *, beside_paper: bool) -> str:
    """The epochs as a Markdown table: loss and accuracy on the training and on the evaluation part."""
    lines = ["| epoch | training loss | training accuracy | evaluation loss | evaluation accuracy |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for entry in history:
        lines.append(
            f"| {entry['epoch']} | {entry['training_loss']:.4f} | {entry['training_accuracy']:.4f} "
            f"| {entry['loss']:.4f} | {entry['accuracy']['value']:.4f} |"
        )
        if mean := entry.get("mean"):
            lines.append(f"| mean of {mean['averaged']} | | | {mean['loss']:.4f} | {mean['accuracy']['value']:.4f} |")
    if beside_paper:
        lines.append(f"| the paper's last | | | {PAPER_LOSS} | {PAPER_ACCURACY} |")
    return "\n".join(lines) + "\n"


def curves(history: Sequence[dict[str, Any]], file: Path, *, beside_paper: bool) -> None:
    """Draw loss and accuracy over the epochs into a PNG."""
    epochs = [entry["epoch"] for entry in history]
    figure, (losses, accuracies) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    losses.plot(epochs, [entry["training_loss"] for entry in history], label="training")
    losses.plot(epochs, [entry["loss"] for entry in history], label="evaluation")
    losses.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    accuracies.plot(epochs, [entry["training_accuracy"] for entry in history], label="training")
    accuracies.plot(epochs, [entry["accuracy"]["value"] for entry in history], label="evaluation")
    accuracies.set(xlabel="epoch", ylabel="accuracy", ylim=(None, 1.002))
    if beside_paper:
        losses.axhline(PAPER_LOSS, color="grey", linestyle=":", label="evaluation, the paper's last")
        accuracies.axhline(PAPER_ACCURACY, color="grey", linestyle=":", label="evaluation, the paper's last")
    if means := [(entry["epoch"], entry["mean"]) for entry in history if "mean" in entry]:
        at = [epoch for epoch, _ in means]
        losses.plot(at, [mean["loss"] for _, mean in means], "o", label="evaluation, mean")
        accuracies.plot(at, [mean["accuracy"]["value"] for _, mean in means], "o", label="evaluation, mean")
    for axes in (losses, accuracies):
        axes.legend()
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(file, dpi=120)
    plt.close(figure)
