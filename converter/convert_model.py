"""``convert-model``: quantizes a trained mask classifier to the int8 model that the device runs, and proves it."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from converter.augmentation import SIZE
from converter.calibration import calibration_batches
from converter.classifier_data import LABELS, Picture, find_pictures, readable, reported_hashes
from converter.classifier_network import UnknownArchitectureError, with_feature_map
from converter.device_faces import with_found_boxes
from converter.duplicates import copies_of
from converter.edgetpu_compiler import INSTALLATION, SUFFIX, compiled, find_compiler
from converter.edgetpu_operations import ensure_taken
from converter.evaluate_classifier import (
    agreement,
    development_faces,
    figures_by_height,
    judged_by_device,
    judged_by_network,
    lines_of,
)
from converter.figures import in_words
from converter.lower_half import INPUT_SCALE, INPUT_ZERO_POINT
from converter.network_file import load_network
from converter.quantize import to_int8, write_model
from converter.rounding import rounded
from converter.split_file import read_split_file, split_file_of
from converter.tensorflow_quietly import quietly, tf
from converter.train_model import ensure_writable
from facemask_edge.errors import ModelError, OutputError
from facemask_edge.manifest import (
    MANIFEST,
    ModelEntry,
    ModelInput,
    Quantization,
    find_model,
    read_manifest,
    sha256_of,
)


def convert_model(  # noqa: PLR0913 - one parameter an option of the command
    *,
    model: Path,
    data: Sequence[Path],
    output: Path,
    labels: Sequence[str] | None = None,
    explain: bool = False,
    edgetpu: bool = False,
    together_with: Sequence[Path] = (),
) -> None:
    """Quantize a Keras classifier to int8, write it with its manifest entry and report what it is worth.

    Args:
        model: What ``load_network`` takes: the ``.keras`` file that train-model wrote, an ``.h5``, a SavedModel folder.
        data: Folders of the kinds train-model takes; their training part calibrates, split dev evaluates.
        output: The ``.tflite`` file to write.
        labels: The order of the outputs; None for that of the entry in the manifest beside ``model``.
        explain: Whether the last feature map becomes a second output, which ``facemask-edge explain`` needs.
        edgetpu: Whether the result must run on an Edge TPU whole; then it is compiled, where the compiler is installed.
        together_with: Other int8 models that share the Edge TPU with this one, compiled in the same go.

    Raises:
        InputError: The data cannot be read.
        ModelError: ``model`` is no such classifier, its labels' order is unknown, or it has no feature map to explain.
        OutputError: The output cannot be written.
    """
    console = Console()
    ensure_writable(output, ".tflite")
    network = load_network(model)
    known = _entry_of(model)
    order = _label_order(model, known, labels)
    calibration = calibration_batches(with_found_boxes(_trained_with(model, data, console)))
    faces = development_faces(data)
    for other in together_with:
        ensure_taken(find_model(str(other.absolute()))[0])
    console.print(f"quantizing {model.name} with {len(calibration)} pictures", highlight=False, soft_wrap=True)
    try:
        rounded_network = rounded(network, calibration)
    except UnknownArchitectureError:
        console.print("this is another network than train-model's: its weights are rounded one by one")
        rounded_network = network
    if explain:
        rounded_network = with_feature_map(rounded_network)
    content = to_int8(rounded_network, calibration, scale=INPUT_SCALE, zero_point=INPUT_ZERO_POINT)
    check_dense_layers(content)
    with tempfile.TemporaryDirectory(prefix="convert-model-") as folder:
        candidate = Path(folder) / output.name
        candidate.write_bytes(content)
        entry = ModelEntry(
            name=known.name if known else output.stem.removesuffix("_int8"),
            file=output.name,
            sha256=sha256_of(candidate),
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
            command=_command(model, data, output, labels, explain=explain),
        )
        if edgetpu:
            ensure_taken(candidate)
        # The device loads no model without a manifest entry, so a preliminary one stands beside the candidate.
        write_model(candidate, content, entry)
        figures: dict[str, Any] = {}
        if faces:
            by_device, by_network = judged_by_device(candidate, faces), judged_by_network(network, faces, order)
            figures["scenes_dev_int8"] = figures_by_height(faces, by_device)
            figures["int8_and_float"] = agreement(by_device, by_network)
            for line in lines_of(figures["scenes_dev_int8"]):
                console.print(f"split dev, int8, {line}", highlight=False, soft_wrap=True)
            same = in_words(figures["int8_and_float"]["same_label"])
            console.print(f"int8 and float give the same label: {same}", highlight=False, soft_wrap=True)
    try:
        write_model(output, content, entry.model_copy(update={"figures": figures}))
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from error
    console.print(f"wrote {output}, {len(content) >> 10} kB", highlight=False, soft_wrap=True)
    if edgetpu:
        compile_for_edgetpu([output, *together_with], output.parent, console)


def _trained_with(model: Path, data: Sequence[Path], console: Console) -> list[Picture]:
    """The pictures that may calibrate: not those that are tested with or reported on, nor copies of the latter."""
    known = read_split_file(model)
    if known is None:
        console.print(
            f"{split_file_of(model)} is missing: pictures that the model was tested with may be among those that "
            "calibrate it",
            highlight=False,
            soft_wrap=True,
        )
    reported = reported_hashes(data)
    pictures = []
    for folder in data:
        tested = known.test_pictures(folder) if known else set()
        good, hashes, _ = readable(picture for picture in find_pictures(folder) if picture.path not in tested)
        pictures += [picture for picture, copy in zip(good, copies_of(hashes, reported), strict=True) if not copy]
    return pictures


def compile_for_edgetpu(models: Sequence[Path], folder: Path, console: Console) -> None:
    """Write models compiled for an Edge TPU together, with manifest entries; without a compiler, say how to get it.

    Args:
        models: Fully int8 .tflite files, each with its manifest entry.
        folder: Where ``<name>_edgetpu.tflite`` of each is written.
        console: Told what was written, or what is missing.

    Raises:
        ModelError: The compiler fails or leaves operations to the CPU.
        OutputError: A file cannot be written.
    """
    compiler = find_compiler()
    if compiler is None:
        console.print(f"not compiled for the Edge TPU: {INSTALLATION}", highlight=False, soft_wrap=True)
        return
    for model, content in zip(models, compiled(compiler, models), strict=True):
        target = folder / f"{model.stem}{SUFFIX}.tflite"
        entry = find_model(str(model.absolute()))[1]
        digest = hashlib.sha256(content).hexdigest()
        try:
            write_model(target, content, entry.model_copy(update={"file": target.name, "sha256": digest}))
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error
        console.print(f"wrote {target}, {len(content) >> 10} kB", highlight=False, soft_wrap=True)


def check_dense_layers(content: bytes) -> None:
    """Make sure that every dense layer's weights have one scale.

    Args:
        content: The bytes of a .tflite file.

    Raises:
        ModelError: One has a scale for each channel, which the Edge TPU compiler refuses, or there is none at all.
    """
    with quietly():
        interpreter = tf.lite.Interpreter(model_content=content)
        operations = interpreter._get_ops_details()  # noqa: SLF001 - there is no public list of operations
        tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    weights = [operation["inputs"][1] for operation in operations if operation["op_name"] == "FULLY_CONNECTED"]
    if not weights or any(len(tensors[index]["quantization_parameters"]["scales"]) != 1 for index in weights):
        raise ModelError("TensorFlow did not quantize the dense layers per tensor; install TensorFlow 2.21")


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
        f"{count - 1} faces of the training part of {names}, classes alike, every other one augmented; black and white"
    )


def _command(model: Path, data: Sequence[Path], output: Path, labels: Sequence[str] | None, *, explain: bool) -> str:
    # Names only: another machine keeps its data elsewhere.
    parts = [f"convert-model models/{model.name}", *(f"--data DATA/{folder.resolve().name}" for folder in data)]
    parts += [f"--output models/{output.name}"]
    parts += [] if labels is None else [f"--labels {','.join(labels)}"]
    parts += ["--explain"] if explain else []
    return " ".join(parts)
