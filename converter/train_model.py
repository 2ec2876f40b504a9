"""``train-model``: trains the mask classifier on single faces and boxed scenes, by the paper's recipe or by ours."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from converter.calibration import calibration_batches
from converter.classifier_data import (
    LABELS,
    NO_FACE,
    Split,
    find_pictures,
    is_boxed,
)
from converter.classifier_network import BACKBONE, build_network, ensure_exists, split_network
from converter.classifier_training import fit, held_out_figures, strategy
from converter.crop_stream import CropStream
from converter.device_faces import DETECTOR, with_found_boxes
from converter.distillation import Teachers, ensure_untaught, halves_of
from converter.evaluate_classifier import figures_by_height, lines_of
from converter.evaluation_subjects import judge_all, network_judge, readable_subjects, subjects_of
from converter.figures import in_words
from converter.gathering import gather
from converter.lower_half import QuantizedLowerHalf
from converter.no_faces import with_no_faces
from converter.outputs import ensure_absent, ensure_folder, ensure_writable, plain_console, shown
from converter.quantize import write_entry, write_model
from converter.recipes import Recipe
from converter.split_file import SplitFile
from converter.tensorflow_quietly import keras, quietly
from converter.training_report import write_report
from converter.training_state import Progress, TrainingState, identity_of, opened_state
from facemask_edge.errors import InputError, OutputError
from facemask_edge.manifest import ModelEntry, ModelInput, find_model, sha256_of


def train_model(  # noqa: PLR0913 - one parameter an option of the command
    *,
    data: Sequence[Path],
    weights: Path,
    output: Path,
    recipe: Recipe,
    teachers: Sequence[Path] = (),
    report: Path | None = None,
    force: bool = False,
) -> None:
    """Train the classifier, write it with its manifest entry and report what it is worth.

    Interrupted, the same command goes on after the last whole epoch.

    Args:
        data: Folders of single faces or of boxed scenes.
        weights: Keras' ImageNet weights of MobileNetV2, alpha 1.0, without top.
        output: The ``.keras`` file to write.
        recipe: How long, how varied, how repeatable.
        teachers: ``.keras`` files of earlier trainings, see ``distillation``; not with the paper's recipe.
        report: Folder for the table and the curves of the epochs; None writes neither.
        force: Overwrite a network that is there.

    Raises:
        InputError: The data or the weights cannot be read, or a teacher knows what is tested with.
        ModelError: The weights or a teacher are of another network, or the packaged detector cannot be used.
        OutputError: The output cannot be written, or is there already.
    """
    console = plain_console()
    ensure_writable(output, ".keras")
    ensure_absent([output], force=force)
    if report:
        ensure_folder(report)
    ensure_exists(weights)
    for teacher in teachers:
        halves_of(teacher)
    keras.utils.set_random_seed(recipe.seed)
    gathered = gather(data, recipe, console)
    if recipe.name == "paper":
        ensure_papers(gathered.split)
    ensure_untaught(teachers, gathered.split)
    # The packaged detector decides the crops.
    files = (weights, find_model(DETECTOR)[0], *teachers)
    identity = identity_of(recipe, (*gathered.split.learnt, *gathered.split.test), files)
    state = opened_state(output.with_suffix(".training"), identity)
    with strategy().scope():
        network = build_network(weights)
        progress, test = _trained(network, gathered.split, recipe, state, console, teachers=teachers)
    figures: dict[str, Any] = {"epoch": progress.best + 1, "averaged": progress.best_averaged}
    if recipe.held_out_part:
        figures["held_out"] = progress.best_figures["accuracy"]
    if test:
        figures["test"] = test
        console.print(f"test, {recipe.split} split: {in_words(test['accuracy'])}, loss {test['loss']:.4f}")
    sources = [*gathered.sources, f"initial weights: {weights.name} (MobileNetV2 of Keras, ImageNet; Apache-2.0)"]
    entry = write_network(network, output, sources, figures, _command(data, weights, output, recipe, teachers))
    SplitFile.of(gathered.split, data, recipe, network=entry.sha256).write(output)
    if report:
        write_report(report, progress.history, recipe)
    scenes = [scene for folder in filter(is_boxed, data) for scene in find_pictures(folder, split="dev")]
    faces = readable_subjects(subjects_of(scenes), console)
    if faces:
        judge = network_judge(network)
        figures["scenes_dev_float"] = figures_by_height(faces, judge_all(judge, faces, "split dev", console))
        for line in lines_of(figures["scenes_dev_float"]):
            console.print(f"split dev, {line}", highlight=False, soft_wrap=True)
        write_entry(output.parent, entry.model_copy(update={"figures": figures}))
    state.discard()
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)


def ensure_papers(split: Split) -> None:
    """The paper's recipe knows only pictures of one face, and judges each epoch by its test part.

    Raises:
        InputError: There are others, or there is no test part.
    """
    if any(face.box for picture in split.training for face in picture.faces):
        raise InputError("--recipe paper takes pictures of one face each; give it no folder of boxed scenes")
    if not split.test:
        raise InputError("--recipe paper needs pictures to test each epoch with; give --test-part 0.2")


def _trained(  # noqa: PLR0913 - what it works on, and what it tells
    network: keras.Model,
    split: Split,
    recipe: Recipe,
    state: TrainingState,
    console: Console,
    *,
    teachers: Sequence[Path],
) -> tuple[Progress, dict[str, Any]]:
    """Train the network in place; how the epochs went, and the figures on the test part (none where there is none)."""
    if recipe.frozen_backbone:
        # As in the paper: nothing below the head learns, and each epoch is judged on the test part.
        network.get_layer(BACKBONE).trainable = False
        test = CropStream(split.test, recipe, None)
        training = CropStream(split.training, recipe, None)
        progress = fit(network, training=training, held_out=test, recipe=recipe, state=state, console=console)
        return progress, held_out_figures(network, test, np.ones(len(LABELS), np.float32), copies=0)
    pictures = with_found_boxes(shown(split.training, "finding faces", console))
    taught = with_no_faces(shown(pictures, "finding what is none", console))
    count = sum(face.label == NO_FACE for picture in taught for face in picture.faces)
    if count:
        console.print(f"{count} things that only look like a face are taught as neither", highlight=False)
    halves = split_network(network)
    lower = QuantizedLowerHalf(halves.lower, calibration_batches(pictures))
    training = CropStream(taught, recipe, lower)
    held_out = CropStream(with_found_boxes(split.held_out), recipe, lower)
    progress = fit(
        halves.upper,
        training=training,
        held_out=held_out,
        recipe=recipe,
        state=state,
        console=console,
        teachers=Teachers(teachers, halves.lower) if teachers else None,
    )
    if not split.test:
        return progress, {}
    test = CropStream(split.test, recipe, lower)
    return progress, held_out_figures(halves.upper, test, np.ones(len(LABELS), np.float32), copies=0)


def write_network(
    network: keras.Model, output: Path, sources: list[str], figures: dict[str, Any], command: str
) -> ModelEntry:
    """Write a trained network and its manifest entry.

    Raises:
        OutputError: The file cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="train-model-") as folder:
        file = Path(folder) / output.name
        try:
            with quietly():
                network.save(file)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror}; the last epoch is kept") from error
        width, height = network.input_shape[2], network.input_shape[1]
        entry = ModelEntry(
            name=output.stem,
            file=output.name,
            sha256=sha256_of(file),
            input=ModelInput(width=width, height=height, channels="RGB"),
            labels=LABELS,
            training_data=sources,
            figures=figures,
            licence="Apache-2.0",
            command=command,
        )
        write_model(output, file.read_bytes(), entry)
    return entry


def _command(data: Sequence[Path], weights: Path, output: Path, recipe: Recipe, teachers: Sequence[Path]) -> str:
    # Names only: another machine keeps its data elsewhere.
    parts = ["train-model", *(f"--data DATA/{folder.resolve().name}" for folder in data)]
    parts += [f"--weights WEIGHTS/{weights.name}", f"--output models/{output.name}", f"--recipe {recipe.name}"]
    parts += [f"--split {recipe.split}", f"--split-seed {recipe.split_seed}", f"--test-part {recipe.test_part:g}"]
    parts += [f"--epochs {recipe.epochs}", f"--copies {recipe.copies}", f"--seed {recipe.seed}"]
    parts += [f"--teacher models/{teacher.name}" for teacher in teachers]
    parts += [] if recipe.limit is None else [f"--limit {recipe.limit}"]
    return " ".join(parts)
