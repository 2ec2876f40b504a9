"""The evaluation as one HTML page that needs nothing else: tables, plots and the worst mistakes."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import markupsafe
import matplotlib as mpl

from converter.augmentation import plain_crop
from converter.classifier_data import LABELS
from converter.evaluate_pipeline import SIZES, JudgedPicture, missed_faces, strays
from converter.metrics import Probabilities, Truth, reliability, roc
from converter.outputs import ensure_folder, write_text
from converter.pages import page_template
from converter.picture_files import read_picture
from facemask_edge.values import Box

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

PAGE = "index.html"
MOST_MISTAKES = 48
THUMBNAIL = 128
"""Side in pixels of a mistake's picture."""
GOOD_AREA = 0.95
"""Under the ROC curve; from here on the plot shows its upper left corner only."""
COLOURS = {"int8": "#1b7f5c", "float": "#b4572a"}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A face judged otherwise than labelled."""

    path: Path
    box: Box | None
    label: int
    """Its place in ``LABELS``."""
    probability: float
    """Of no_mask."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One data folder's faces and what the models made of them."""

    name: str
    which: str
    """Which of its pictures were judged, in words."""
    truth: Truth
    probabilities: dict[str, Probabilities]
    """By kind of model: ``int8``, ``float``."""
    figures: dict[str, Any]
    mistakes: list[Mistake]
    """Of the first kind, the most confident first."""


def write_report(
    folder: Path,
    result: dict[str, Any],
    evaluated: Sequence[Evaluated],
    doubtful: Mapping[str, Sequence[Mistake]],
    judged: Mapping[str, Sequence[JudgedPicture]],
) -> Path:
    """Write ``index.html``.

    Args:
        folder: Made when missing.
        result: What the JSON file holds.
        evaluated: Each data folder.
        doubtful: For each data folder the faces whose labels are likely wrong; empty without an audit.
        judged: For each data folder of boxed scenes what detector and classifier made of them; empty without a
            detector.

    Returns:
        The path of the page.

    Raises:
        OutputError: It cannot be written.
    """
    page = page_template("report.html.j2", figure=_in_html, faces=_in_words).render(
        models=result["models"],
        pipeline=result["pipeline"],
        labels=LABELS,
        sizes=SIZES,
        parts=[
            {
                "name": one.name,
                "which": one.which,
                "figures": one.figures,
                "kinds": list(one.probabilities),
                "plots": [_embedded(figure) for figure in _plots(one)],
                "mistakes": [_shown(mistake) for mistake in one.mistakes[:MOST_MISTAKES]],
                "mistake_count": len(one.mistakes),
                "doubtful": [_shown(mistake) for mistake in doubtful.get(one.name, [])[:MOST_MISTAKES]],
            }
            for one in evaluated
        ],
        frames={name: _frame_mistakes(pictures) for name, pictures in judged.items()},
    )
    file = folder / PAGE
    ensure_folder(folder)
    write_text(file, page)
    return file


def _in_html(figure: dict[str, Any] | None) -> markupsafe.Markup:
    """One cell's content: ``0.9975``, and below it the interval, the count, and what chance alone would give."""
    if not figure or figure["value"] is None:
        return markupsafe.Markup("none")
    low, high = figure["interval_95"]
    chance = f"; by chance {figure['by_chance']:.4f}" if "by_chance" in figure else ""
    return markupsafe.Markup("{:.4f}<small>{:.3f} to {:.3f}, of {}{}</small>").format(
        figure["value"], low, high, figure["count"], chance
    )


def _in_words(part: str) -> str:
    """Which faces a part of the figures counts."""
    return "all" if part == "all" else f"{part.removeprefix('height_')} px and more"


def _plots(one: Evaluated) -> list[Figure]:
    plots = [_roc_plot(one), _reliability_plot(one)]
    sizes = [name for name in next(iter(one.figures.values())) if name.startswith("height_")]
    return [*plots, _size_plot(one, sizes)] if sizes else plots


def _roc_plot(one: Evaluated) -> Figure:
    figure, axes = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    for kind, given in one.probabilities.items():
        false, true = roc(one.truth, given)
        axes.plot(false, true, label=f"{kind}, area {one.figures[kind]['all']['auc']}", color=COLOURS[kind])
    axes.set(title="ROC of no_mask", xlabel="false positive rate", ylabel="true positive rate")
    if all((one.figures[kind]["all"]["auc"] or 0) > GOOD_AREA for kind in one.probabilities):
        # The curves hug the corner: only there they say something.
        axes.set(xlim=(-0.005, 0.25), ylim=(0.75, 1.005))
    return _finished(figure)


def _reliability_plot(one: Evaluated) -> Figure:
    figure, axes = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    axes.plot([0.5, 1], [0.5, 1], color="grey", linestyle=":", label="perfect")
    for kind, given in one.probabilities.items():
        confidence, right, counts = zip(*reliability(one.truth, given), strict=True)
        axes.plot(confidence, right, color=COLOURS[kind], alpha=0.6)
        area = [12 + 160 * (count / max(counts)) ** 0.5 for count in counts]
        axes.scatter(confidence, right, s=area, label=kind, color=COLOURS[kind], alpha=0.6)
    axes.set(title="Reliability (area: faces)", xlabel="confidence", ylabel="share right", ylim=(-0.03, 1.03))
    return _finished(figure)


def _size_plot(one: Evaluated, sizes: Sequence[str]) -> Figure:
    figure, axes = plt.subplots(figsize=(4.2, 3.6), layout="constrained")
    for shift, kind in enumerate(one.probabilities):
        by_size = [(place, one.figures[kind][size]) for place, size in enumerate(sizes)]
        known = [(place, figures["accuracy"]) for place, figures in by_size if figures["count"]]
        values = [accuracy["value"] for _, accuracy in known]
        bounds = list(zip(*(accuracy["interval_95"] for _, accuracy in known), strict=True))
        errors = [
            [max(value - low, 0) for value, low in zip(values, bounds[0], strict=True)],
            [max(high - value, 0) for value, high in zip(values, bounds[1], strict=True)],
        ]
        places = [place + 0.12 * shift for place, _ in known]
        axes.errorbar(places, values, errors, fmt="o", capsize=4, label=kind, color=COLOURS[kind])
    axes.set(title="Accuracy by size, 95 % intervals", xlabel="height in px from", ylim=(None, 1.003))
    axes.set_xticks(range(len(sizes)), [size.removeprefix("height_") for size in sizes])
    return _finished(figure)


def _finished(figure: Figure) -> Figure:
    (axes,) = figure.axes
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def _embedded(figure: Figure) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130)
    plt.close(figure)
    return _data_uri("png", content.getvalue())


def _frame_mistakes(pictures: Sequence[JudgedPicture]) -> dict[str, Any]:
    found, missed = strays(pictures), missed_faces(pictures)
    return {
        "stray_count": len(found),
        "strays": [
            _picture_of(stray.path, stray.box) | {"score": stray.score, "probability": stray.probability}
            for stray in found[:MOST_MISTAKES]
        ],
        "missed_count": len(missed),
        "missed": [_picture_of(face.path, face.box) | {"label": face.label} for face in missed[:MOST_MISTAKES]],
    }


def _shown(mistake: Mistake) -> dict[str, Any]:
    told = {"label": LABELS[mistake.label], "probability": mistake.probability}
    return _picture_of(mistake.path, mistake.box) | told


def _picture_of(path: Path, box: Box | None) -> dict[str, Any]:
    image = read_picture(path)
    uri = ""
    if image is not None:
        small = cv2.resize(plain_crop(image, box), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
        _, content = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
        uri = _data_uri("jpeg", content.tobytes())
    return {"uri": uri, "height": round(box.height) if box else None, "name": path.name}


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
