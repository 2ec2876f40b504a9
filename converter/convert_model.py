"""``convert-model``: quantizes a trained mask classifier to the int8 model that the device runs, and proves it."""

import hashlib
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from converter.augmentation import SIZE
from converter.calibration import calibration_batches, sha256_of_batches
from converter.classifier_data import Picture, find_pictures, reported_hashes
from converter.classifier_network import UnknownArchitectureError, ensure_explainable, with_feature_map
from converter.conversion_report import write_conversion_report
from converter.device_faces import found_boxes
from converter.duplicates import copy_finder, perceptual_hashes
from converter.edgetpu_compiler import INSTALLATION, compiled, find_compiler
from converter.edgetpu_operations import ensure_taken
from converter.evaluation_subjects import is_unseen
from converter.gates import USUAL, Limits
from converter.known_model import entry_of, files_of, label_order
from converter.lower_half import INPUT_SCALE, INPUT_ZERO_POINT
from converter.network_file import load_network
from converter.outputs import Files, Steps, ensure_absent, ensure_names_differ, ensure_writable, plain_console
from converter.proof import held_out_faces, proven
from converter.quantize import Batch, to_float, to_int8, write_model
from converter.rounding import rounded
from converter.split_file import read_split_file, split_file_of
from facemask_edge import __version__
from facemask_edge.errors import InputError, OutputError
from facemask_edge.manifest import (
    ModelEntry,
    ModelInput,
    Quantization,
    find_model,
    sha256_of,
)
from facemask_edge.values import Image

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
    limits: Limits = USUAL,
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
        limits: How far the result may be from the network.
        force: Whether files that are there already are overwritten.

    Raises:
        InputError: The data cannot be read.
        ModelError: ``model`` is no such classifier, its labels' order is unknown, it has no feature map to explain, or
            the converted model does not pass its gates.
        OutputError: The output cannot be written, or is there already.
    """
    console = plain_console()
    model = model.resolve()
    ensure_names_differ(data)
    files = Files(output)
    ensure_writable(output, ".tflite")
    others = [find_model(str(other)) for other in together_with]
    for other, _ in others:
        ensure_taken(other)
    compiler = find_compiler() if edgetpu else None
    targets = [files.compiled(one) for one in (output, *(other for other, _ in others))] if compiler else []
    if len(set(targets)) < len(targets):
        raise InputError("--together-with names a model of the name of another one; rename one")
    ensure_absent([output, files.float32, files.report, *targets], force=force)
    step = Steps(console, 6 if compiler else 5)
    step("loading the network and the pictures")
    network = load_network(model)
    if explain:
        ensure_explainable(network)
    known = entry_of(model)
    order = label_order(model, known, labels)
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
        command=_command(
            model, data, output, labels, limits, explain=explain, edgetpu=edgetpu, together_with=together_with
        ),
        recipe=recipe_of(model, calibration),
    )
    step("judging held-out faces by both")
    held_out = held_out_faces(model, data, used, console)
    unseen = all(is_unseen(folder, model) for folder in data)
    proof = proven(
        content, float_content, entry, held_out, edgetpu=edgetpu, unseen=unseen, limits=limits, console=console
    )
    entry = entry.model_copy(update={"figures": proof.figures})
    made = [
        Made(output, content, entry),
        Made(files.float32, float_content, _float_entry(entry, files.float32, float_content)),
    ]
    if compiler:
        step("compiling for the Edge TPU")
        made += _compiled(compiler, made[0], others, targets)
    step("writing")
    for one in made:
        write_model(one.file, one.content, one.entry)
    try:
        write_conversion_report(files.report, entry, proof.check, proof.gates, proof.verdict)
    except OSError as error:
        raise OutputError(f"{files.report} cannot be written: {error.strerror}") from error
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


def _calibration(model: Path, data: Sequence[Path], console: Console) -> tuple[list[Batch], set[Path]]:
    """The inputs that calibrate, and the pictures they are of: none that was tested with or is reported on."""
    known = read_split_file(model)
    if known is None:
        missing = f"{split_file_of(model)} is missing: which pictures the model was tested with is not known"
        console.print(missing, highlight=False, soft_wrap=True)
    tested = {path for folder in data for path in (known.test_pictures(folder) if known else set())}
    # What was made of a picture that is tested with calibrates as little as that.
    pictures = [
        one for folder in data for one in find_pictures(folder) if one.path not in tested and not one.is_derived
    ]
    is_reported = copy_finder(reported_hashes(data))
    with_found = found_boxes()
    used: set[Path] = set()

    def prepare(picture: Picture, image: Image) -> Picture | None:
        # Only what is drawn is looked at: all of a large data set would take minutes.
        if is_reported(perceptual_hashes(image)):
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


def _compiled(
    compiler: str, made: Made, others: Sequence[tuple[Path, ModelEntry]], targets: Sequence[Path]
) -> list[Made]:
    """A model and the others that share the Edge TPU with it, compiled together."""
    with tempfile.TemporaryDirectory(prefix="convert-model-") as folder:
        candidate = Path(folder) / made.file.name
        candidate.write_bytes(made.content)
        contents = compiled(compiler, [candidate, *(other for other, _ in others)])
    entries = [made.entry, *(entry for _, entry in others)]
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
    limits: Limits,
    *,
    explain: bool,
    edgetpu: bool,
    together_with: Sequence[Path],
) -> str:
    # Names only: another machine keeps its data elsewhere.
    parts = [f"convert-model models/{model.name}", *(f"--data DATA/{folder.resolve().name}" for folder in data)]
    parts += [f"--output models/{output.name}"]
    parts += [] if labels is None else [f"--labels {','.join(labels)}"]
    parts += (
        [] if limits.least_agreement == USUAL.least_agreement else [f"--least-agreement {limits.least_agreement:g}"]
    )
    parts += [] if limits.largest_drop == USUAL.largest_drop else [f"--largest-drop {limits.largest_drop:g}"]
    parts += ["--explain"] if explain else []
    parts += ["--edgetpu"] if edgetpu else []
    parts += [f"--together-with models/{other.name}" for other in together_with]
    return " ".join(parts)
