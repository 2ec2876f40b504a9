"""A converted model proves itself: it is what the device runs, and judges held-out faces as its original does."""

import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from converter.check_model import Check, checked
from converter.evaluate_classifier import agreement, figures_by_height, lines_of
from converter.evaluation_subjects import (
    Subject,
    chosen_from,
    device_judge,
    float_judge,
    judge_all,
    readable_subjects,
)
from converter.gates import USUAL, Gate, Limits, ensure_passed, judgement_gates, structure_gates
from converter.lower_half import INPUT_SCALE, INPUT_ZERO_POINT
from converter.metrics import Probabilities
from converter.quantize import write_model
from converter.tflite_file import read_tflite
from facemask_edge.errors import InputError
from facemask_edge.manifest import ModelEntry

MOST_HELD_OUT = 1200
"""Faces of each folder that are judged by both models: a few seconds."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a converted model that passed its gates."""

    check: Check
    gates: list[Gate]
    limits: Limits
    figures: dict[str, Any]

    @property
    def verdict(self) -> str:
        """One sentence."""
        if any(gate.passed is None for gate in self.gates):
            return "Converted, but not proven: see what is not."
        if self.limits != USUAL:
            return "Converted and proven, by the limits that were given and not by the usual ones."
        return "Converted and proven: int8 judges as float does."

    def lines(self) -> list[str]:
        """All of it for a terminal."""
        sizes = [f"split dev, int8, {line}" for line in lines_of(self.figures.get("scenes_dev_int8", {}))]
        gates = [
            f"{'ok' if gate.passed else 'not proven'}: {gate.name}: {gate.found} (wanted: {gate.wanted})"
            for gate in self.gates
        ]
        return [*sizes, *gates, self.verdict]


def proven(  # noqa: PLR0913 - what is proven, and by what
    content: bytes,
    float_content: bytes,
    entry: ModelEntry,
    held_out: Sequence[Subject],
    *,
    edgetpu: bool,
    unseen: bool,
    limits: Limits,
    console: Console,
) -> Proof:
    """Let a converted model prove itself.

    Args:
        content: The int8 .tflite file's.
        float_content: The float32 .tflite file's.
        entry: The manifest entry of the former.
        held_out: Faces to judge by both.
        edgetpu: Whether all of it must run on an Edge TPU.
        unseen: Whether no face was trained with, as far as is known.
        limits: How far it may be from the float model.
        console: Shows the progress when it is a terminal.

    Raises:
        ModelError: It does not pass a gate.
    """
    with tempfile.TemporaryDirectory(prefix="convert-model-") as folder:
        # The device loads no model without a manifest entry, so a preliminary one stands beside the candidate.
        candidate = Path(folder) / entry.file
        write_model(candidate, content, entry)
        file = read_tflite(candidate)
        gates = structure_gates(file, scale=INPUT_SCALE, zero_point=INPUT_ZERO_POINT, edgetpu=edgetpu)
        # What is built otherwise cannot be judged by the device's code.
        ensure_passed(gates)
        with ThreadPoolExecutor(1) as beside:
            judge = float_judge(float_content, entry.labels)
            by_network = beside.submit(judge_all, judge, held_out, "float", Console(quiet=True))
            by_device = judge_all(device_judge(candidate), held_out, "int8", console)
            by_float = by_network.result()
    truth = np.array([face.label for face in held_out], np.int64)
    gates += judgement_gates(truth, by_device, by_float, unseen=unseen, limits=limits)
    ensure_passed(gates)
    return Proof(checked(file, entry.file), gates, limits, _figures(held_out, by_device, by_float))


def held_out_faces(model: Path, data: Sequence[Path], used: Collection[Path], console: Console) -> list[Subject]:
    """Faces that neither trained nor calibrated the model, as far as that is known.

    Args:
        model: Whose split file says what it was only tested with.
        data: Folders of single faces and of boxed scenes, of which split dev is taken.
        used: Pictures that calibrated.
        console: Told what is left out.
    """
    held_out: list[Subject] = []
    for folder in data:
        try:
            chosen = chosen_from(folder, model, all_pictures=False)
        except InputError:
            # Boxed scenes without a split dev.
            continue
        console.print(f"{folder.resolve().name}: judged by {chosen.which}", highlight=False, soft_wrap=True)
        unused = [one for one in chosen.subjects if one.path not in used]
        held_out += readable_subjects(unused, console, most=MOST_HELD_OUT)
    return held_out


def _figures(held_out: Sequence[Subject], by_device: Probabilities, by_float: Probabilities) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    boxed = np.array([face.box is not None for face in held_out], np.bool_)
    if boxed.any():
        scenes = [face for face in held_out if face.box is not None]
        figures["scenes_dev_int8"] = figures_by_height(scenes, by_device[boxed])
    if held_out:
        figures["int8_and_float"] = agreement(by_device, by_float)
    return figures
