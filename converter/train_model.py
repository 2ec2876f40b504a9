"""``train-model``: fine-tunes the mask classifier on single faces and boxed scenes.

The lower part of the network keeps its ImageNet weights, so its output for every crop is computed once and kept on
disk; the upper part is then trained on that, which makes an epoch ten times shorter.
"""

import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from converter.augmentation import plain_crop, varied_crop
from converter.classifier_data import (
    LABELS,
    Picture,
    Split,
    describe_source,
    find_pictures,
    near_duplicate_groups,
    read_picture,
    readable,
    split_by_group,
)
from converter.classifier_network import SplitNetwork, build_network, network_input, split_network
from converter.evaluate_classifier import development_faces, figures_by_height, judged_by_network, lines_of
from converter.figures import in_words, share
from converter.quantize import write_model
from converter.tensorflow_quietly import keras, quietly
from facemask_edge.errors import InputError, OutputError
from facemask_edge.manifest import MANIFEST, ModelEntry, ModelInput, read_manifest, sha256_of
from facemask_edge.values import Image

HELD_OUT = 0.1
BATCH = 64
LEARNING_RATE = 3e-4
SMALLEST_PROBABILITY = 1 / 512
"""A loss clips probabilities to this: an int8 output cannot say less."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training can be told."""

    epochs: int = 6
    copies: int = 6
    """Crops of each face: one as the device would cut it, the others augmented."""
    seed: int = 0
    limit: int | None = None
    """At most so many pictures of each folder."""


@dataclass(frozen=True, slots=True)
class Features:
    """The lower part's output for all crops, and their labels."""

    values: NDArray[np.float16]
    """n x 14 x 14 x 96, on disk."""
    labels: NDArray[np.int64]
    """n, places in ``LABELS``."""


def train_model(*, data: Sequence[Path], weights: Path, output: Path, recipe: Recipe) -> None:
    """Train the classifier, write it with its manifest entry and report what it is worth.

    Args:
        data: Folders of single faces or of boxed scenes.
        weights: Keras' ImageNet weights of MobileNetV2, alpha 1.0, without top.
        output: The ``.keras`` file to write.
        recipe: How long, how varied, how repeatable.

    Raises:
        InputError: The data or the weights cannot be read.
        ModelError: The weights are of another network.
        OutputError: The output cannot be written.
    """
    console = Console()
    ensure_writable(output, ".keras")
    keras.utils.set_random_seed(recipe.seed)
    network = build_network(weights)
    split, sources = _gather(data, recipe, console)
    halves = split_network(network)
    with tempfile.TemporaryDirectory(prefix="train-model-") as folder:
        training = compute_features(halves.lower, split.training, recipe, Path(folder) / "training", console)
        held_out = compute_features(halves.lower, split.held_out, recipe, Path(folder) / "held_out", console)
        figures: dict[str, Any] = {"held_out": fit(halves, training, held_out, recipe, console)}
    faces = development_faces(data)
    if faces:
        figures["scenes_dev_float"] = figures_by_height(faces, judged_by_network(network, faces))
        for line in lines_of(figures["scenes_dev_float"]):
            console.print(f"split dev, {line}", highlight=False, soft_wrap=True)
    sources.append(f"initial weights: {weights.name} (MobileNetV2 of Keras, trained on ImageNet; Apache-2.0)")
    _write(network, output, sources, figures, _command(data, weights, output, recipe))
    console.print(f"wrote {output}", highlight=False, soft_wrap=True)


def ensure_writable(output: Path, suffix: str) -> None:
    """Find out before the work, not after it, that a file cannot be written.

    Raises:
        OutputError: Its name does not end in ``suffix``, or its folder cannot be written.
        ModelError: The manifest beside it is malformed.
    """
    if output.suffix != suffix or output.is_dir():
        raise OutputError(f"{output} is no name for the model; --output names a {suffix} file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from error
    if (output.parent / MANIFEST).exists():
        read_manifest(output.parent)


def _gather(data: Sequence[Path], recipe: Recipe, console: Console) -> tuple[Split, list[str]]:
    pictures: list[Picture] = []
    sources = []
    hashes = []
    for folder in data:
        good, found, bad = readable(find_pictures(folder, limit=recipe.limit))
        for path in bad:
            console.print(f"cannot read {path}; left out", highlight=False, soft_wrap=True)
        if bad:
            console.print(f"{len(bad)} of {len(good) + len(bad)} pictures of {folder} left out", highlight=False)
        if not good:
            raise InputError(f"{folder} holds no picture that can be read")
        pictures += good
        hashes.append(found)
        sources.append(describe_source(folder, good))
    groups = near_duplicate_groups([picture.path.name for picture in pictures], np.concatenate(hashes))
    split = split_by_group(pictures, groups, held_out=HELD_OUT, seed=recipe.seed)
    console.print(
        f"{len(split.training)} pictures to train with, {len(split.held_out)} held out, in {len(set(groups))} groups",
        highlight=False,
    )
    return split, sources


def compute_features(
    lower: keras.Model, pictures: Sequence[Picture], recipe: Recipe, path: Path, console: Console
) -> Features:
    """Run the lower part once on every copy of every face.

    Args:
        lower: See ``SplitNetwork``.
        pictures: All readable.
        recipe: For ``copies`` and ``seed``.
        path: The file that will hold the features.
        console: Shows the progress when it is a terminal.

    Raises:
        InputError: A picture cannot be read any more.
        OutputError: The temporary folder is too small.
    """
    labels = np.repeat([face.label for picture in pictures for face in picture.faces], recipe.copies).astype(np.int64)
    shape = (len(labels), *lower.output.shape[1:])
    needed, free = np.float16().nbytes * math.prod(shape), shutil.disk_usage(path.parent).free
    if needed > free:
        raise OutputError(
            f"{path.parent} has {free >> 20} MB left and the features need {needed >> 20} MB; "
            "set TMPDIR to a larger disk or use fewer --copies"
        )
    values: NDArray[np.float16] = np.memmap(path, np.float16, "w+", shape=shape)
    batch: list[Image] = []
    done = 0
    crops = _crops(pictures, recipe)
    for crop in track(crops, path.name, len(labels), console=console, transient=True, disable=not console.is_terminal):
        batch.append(crop)
        if len(batch) == BATCH or done + len(batch) == len(labels):
            values[done : done + len(batch)] = lower.predict_on_batch(network_input(batch))
            done += len(batch)
            batch = []
    return Features(values, labels)


def _crops(pictures: Sequence[Picture], recipe: Recipe) -> Iterator[Image]:
    for number, picture in enumerate(pictures):
        image = read_picture(picture.path)
        if image is None:
            raise InputError(f"{picture.path} was readable a moment ago and is not any more")
        for place, face in enumerate(picture.faces):
            yield plain_crop(image, face.box)
            # Seeded by face, so that one more picture does not change all the others.
            random = np.random.default_rng([recipe.seed, number, place])
            for _ in range(recipe.copies - 1):
                yield varied_crop(image, face.box, random)


def fit(
    halves: SplitNetwork, training: Features, held_out: Features, recipe: Recipe, console: Console
) -> dict[str, Any]:
    """Train the upper part and leave it with the weights of the epoch whose held-out loss was smallest.

    Returns:
        Held-out figures of that epoch.
    """
    steps = -(-len(training.labels) // BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps * recipe.epochs)
    halves.upper.compile(keras.optimizers.Adam(schedule), loss="sparse_categorical_crossentropy")
    weights = class_weights(training.labels)
    random = np.random.default_rng(recipe.seed)
    best: dict[str, Any] = {"loss": np.inf}
    best_weights = halves.upper.get_weights()
    for epoch in range(1, recipe.epochs + 1):
        batches = np.array_split(random.permutation(len(training.labels)), steps)
        loss = 0.0
        for rows in track(batches, f"epoch {epoch}", console=console, transient=True, disable=not console.is_terminal):
            # Sorted rows are read from disk in one direction; within a batch their order means nothing.
            rows.sort()
            values, labels = training.values[rows].astype(np.float32), training.labels[rows]
            # Keras 3 has versions whose train_on_batch returns a running mean unless this is called.
            halves.upper.reset_metrics()
            loss += float(halves.upper.train_on_batch(values, labels, sample_weight=weights[labels])) * len(rows)
        figures = {"epoch": epoch} | held_out_figures(halves.upper, held_out, weights, recipe.copies)
        console.print(
            f"epoch {epoch} of {recipe.epochs}: training loss {loss / len(training.labels):.4f}, "
            f"held-out loss {figures['loss']:.4f}, right {in_words(figures['accuracy'])}",
            highlight=False,
            soft_wrap=True,
        )
        if figures["loss"] < best["loss"]:
            best, best_weights = figures, halves.upper.get_weights()
    halves.upper.set_weights(best_weights)
    return best


def class_weights(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights that make all classes count the same; float32, one a class, 1 on average over ``labels``."""
    counts = np.bincount(labels, minlength=len(LABELS))
    return (len(labels) / (len(LABELS) * np.maximum(counts, 1))).astype(np.float32)


def held_out_figures(
    upper: keras.Model, features: Features, weights: NDArray[np.float32], copies: int
) -> dict[str, Any]:
    """The class-weighted logarithmic loss over all copies, and the share of faces judged rightly in the plain copy.

    Only the plain copies are counted: five copies of a face are not five faces, and their interval would be too small.
    """
    probabilities = np.concatenate(
        [
            upper.predict_on_batch(features.values[at : at + BATCH].astype(np.float32))
            for at in range(0, len(features.labels), BATCH)
        ]
    )
    of_truth = probabilities[np.arange(len(features.labels)), features.labels]
    losses = -np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    right = (probabilities.argmax(axis=1) == features.labels)[::copies]
    return {
        "loss": round(float(np.average(losses, weights=weights[features.labels])), 5),
        "accuracy": share(int(right.sum()), len(right)),
    }


def _write(network: keras.Model, output: Path, sources: list[str], figures: dict[str, Any], command: str) -> None:
    with tempfile.TemporaryDirectory(prefix="train-model-") as folder:
        file = Path(folder) / output.name
        with quietly():
            network.save(file)
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
        try:
            write_model(output, file.read_bytes(), entry)
        except OSError as error:
            raise OutputError(f"{output} cannot be written: {error.strerror}") from error


def _command(data: Sequence[Path], weights: Path, output: Path, recipe: Recipe) -> str:
    # Names only: another machine keeps its data elsewhere.
    parts = ["train-model", *(f"--data DATA/{folder.resolve().name}" for folder in data)]
    parts += [f"--weights WEIGHTS/{weights.name}", f"--output models/{output.name}"]
    parts += [f"--epochs {recipe.epochs}", f"--copies {recipe.copies}", f"--seed {recipe.seed}"]
    parts += [] if recipe.limit is None else [f"--limit {recipe.limit}"]
    return " ".join(parts)
