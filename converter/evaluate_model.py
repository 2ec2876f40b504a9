"""``evaluate-model``: what a mask classifier is worth, measured with the device's own code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from converter.classifier_data import LABELS, is_boxed
from converter.detector_data import read_list
from converter.evaluate_pipeline import SIZES, JudgedPicture, Stray, judge_picture, pipeline_figures, strays
from converter.evaluation_report import PAGE, Evaluated, Mistake, write_report
from converter.evaluation_subjects import (
    Chosen,
    Judge,
    chosen_from,
    device_judge,
    judge_all,
    network_judge,
    readable_subjects,
    versions_of,
)
from converter.figures import in_words, share
from converter.known_model import entry_of, files_of, label_order
from converter.metrics import Probabilities, classifier_figures, judged_labels
from converter.outputs import ensure_names_differ, ensure_replaceable, plain_console, shown, write_text
from converter.picture_files import ensure_size, left_out, read_picture
from converter.scene_file import BOXES, SceneSplit
from facemask_edge.annotate import single_look
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import DetectorConfig
from facemask_edge.errors import InputError, ModelError
from facemask_edge.faces import FaceDetector, create_detector
from facemask_edge.manifest import sha256_of
from facemask_edge.values import Label

SURE = 0.95
"""A label that the model contradicts with this probability is likely wrong."""


def evaluate_model(  # noqa: PLR0913 - one parameter an option
    *,
    model: Path,
    data: Sequence[Path],
    detector: str | None = None,
    labels: Sequence[str] | None = None,
    json_file: Path | None = None,
    report: Path | None = None,
    audit: bool = False,
    all_pictures: bool = False,
) -> dict[str, Any]:
    """Judge labelled faces and report figures.

    Args:
        model: A ``.tflite`` with its manifest, judged by the device's code, or a trained network, see
            ``load_network``. The other one of the same name beside it is evaluated too.
        data: Folders of single faces or of boxed scenes (of these the split dev), or ``boxes.jsonl`` files.
        detector: A face detector by packaged name or path; with it boxed scenes are judged as frames, too.
        labels: The order of the network's outputs; None for that of the entry in the manifest beside it.
        json_file: Where to write all figures.
        report: Folder for ``index.html``.
        audit: Also list the pictures whose label is likely wrong, and what the detector finds without a label.
        all_pictures: Also judge what the model was trained with.

    Returns:
        What ``json_file`` gets.

    Raises:
        InputError: The data cannot be read.
        ModelError: A model cannot be used.
        OutputError: An output cannot be written.
    """
    console = plain_console()
    int8, network = versions_of(model)
    known_name = int8 or network
    assert known_name is not None  # noqa: S101 - for mypy; versions_of gives at least one
    folders = [path.parent if path.name == BOXES else path for path in data]
    ensure_names_differ(folders)
    # What is wrong with an option is said before the work.
    if detector and not any(is_boxed(folder) for folder in folders):
        raise InputError("--detector judges boxed scenes: give a --data folder with boxes.jsonl, or leave it away")
    frames = _frame_judge(detector, int8, model) if detector else None
    for file in filter(None, (json_file, report / PAGE if report else None)):
        ensure_replaceable(file)
    chosen = {folder: chosen_from(folder, known_name, all_pictures=all_pictures) for folder in folders}
    judges: dict[str, Judge] = {}
    if int8:
        judges["int8"] = device_judge(int8)
    if network:
        from converter.network_file import load_network  # noqa: PLC0415 - a .tflite alone needs no TensorFlow

        entries = [entry_of(path) for path in (network, int8) if path]
        order = label_order(network, next(filter(None, entries), None), labels)
        judges["float"] = network_judge(load_network(network), order)
    evaluated = [_evaluated(folder.resolve().name, faces, judges, console) for folder, faces in chosen.items()]
    splits: tuple[SceneSplit, ...] = ("dev", "train") if all_pictures else ("dev",)
    judged = {
        folder.resolve().name: _judged_frames(folder, splits, frames, console)
        for folder in folders
        if frames and is_boxed(folder)
    }
    pipeline = {name: _pipeline(frames, pictures) for name, pictures in judged.items() if frames}
    result: dict[str, Any] = {
        "models": {
            file.relative_to(path.parent).as_posix(): sha256_of(file)
            for path in (int8, network)
            if path
            for file in files_of(path)
        }
        | _detector_files(pipeline),
        "judged": {one.name: one.which for one in evaluated},
        "data": {one.name: one.figures for one in evaluated},
        "pipeline": pipeline,
    }
    if audit:
        result["audit"] = {one.name: [_told(wrong) for wrong in _doubtful(one)] for one in evaluated}
        result["without_label"] = {name: [_found(one) for one in strays(pictures)] for name, pictures in judged.items()}
    _print(evaluated, pipeline, console)
    if audit:
        _print_audit(result, console)
    if json_file:
        write_text(json_file, json.dumps(result, indent=2) + "\n")
    if report:
        doubtful = {one.name: _doubtful(one) for one in evaluated} if audit else {}
        page = write_report(report, result, evaluated, doubtful, judged)
        console.print(f"wrote {page}", highlight=False, soft_wrap=True)
    return result


def _evaluated(name: str, chosen: Chosen, judges: Mapping[str, Judge], console: Console) -> Evaluated:
    console.print(f"{name}: {chosen.which}", highlight=False, soft_wrap=True)
    subjects = readable_subjects(chosen.subjects, console)
    if not subjects:
        raise InputError(f"{name} holds no picture that can be read")
    truth = np.array([subject.label for subject in subjects], np.int64)
    if len(set(truth.tolist())) == 1:
        only = LABELS[truth[0]]
        console.print(
            f"{name}: all faces are labelled {only}; what tells the labels apart has no meaning", highlight=False
        )
    heights = np.array([subject.box.height if subject.box else np.inf for subject in subjects])
    probabilities = {kind: judge_all(judge, subjects, f"{name}, {kind}", console) for kind, judge in judges.items()}
    figures: dict[str, Any] = {}
    for kind, given in probabilities.items():
        figures[kind] = {"all": _of(truth, given)}
        if np.isfinite(heights).any():
            figures[kind] |= {f"height_{size}": _of(truth[heights >= size], given[heights >= size]) for size in SIZES}
    if len(probabilities) > 1:
        labels = [judged_labels(given) for given in probabilities.values()]
        figures["agreement"] = share(int((labels[0] == labels[1]).sum()), len(truth))
    first = next(iter(probabilities.values()))
    mistakes = [
        Mistake(subject.path, subject.box, subject.label, float(probability))
        for subject, probability, judged in zip(subjects, first, judged_labels(first), strict=True)
        if judged != subject.label
    ]
    mistakes.sort(key=lambda one: -abs(one.probability - 0.5))
    return Evaluated(name, chosen.which, truth, probabilities, figures, mistakes)


def _of(truth: Any, probabilities: Probabilities) -> dict[str, Any]:  # noqa: ANN401 - see metrics.Truth
    """The figures of some faces, and what ``undetermined`` earns at one look and the default threshold."""
    figures = classifier_figures(truth, probabilities)
    if not len(truth):
        return figures
    looks = [single_look(float(probability), 0.5) for probability in probabilities]
    judged = np.array([look is not Label.UNDETERMINED for look in looks])
    right = judged_labels(probabilities) == truth
    figures["undetermined"] = share(int((~judged).sum()), len(truth))
    figures["right_of_judged"] = share(int(right[judged].sum()), int(judged.sum()))
    return figures


@dataclass(frozen=True, slots=True)
class _FrameJudge:
    """What judges whole pictures, as on the device."""

    finder: FaceDetector
    classifier: MaskClassifier


def _frame_judge(detector: str, int8: Path | None, model: Path) -> _FrameJudge:
    if int8 is None:
        raise ModelError(f"{model} cannot be judged with a detector: convert it first, as for the device")
    return _FrameJudge(create_detector(DetectorConfig(), detector), MaskClassifier(str(int8.absolute())))


def _judged_frames(
    folder: Path, splits: Sequence[SceneSplit], frames: _FrameJudge, console: Console
) -> list[JudgedPicture]:
    judged = []
    scenes = [scene for split in splits for scene in read_list(folder, split)]
    for scene in shown(scenes, "detector and classifier", console):
        image = read_picture(scene.path)
        if image is None:
            console.print(left_out(scene.path), highlight=False, soft_wrap=True)
            continue
        ensure_size(scene.path, image, scene.size)
        judged.append(judge_picture(scene, image, frames.finder, frames.classifier))
    return judged


def _pipeline(frames: _FrameJudge, pictures: Sequence[JudgedPicture]) -> dict[str, Any]:
    entry = frames.finder.model.entry
    told = {"detector": entry.file, "detector_sha256": entry.sha256, "pictures": len(pictures)}
    return told | pipeline_figures(pictures)


def _detector_files(pipeline: dict[str, Any]) -> dict[str, str]:
    return {figures["detector"]: figures["detector_sha256"] for figures in pipeline.values()}


def _doubtful(one: Evaluated) -> list[Mistake]:
    return [mistake for mistake in one.mistakes if max(mistake.probability, 1 - mistake.probability) >= SURE]


def _told(mistake: Mistake) -> dict[str, Any]:
    return {
        "picture": f"{mistake.path.parent.name}/{mistake.path.name}",
        "box": mistake.box.rounded() if mistake.box else None,
        "label": LABELS[mistake.label],
        "probability_of_no_mask": round(mistake.probability, 3),
    }


def _where(box: dict[str, int] | None) -> str:
    return f", {box['width']} x {box['height']} at {box['x']}, {box['y']}" if box else ""


def _found(stray: Stray) -> dict[str, Any]:
    return {
        "picture": f"{stray.path.parent.name}/{stray.path.name}",
        "box": stray.box.rounded(),
        "score": round(stray.score, 3),
        "probability_of_no_mask": round(stray.probability, 3),
    }


def _print(evaluated: Sequence[Evaluated], pipeline: dict[str, Any], console: Console) -> None:
    for one in evaluated:
        table = Table(
            "faces", "", "count", "right", "95 %", "loss", "calibr.", "undeterm.", title=one.name, box=box.SIMPLE
        )
        for kind in one.probabilities:
            for part, figures in one.figures[kind].items():
                if figures["count"]:
                    low, high = figures["accuracy"]["interval_95"]
                    cells = [str(figures["count"]), f"{figures['accuracy']['value']:.4f}", f"{low:.3f}-{high:.3f}"]
                    cells += [f"{figures[name]['value']:.4f}" for name in ("loss", "calibration_error", "undetermined")]
                    table.add_row(part.replace("height_", "px "), kind, *cells)
        console.print(table)
        if "agreement" in one.figures:
            console.print(f"int8 and float judge alike: {in_words(one.figures['agreement'])}", highlight=False)
    for name, figures in pipeline.items():
        columns = ("recall mask", "recall no_mask", "precision", "F1 mask", "at one look", "F1 no_mask", "at one look")
        title = f"{name}, {figures['pictures']} frames"
        table = Table("faces", *columns, title=title, box=box.SIMPLE)
        for size in SIZES:
            part = figures[f"height_{size}"]
            found = [part["detector"][key] for key in ("recall_mask", "recall_no_mask", "precision")]
            both = [counted["f1"] for label in LABELS for counted in (part[label], part[label]["one_look"])]
            table.add_row(
                f"px {size}", *("-" if one["value"] is None else f"{one['value']:.3f}" for one in found + both)
            )
        console.print(table)


def _print_audit(result: dict[str, Any], console: Console) -> None:
    for name, doubts in result["audit"].items():
        console.print(
            f"{name}: {len(doubts)} labels that the model contradicts with {SURE:.0%} or more", highlight=False
        )
        for doubt in doubts:
            console.print(
                f"  {doubt['picture']}{_where(doubt['box'])}: {doubt['label']}, "
                f"no_mask {doubt['probability_of_no_mask']:.3f}",
                highlight=False,
                soft_wrap=True,
            )
    for name, found in result["without_label"].items():
        console.print(
            f"{name}: {len(found)} finds of {SIZES[0]} px and more where no face is labelled: faces to label, or the "
            "detector's mistakes; --report shows and --json lists them",
            highlight=False,
            soft_wrap=True,
        )
