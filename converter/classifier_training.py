"""The classifier's training: epochs, early stopping on the held-out part, and going on after an interruption.

The learning rate falls to nothing more than once, and the mean of the networks that it ends with is kept where it is
the best: Izmailov and others, "Averaging Weights Leads to Wider Optima and Better Generalization" (2018).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress as ProgressBar

from converter.classifier_data import LABELS, NO_FACE
from converter.crop_stream import CropStream
from converter.distillation import Teachers
from converter.figures import in_words, share
from converter.metrics import SMALLEST_PROBABILITY
from converter.recipes import Recipe
from converter.tensorflow_quietly import keras, tf
from converter.training_state import Progress, TrainingState

TRUTHS = np.array([[1, 0], [0, 1], [0.5, 0.5]], np.float32)
"""The probabilities that each label teaches; the last row is that of ``NO_FACE``."""
NO_FACE_WEIGHT = 0.5
"""Against a labelled face: about one in seven is a face after all."""
WARM_UP, WARM_UP_FACTOR = 0.1, 30
"""The learning rate rises over this part of a cycle's steps, from its highest value divided by the factor."""
HELD_OUT_COPIES = 2
"""Varied crops of each held-out face that the loss is taken from, beside the plain one."""


def strategy() -> "tf.distribute.Strategy":
    """All accelerators of this machine when there are several, else the one device there is."""
    accelerators = tf.config.list_logical_devices("GPU")
    if len(accelerators) > 1:
        return tf.distribute.MirroredStrategy([device.name for device in accelerators])
    return tf.distribute.get_strategy()


def fit(  # noqa: PLR0913 - what it works on, and what it tells
    model: keras.Model,
    *,
    training: CropStream,
    held_out: CropStream,
    recipe: Recipe,
    state: TrainingState,
    console: Console,
    teachers: Teachers | None = None,
) -> Progress:
    """Train a model and leave it with the weights of the best epoch, or with the mean of several.

    Args:
        model: Its trainable layers are trained; takes what the streams give.
        training: What it learns from.
        held_out: What the epoch is chosen by; with ``recipe.held_out_part`` 0 it is only reported and the last is kept.
        recipe: How.
        state: Where an interrupted training is gone on from.
        console: Told a line an epoch; shows the progress when it is a terminal.
        teachers: What they think is taught beside the labels.

    Returns:
        One entry an epoch (epoch, training_loss, training_accuracy, loss, accuracy; where weights were averaged also
        mean, with averaged, loss and accuracy), and which one was kept.

    Raises:
        InputError: A picture cannot be read any more; what was trained until the last whole epoch is kept.
    """
    steps = -(-len(training.labels) * recipe.copies // recipe.batch)
    rate: Any = recipe.learning_rate
    if not recipe.frozen_backbone:
        ends = [0, *recipe.cycle_ends]
        lengths = [steps * (end - start) for start, end in pairwise(ends)]
        rate = LearningRates(recipe.learning_rate, lengths)
    model.compile(keras.optimizers.Adam(rate), loss="categorical_crossentropy", metrics=[_Accuracy()])
    weights = class_weights(training.labels) if not recipe.frozen_backbone else np.ones(NO_FACE + 1, np.float32)

    def taught(features: Any, labels: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - TensorFlow tensors
        truths = tf.gather(TRUTHS, labels)
        targets = teachers.targets(features, truths) if teachers else truths
        return features, targets, tf.gather(weights, labels)

    progress = state.restore(model)
    if progress.history:
        console.print(f"going on after epoch {len(progress.history)}", highlight=False)
    # When the learning rate rises again, what follows is worse at first.
    patience = max(recipe.patience, recipe.later_cycle)
    for epoch in range(len(progress.history), recipe.epochs):
        if epoch - progress.best > patience and progress.best >= 0:
            break
        with (
            ProgressBar(console=console, transient=True, disable=not console.is_terminal) as bar,
            training.own_errors(),
        ):
            told = model.fit(
                training.epoch(epoch).map(taught),
                shuffle=False,
                verbose=0,
                callbacks=[_Shown(bar, f"epoch {epoch + 1}", steps)],
            ).history
        copies = 0 if recipe.frozen_backbone else HELD_OUT_COPIES
        figures = held_out_figures(model, held_out, weights, copies=copies)
        entry = {
            "epoch": epoch + 1,
            "training_loss": round(told["loss"][0], 5),
            "training_accuracy": round(told["accuracy"][0], 5),
            **figures,
        }
        progress.history.append(entry)
        weights_now = [np.array(value) for value in model.get_weights()]
        if recipe.held_out_part == 0 or figures["loss"] < progress.best_figures.get("loss", np.inf):
            progress.keep(figures, weights_now)
        if epoch + 1 in recipe.cycle_ends and not recipe.frozen_backbone:
            progress.average(weights_now)
            if progress.averaged > 1:
                model.set_weights(progress.mean_weights)
                of_mean = held_out_figures(model, held_out, weights, copies=copies)
                entry["mean"] = {"averaged": progress.averaged, **of_mean}
                if recipe.held_out_part and of_mean["loss"] < progress.best_figures["loss"]:
                    progress.keep(of_mean, progress.mean_weights, progress.averaged)
                model.set_weights(weights_now)
        _report(entry, recipe, console)
        state.save(model, progress)
    model.set_weights(progress.best_weights)
    return progress


class LearningRates(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """In each cycle from nearly nothing to the highest rate, and by a cosine down to nothing.

    Without the beginning, the new head's first errors wreck the layers below it: on a few hundred pictures of scenes
    the network said one half of everything, and never learned again.

    Args:
        highest: The rate that each cycle rises to.
        lengths: Of each cycle, in steps.
    """

    def __init__(self, highest: float, lengths: Sequence[int]) -> None:
        super().__init__()
        self._cycles = []
        start = 0
        for length in lengths:
            warm_up = round(WARM_UP * length)
            cycle = keras.optimizers.schedules.CosineDecay(
                highest / WARM_UP_FACTOR, length - warm_up, warmup_target=highest, warmup_steps=warm_up
            )
            self._cycles.append((start, cycle))
            start += length

    def __call__(self, step: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
        """The rate of a step, counted from 0."""
        (_, first), *later = self._cycles
        rate = first(step)
        for start, cycle in later:
            rate = tf.where(step >= start, cycle(tf.maximum(step - start, 0)), rate)
        return rate


def class_weights(labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weights that make both classes count alike: float32, one a class (on average 1 a face), then that of no face."""
    counts = np.bincount(labels, minlength=NO_FACE)[:NO_FACE]
    return np.append(counts.sum() / (len(LABELS) * np.maximum(counts, 1)), NO_FACE_WEIGHT).astype(np.float32)


def held_out_figures(
    model: keras.Model, stream: CropStream, weights: NDArray[np.float32], *, copies: int
) -> dict[str, Any]:
    """The class-weighted logarithmic loss over plain and varied crops, and the share of plain ones judged rightly.

    Only the plain crops are counted: three crops of a face are not three faces, and their interval would be too small.

    Args:
        model: What judges.
        stream: What is judged.
        weights: float32, one a class.
        copies: Varied crops of each face beside the plain one.

    Raises:
        InputError: A picture cannot be read any more.
    """
    # Keras' own predict_on_batch repeats the batch for each accelerator.
    predict = tf.function(lambda values: model(values, training=False), reduce_retracing=True)
    losses, weighted, right = [], [], []
    parts = [stream.plain()]
    if copies:
        parts.append(stream.varied(copies, epoch=0))
    with stream.own_errors():
        for place, part in enumerate(parts):
            for values, labels in part.as_numpy_iterator():
                probabilities = np.asarray(predict(values))
                of_truth = probabilities[np.arange(len(labels)), labels]
                losses.append(-np.log(np.clip(of_truth, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))
                weighted.append(weights[labels])
                if place == 0:
                    right.append(probabilities.argmax(axis=1) == labels)
    plain = np.concatenate(right)
    return {
        "loss": round(float(np.average(np.concatenate(losses), weights=np.concatenate(weighted))), 5),
        "accuracy": share(int(plain.sum()), len(plain)),
    }


class _Accuracy(keras.metrics.CategoricalAccuracy):  # type: ignore[misc]  # Keras has no type information
    """The share judged rightly of what has a label."""

    def __init__(self) -> None:
        super().__init__(name="accuracy")

    def update_state(self, targets: Any, given: Any, sample_weight: Any = None) -> None:  # noqa: ANN401, ARG002 - Keras' names
        super().update_state(targets, given, tf.cast(tf.reduce_max(targets, axis=-1) > 0.5, tf.float32))  # noqa: PLR2004 - no label is half of both


class _Shown(keras.callbacks.Callback):  # type: ignore[misc]
    """Moves a progress bar with the batches."""

    def __init__(self, bar: ProgressBar, name: str, steps: int) -> None:
        super().__init__()
        self._bar = bar
        self._task = bar.add_task(name, total=steps)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras' names
        self._bar.advance(self._task)


def _report(entry: dict[str, Any], recipe: Recipe, console: Console) -> None:
    kind = "test" if recipe.held_out_part == 0 else "held-out"
    console.print(
        f"epoch {entry['epoch']} of {recipe.epochs}: training loss {entry['training_loss']:.4f}, "
        f"{kind} loss {entry['loss']:.4f}, right {in_words(entry['accuracy'])}",
        highlight=False,
        soft_wrap=True,
    )
    if mean := entry.get("mean"):
        console.print(
            f"mean of {mean['averaged']} epochs: {kind} loss {mean['loss']:.4f}, right {in_words(mean['accuracy'])}",
            highlight=False,
            soft_wrap=True,
        )
