"""Writes the figures of docs/evaluation.json into docs/evaluation.md, docs/tuning.md and the README.

    python -m tests.make_evaluation_figures

The file is what ``evaluate-model`` writes with ``--json``, for the shipped models.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facemask_edge.manifest import packaged_models, read_manifest
from tests.conftest import ROOT
from tests.make_model_figures import filled

FIGURES = ROOT / "docs" / "evaluation.json"
PAGE, TUNING, README = ROOT / "docs" / "evaluation.md", ROOT / "docs" / "tuning.md", ROOT / "README.md"
BEGIN = "<!-- figures from docs/evaluation.json: make docs -->\n"
SINGLE, SCENES = "masks4095", "scenes"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure and what it is to be."""

    name: str
    figure: dict[str, Any]
    asked: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the figure, rounded as it is shown, is what was asked for."""
        if self.figure["value"] is None:
            return False
        value = round(float(self.figure["value"]), 4)
        return value <= self.asked if self.at_most else value >= self.asked

    def cells(self) -> list[str]:
        """The table's cells."""
        asked = f"{'at most' if self.at_most else 'at least'} {self.asked:g}"
        if self.figure["value"] is None:
            return [self.name, asked, "**none**", "", "0"]
        low, high = self.figure["interval_95"]
        measured = f"{self.figure['value']:.4f}" if self.met else f"**{self.figure['value']:.4f}**"
        return [self.name, asked, measured, f"{low:.3f} to {high:.3f}", f"{self.figure['count']:,}"]


def read_figures() -> dict[str, Any]:
    """What ``evaluate-model`` measured."""
    figures: dict[str, Any] = json.loads(FIGURES.read_text())
    return figures


def rows(figures: dict[str, Any]) -> list[Row]:
    """All figures that something was asked of."""
    single, scenes = (figures["data"][name] for name in (SINGLE, SCENES))
    far, near = scenes["int8"]["height_16"], scenes["int8"]["height_64"]
    middle, both = scenes["int8"]["height_32"], figures["pipeline"][SCENES]["height_32"]
    found = both["detector"]
    return [
        Row("classifier, masks4095 without near-duplicates: right", single["int8"]["all"]["accuracy"], 0.995),
        Row("its loss", single["int8"]["all"]["loss"], 0.02, at_most=True),
        Row(*_calibration("its", single["int8"]["all"]), 0.03, at_most=True),
        Row("classifier, scenes, faces of 32 px and more: right", middle["accuracy"], 0.997),
        Row("classifier, scenes, faces of 16 px and more: right", far["accuracy"], 0.99),
        Row(*_calibration("their", far), 0.03, at_most=True),
        Row(*_calibration("of those judged bare, the", far["no_mask"]), 0.03, at_most=True),
        Row("faces of 64 px and more left undetermined at one look", near["undetermined"], 0.05, at_most=True),
        Row("of those judged, right", near["right_of_judged"], 0.99),
        Row("int8 judges like float, masks4095", single["agreement"], 0.995),
        Row("int8 judges like float, scenes", scenes["agreement"], 0.995),
        Row("detector, 320 px, faces of 32 px and more: masked ones found", found["recall_mask"], 0.95),
        Row("bare ones found", found["recall_no_mask"], 0.97),
        Row("precision", found["precision"], 0.9),
        Row("both together, 32 px and more: F1 of mask", both["mask"]["f1"], 0.92),
        Row("F1 of mask, at one look", both["mask"]["one_look"]["f1"], 0.92),
        Row("F1 of no_mask", both["no_mask"]["f1"], 0.92),
        Row("F1 of no_mask, at one look", both["no_mask"]["one_look"]["f1"], 0.92),
    ]


def _calibration(whose: str, figures: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    figure = figures["calibration_error"]
    return f"{whose} calibration error ({figure['by_chance']:.4f} by chance)", figure


def page() -> str:
    """docs/evaluation.md with the table."""
    lines = ["| | asked for | measured | 95 % | count |", "| --- | --- | --- | --- | --- |"]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows(read_figures())]
    return _filled(PAGE, lines)


def tuning() -> str:
    """docs/tuning.md with what is missed and reported falsely by size."""
    lines = [
        "| faces from | bare faces that are found and called bare | of those called bare, really bare |",
        "| --- | --- | --- |",
    ]
    scenes = read_figures()["pipeline"][SCENES]
    for height in (16, 32, 64):
        bare = scenes[f"height_{height}"]["no_mask"]["one_look"]
        lines.append(f"| {height} px | {_with_interval(bare['recall'])} | {_with_interval(bare['precision'])} |")
    return _filled(TUNING, lines)


def readme() -> str:
    """The README with its short table."""
    return _filled(README, list(_summary(read_figures())))


def _summary(figures: dict[str, Any]) -> Iterator[str]:
    single, scenes = figures["data"][SINGLE]["int8"]["all"], figures["data"][SCENES]["int8"]
    both = figures["pipeline"][SCENES]["height_32"]
    found = both["detector"]
    yield "| int8 models, on pictures they never saw | |"
    yield "| --- | --- |"
    yield (
        f"| mask classifier, faces of 32 px and more in street scenes | {_right(scenes['height_32'])} "
        f"({_right(scenes['height_16'])} from 16 px on) |"
    )
    yield (
        f"| mask classifier, the paper's data set, without near-duplicates in the training | {_right(single)}, loss "
        f"{single['loss']['value']:.3f} (the paper: 0.989, 0.035, at random) |"
    )
    yield (
        f"| face detector, 320 px, faces of 32 px and more in street scenes | finds {_share(found['recall_mask'])} "
        f"masked and {_share(found['recall_no_mask'])} bare ones; {_share(found['precision'])} finds are faces |"
    )
    yield (
        f"| both together, at one look | F1 {_value(both['mask']['one_look']['f1'])} of mask, "
        f"{_value(both['no_mask']['one_look']['f1'])} of no_mask |"
    )


def _right(figures: dict[str, Any]) -> str:
    return f"{_share(figures['accuracy'])} right"


def _share(figure: dict[str, Any]) -> str:
    return f"{_value(figure)} of {figure['count']:,}"


def _value(figure: dict[str, Any]) -> str:
    return "none" if figure["value"] is None else f"{figure['value']:.3f}"


def _with_interval(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "none"
    low, high = figure["interval_95"]
    return f"{_share(figure)} ({low:.3f} to {high:.3f})"


def shipped() -> dict[str, str]:
    """The SHA-256 of each shipped file."""
    return {entry.file: entry.sha256 for entry in read_manifest(packaged_models()).models}


def _filled(path: Path, lines: list[str]) -> str:
    return filled(path.read_text(), BEGIN, "\n" + "\n".join(lines) + "\n\n")


if __name__ == "__main__":
    for written, text in ((PAGE, page()), (TUNING, tuning()), (README, readme())):
        written.write_text(text)
