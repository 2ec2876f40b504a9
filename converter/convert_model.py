"""``convert-model``: quantizes a trained mask classifier to the int8 model that the device runs, and proves it."""

import hashlib
import platform
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from converter.augmentation import SIZE
from converter.calibration import calibration_batches, sha256_of_batches
from converter.check_model import Check, checked
from converter.classifier_data import LABELS, Picture, find_pictures, read_picture, reported_hashes
from converter.classifier_network import UnknownArchitectureError, ensure_explainable, with_feature_map
from converter.conversion_report import write_conversion_report
from converter.device_faces import found_boxes
from converter.duplicates import copies_of, perceptual_hashes
from converter.edgetpu_compiler import INSTALLATION, compiled, find_compiler
from converter.edgetpu_operations import ensure_taken
from converter.evaluate_classifier import agreement, figures_by_height, lines_of
from converter.evaluation_subjects import Subject, device_judge, float_judge, is_unseen, judge_all, subjects_of
from converter.gates import Gate, ensure_passed, judgement_gates, structure_gates
from converter.lower_half import INPUT_SCALE, INPUT_ZERO_POINT
from converter.metrics import Probabilities
from converter.network_file import files_of, load_network
from converter.outputs import Files, Steps, ensure_absent, ensure_names_differ, ensure_writable
from converter.quantize import Batch, to_float, to_int8, write_model
from converter.rounding import rounded
from converter.split_file import read_split_file, split_file_of
from converter.tflite_file import read_tflite
from facemask_edge import __version__
from facemask_edge.errors import InputError, ModelError, OutputError
from facemask_edge.manifest import (
    MANIFEST,
    ModelEntry,
    ModelInput,
    Quantization,
    find_model,
    read_manifest,
    sha256_of,
)
from facemask_edge.values import Image

MOST_HELD_OUT = 1200
"""Faces of each folder that are judged by both models: a few seconds."""
TOOLS = ("tensorflow-cpu", "tensorflow", "keras", "numpy", "opencv-python-headless", "ai-edge-litert")
"""Packages whose versions decide the result."""


def convert_model(  # noqa: PLR0913 - one parameter an option of the command
    *,
    model: Path,
    data: Sequence[Path],
    output: Path,
    labels: Sequence[str] | None = None,
    explain: bool = False,
    edgetpu: bool = False,
    together_with: Sequence[Path] = (),
    force: bool = False,
) -> None:
    """Quantize a classifier to int8, make it prove itself, and write it with its manifest entry and a report.

    Beside ``<name>_int8.tflite`` it writes ``<name>_float32.tflite`` and ``<name>_int8.html``.

    Args:
        model: What ``load_network`` takes: the ``.keras`` file that train-model wrote, an ``.h5``, a SavedModel folder.
        data: Folders of the kinds train-model takes. Their training part calibrates; split dev of boxed scenes, and
            the single faces that the model was only tested with, prove.
        output: The ``.tflite`` file to write.
        labels: The order of the outputs; None for that of the entry in the manifest beside ``model``.
        explain: Whether the last feature map becomes a second output, which ``facemask-edge explain`` needs.
        edgetpu: Whether the result must run on an Edge TPU whole; then it is compiled, where the compiler is installed.
        together_with: Other int8 models that share the Edge TPU with this one, compiled in the same go.
        force: Whether files that are there already are overwritten.

    Raises:
        InputError: The data cannot be read.
        ModelError: ``model`` is no such classifier, its labels' order is unknown, it has no feature map to explain, or
            the converted model does not pass its gates.
        OutputError: The output cannot be written, or is there already.
    """
    console = Console()
    model = model.resolve()
    ensure_names_differ(data)
    files = Files(output)
    ensure_writable(output, ".tflite")
    others = [find_model(str(other))[0] for other in together_with]
    for other in others:
        ensure_taken(other)
    compiler = find_compiler() if edgetpu else None
    targets = [files.compiled(one) for one in (output, *others)] if compiler else []
    if len(set(targets)) < len(targets):
        raise InputError("--together-with names a model of the name of another one; rename one")
    ensure_absent([output, files.float32, files.report, *targets], force=force)
    step = Steps(console, 6 if compiler else 5)
    step("loading the network and the pictures")
    network = load_network(model)
    if explain:
        ensure_explainable(network)
    known = _entry_of(model)
    order = _label_order(model, known, labels)
    calibration, used = _calibration(model, data, console)
    step(f"rounding the weights of {model.name} with {len(calibration)} pictures")
    rounded_network = _rounded(network, calibration, console)
    step("quantizing")
    content = to_int8(
        with_feature_map(rounded_network) if explain else rounded_network,
        calibration,
        scale=INPUT_SCALE,
        zero_point=INPUT_ZERO_POINT,
    )
    float_content = to_float(network)
    entry = ModelEntry(
        name=known.name if known else output.stem.removesuffix("_int8"),
        file=output.name,
        sha256=hashlib.sha256(content).hexdigest(),
        input=ModelInput(width=SIZE[0], height=SIZE[1], channels="RGB"),
        labels=order,
        quantization=Quantization(
            type="int8",
            scale=INPUT_SCALE,
            zero_point=INPUT_ZERO_POINT,
            calibration=_describe_calibration(data, len(calibration)),
        ),
        training_data=known.training_data if known else [],
        licence="Apache-2.0",
        command=_command(model, data, output, labels, explain=explain, edgetpu=edgetpu, together_with=together_with),
        recipe=recipe_of(model, calibration),
    )
    step("judging held-out faces by both")
    held_out = held_out_faces(model, data, used, console)
    unseen = all(is_unseen(folder, model) for folder in data)
    proof = proven(content, float_content, entry, held_out, edgetpu=edgetpu, unseen=unseen, console=console)
    entry = entry.model_copy(update={"figures": proof.figures})
    made = [
        Made(output, content, entry),
        Made(files.float32, float_content, _float_entry(entry, files.float32, float_content)),
    ]
    if compiler:
        step("compiling for the Edge TPU")
        made += _compiled(compiler, made[0], others, targets)
    step("writing")
    try:
        for one in made:
            write_model(one.file, one.content, one.entry)
        write_conversion_report(files.report, entry, proof.check, proof.gates, proof.verdict)
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from error
    lines = [*proof.lines(), *(f"wrote {one.file}, {len(one.content) >> 10} kB" for one in made)]
    if edgetpu and not compiler:
        lines.append(f"not compiled for the Edge TPU: {INSTALLATION}")
    for line in (*lines, f"wrote {files.report}"):
        console.print(line, highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Made:
    """A model to write."""

    file: Path
    content: bytes
    entry: ModelEntry


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of a converted model that passed its gates."""

    check: Check
    gates: list[Gate]
    figures: dict[str, Any]

    @property
    def verdict(self) -> str:
        """One sentence."""
        if any(gate.passed is None for gate in self.gates):
            return "Converted, but not proven: see what is not."
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
    gates += judgement_gates(truth, by_device, by_float, unseen=unseen)
    ensure_passed(gates)
    return Proof(checked(file, entry.file), gates, _figures(held_out, by_device, by_float))


def recipe_of(model: Path, calibration: Sequence[Batch]) -> dict[str, dict[str, str]]:
    """What a conversion is made of: SHA-256 sums of its inputs, versions of its tools."""
    inputs = {file.relative_to(model.parent).as_posix(): sha256_of(file) for file in files_of(model)}
    # Some write their names with underscores.
    installed = {package.metadata["Name"].replace("_", "-"): package.version for package in metadata.distributions()}
    return {
        "inputs": {**inputs, "calibration pictures": sha256_of_batches(calibration)},
        "tools": {
            "facemask-edge": __version__,
            "python": platform.python_version(),
            **{name: installed[name] for name in TOOLS if name in installed},
        },
    }


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
            subjects = subjects_of(folder, model, console, all_pictures=False)
        except InputError:
            # Boxed scenes without a split dev.
            continue
        subjects = [one for one in subjects if one.path not in used]
        bad = {path for path in {one.path for one in subjects} if read_picture(path) is None}
        for path in sorted(bad):
            console.print(f"cannot read {path}; left out", highlight=False, soft_wrap=True)
        subjects = [one for one in subjects if one.path not in bad]
        if len(subjects) > MOST_HELD_OUT:
            chosen = np.random.default_rng(0).choice(len(subjects), MOST_HELD_OUT, replace=False)
            subjects = [subjects[place] for place in sorted(chosen)]
        held_out += subjects
    return held_out


def _calibration(model: Path, data: Sequence[Path], console: Console) -> tuple[list[Batch], set[Path]]:
    """The inputs that calibrate, and the pictures they are of: none that was tested with or is reported on."""
    known = read_split_file(model)
    if known is None:
        missing = f"{split_file_of(model)} is missing: which pictures the model was tested with is not known"
        console.print(missing, highlight=False, soft_wrap=True)
    tested = {path for folder in data for path in (known.test_pictures(folder) if known else set())}
    pictures = [one for folder in data for one in find_pictures(folder) if one.path not in tested]
    reported = reported_hashes(data)
    with_found = found_boxes()
    used: set[Path] = set()

    def prepare(picture: Picture, image: Image) -> Picture | None:
        # Only what is drawn is looked at: all of a large data set would take minutes.
        if copies_of(perceptual_hashes(image)[np.newaxis], reported).any():
            return None
        used.add(picture.path)
        return with_found(picture, image)

    return calibration_batches(pictures, prepare=prepare), used


def _rounded(network: Any, calibration: Sequence[Batch], console: Console) -> Any:  # noqa: ANN401 - Keras models
    try:
        return rounded(network, calibration)
    except UnknownArchitectureError:
        console.print("this is another network than train-model's: its weights are rounded one by one")
        return network


def _figures(held_out: Sequence[Subject], by_device: Probabilities, by_float: Probabilities) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    boxed = np.array([face.box is not None for face in held_out], np.bool_)
    if boxed.any():
        scenes = [face for face in held_out if face.box is not None]
        figures["scenes_dev_int8"] = figures_by_height(scenes, by_device[boxed])
    if held_out:
        figures["int8_and_float"] = agreement(by_device, by_float)
    return figures


def _compiled(compiler: str, made: Made, others: Sequence[Path], targets: Sequence[Path]) -> list[Made]:
    """A model and the others that share the Edge TPU with it, compiled together."""
    with tempfile.TemporaryDirectory(prefix="convert-model-") as folder:
        candidate = Path(folder) / made.file.name
        candidate.write_bytes(made.content)
        contents = compiled(compiler, [candidate, *others])
    entries = [made.entry, *(find_model(str(other.absolute()))[1] for other in others)]
    together = ", ".join(entry.file for entry in entries)
    models = []
    for target, content, entry in zip(targets, contents, entries, strict=True):
        # The figures are those of the model that was compiled; nobody measured the compiled one.
        known = {"file": target.name, "sha256": hashlib.sha256(content).hexdigest(), "figures": {}}
        recipe = {**entry.recipe, "edgetpu_compiler": {"compiled together": together}}
        models.append(Made(target, content, entry.model_copy(update={**known, "recipe": recipe})))
    return models


def _float_entry(entry: ModelEntry, file: Path, content: bytes) -> ModelEntry:
    digest = hashlib.sha256(content).hexdigest()
    return entry.model_copy(update={"file": file.name, "sha256": digest, "quantization": None, "figures": {}})


def _entry_of(model: Path) -> ModelEntry | None:
    # An entry of another SHA-256 speaks of another training.
    if model.is_dir() or not (model.parent / MANIFEST).exists():
        return None
    digest = sha256_of(model)
    entries = read_manifest(model.parent).models
    return next((entry for entry in entries if entry.file == model.name and entry.sha256 == digest), None)


def _label_order(model: Path, known: ModelEntry | None, labels: Sequence[str] | None) -> list[str]:
    order = list(labels) if labels is not None else known.labels if known else None
    if order is None:
        raise ModelError(
            f"model {model} has no entry with its SHA-256 in a {MANIFEST} beside it, so the order of its labels is "
            "unknown; give it with --labels mask,no_mask"
        )
    if sorted(order) != sorted(LABELS):
        raise ModelError(f"the labels of {model} are {', '.join(order)}; a classifier has mask and no_mask")
    return order


def _describe_calibration(data: Sequence[Path], count: int) -> str:
    names = ", ".join(folder.resolve().name for folder in data)
    return (
        f"{count - 1} faces of the training part of {names}, classes and sizes alike, every other one varied; "
        "black and white"
    )


def _command(  # noqa: PLR0913 - one parameter an option of the command
    model: Path,
    data: Sequence[Path],
    output: Path,
    labels: Sequence[str] | None,
    *,
    explain: bool,
    edgetpu: bool,
    together_with: Sequence[Path],
) -> str:
    # Names only: another machine keeps its data elsewhere.
    parts = [f"convert-model models/{model.name}", *(f"--data DATA/{folder.resolve().name}" for folder in data)]
    parts += [f"--output models/{output.name}"]
    parts += [] if labels is None else [f"--labels {','.join(labels)}"]
    parts += ["--explain"] if explain else []
    parts += ["--edgetpu"] if edgetpu else []
    parts += [f"--together-with models/{other.name}" for other in together_with]
    return " ".join(parts)
