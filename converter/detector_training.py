"""The detector's training: what its batches show, its steps, and which weights are kept."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress as ProgressBar

from converter.detector_augmentation import View, joined, varied_view
from converter.detector_data import BoxedPicture, read_image
from converter.detector_loss import detector_loss
from converter.evaluate_detector import balanced_score, judge
from converter.network_finder import network_finder
from converter.tensorflow_quietly import keras, tf
from converter.training_state import TrainingState
from converter.yunet import with_logits

SIZES = {320: 16, 512: 8}
"""The input sizes, each with its batch; the larger the input, the fewer fit the same time."""
ROUNDS = 50
"""Batches of each size in an epoch."""
LEARNING_RATE = 1e-4
WARM_UP = 100
"""Steps in which the learning rate rises, so that the first ones do not undo the initial weights."""
TRAINED_SHARE = 0.75
"""How much the trained weights count against the initial ones in the model that is kept.

The average forgets less of what the initial weights know (bare faces of all kinds) than the trained weights alone, and
finds as many masked ones: Wortsman and others, "Robust fine-tuning of zero-shot models" (2022). Chosen among 0.25, 0.5,
0.75 and 1 on the held-out scenes.
"""
SINGLE_SHARE = 0.3
"""How many views show a single face instead of a scene: these keep the bare and the very large faces."""
BARE_SHARE = 0.6
"""How many views start from a picture with a bare face, of which the scenes have few and the device must miss none."""
JOINED_SHARE = 0.35
"""How many training inputs are joined from four views."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a training is made of."""

    scenes: Sequence[BoxedPicture]
    singles: Sequence[BoxedPicture]
    """May be empty."""
    held_out: Sequence[BoxedPicture]
    """Without the faces that were left without a label: the initial model, which would mark them, is compared here."""


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """One step's inputs."""

    images: NDArray[np.float32]
    """batch x size x size x 3, BGR, 0..255."""
    faces: NDArray[np.float32]
    """batch x n x 4: corners in pixels; unused places hold zeros."""
    taught: NDArray[np.bool_]
    """batch x n: False for faces to ignore and for unused places."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a training goes on, and what decides its variation."""

    epochs: int
    seed: int
    rounds: int = ROUNDS
    """Batches of each size in an epoch."""


def fit(model: keras.Model, pictures: Pictures, plan: Plan, state: TrainingState, console: Console) -> list[float]:
    """Train a model in place and leave it with the average of its trained and its initial weights.

    Args:
        model: One of ``build_yunet(None)``.
        pictures: What to train on, and to show the gain on.
        plan: How long.
        state: Where an interrupted training is gone on from.
        console: Told one line before the training, after each epoch and at the end; shows the progress when it is a
            terminal.

    Returns:
        Each epoch's mean loss.
    """
    keras.utils.set_random_seed(plan.seed)
    of_epoch = plan.rounds * len(SIZES)
    steps = plan.epochs * of_epoch
    console.print(f"before training: held-out score {_held_out_score(model, pictures.held_out):.4f}", highlight=False)
    initial = model.get_weights()
    network = _compiled(model, steps)
    step = _training_step(network)
    progress = state.restore(network)
    if progress.history:
        console.print(f"going on after epoch {len(progress.history)}", highlight=False)
    for epoch in range(len(progress.history), plan.epochs):
        with ThreadPoolExecutor(1) as ahead, _bar(console) as bar:
            batches = _prepared(ahead, training_batches(pictures, plan.seed, epoch), of_epoch)
            task = bar.add_task(f"epoch {epoch + 1}", total=of_epoch)
            losses = []
            for batch in batches:
                losses.append(float(step(batch)))
                bar.advance(task)
        progress.history.append({"loss": float(np.mean(losses))})
        console.print(f"epoch {epoch + 1} of {plan.epochs}: loss {np.mean(losses):.3f}", highlight=False)
        state.save(network, progress)
    model.set_weights(
        [
            TRAINED_SHARE * trained + (1 - TRAINED_SHARE) * untrained
            for trained, untrained in zip(model.get_weights(), initial, strict=True)
        ]
    )
    console.print(f"after training: held-out score {_held_out_score(model, pictures.held_out):.4f}", highlight=False)
    return [entry["loss"] for entry in progress.history]


def training_batches(pictures: Pictures, seed: int, epoch: int) -> Iterator[TrainingBatch]:
    """Batches without end, of the sizes in turn; the same for the same seed and epoch."""
    random = np.random.default_rng([seed, epoch])
    while True:
        for size, count in SIZES.items():
            views = [_view(pictures, size, random) for _ in range(count)]
            places = max(1, *(len(view.faces) for view in views))
            faces = np.zeros((count, places, 4), np.float32)
            taught = np.zeros((count, places), np.bool_)
            for index, view in enumerate(views):
                faces[index, : len(view.faces), :2] = view.faces[:, :2]
                faces[index, : len(view.faces), 2:] = view.faces[:, :2] + view.faces[:, 2:]
                taught[index, : len(view.faces)] = view.taught
            yield TrainingBatch(np.stack([view.canvas for view in views]).astype(np.float32), faces, taught)


def _view(pictures: Pictures, size: int, random: np.random.Generator) -> View:
    if random.random() < JOINED_SHARE:
        return joined([_single_view(pictures, size // 2, random) for _ in range(4)])
    return _single_view(pictures, size, random)


def _single_view(pictures: Pictures, size: int, random: np.random.Generator) -> View:
    source = pictures.scenes
    if pictures.singles and random.random() < SINGLE_SHARE:
        source = pictures.singles
    if random.random() < BARE_SHARE:
        source = [picture for picture in source if "no_mask" in picture.labels] or source
    picture = source[int(random.integers(len(source)))]
    return varied_view(read_image(picture.path), picture, size, random)


def _compiled(model: keras.Model, steps: int) -> keras.Model:
    """What is trained: it shares the model's weights, and has an optimizer."""
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20, max(steps - WARM_UP, 1), warmup_target=LEARNING_RATE, warmup_steps=min(WARM_UP, steps // 2)
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, global_clipnorm=10.0)
    network = with_logits(model)
    network.compile(optimizer)
    optimizer.build(network.trainable_variables)
    return network


def _training_step(network: keras.Model) -> Callable[[TrainingBatch], Any]:
    def step(images: Any, faces: Any, taught: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
        with tf.GradientTape() as tape:
            loss = detector_loss(network(images, training=True), faces, taught)
        gradients = tape.gradient(loss, network.trainable_variables)
        network.optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    def signature(size: int) -> list[Any]:
        return [
            tf.TensorSpec((None, size, size, 3), tf.float32),
            # The number of faces differs between batches: left open, or each number would be compiled anew.
            tf.TensorSpec((None, None, 4), tf.float32),
            tf.TensorSpec((None, None), tf.bool),
        ]

    by_size = {size: tf.function(step, input_signature=signature(size)) for size in SIZES}
    return lambda batch: by_size[batch.images.shape[1]](batch.images, batch.faces, batch.taught)


def _bar(console: Console) -> ProgressBar:
    return ProgressBar(console=console, transient=True, disable=not console.is_terminal)


def _prepared(ahead: ThreadPoolExecutor, batches: Iterator[TrainingBatch], count: int) -> Iterator[TrainingBatch]:
    """The first ``count`` batches, each made while the one before it is trained on."""
    following = ahead.submit(next, batches)
    for number in range(count):
        batch = following.result()
        if number + 1 < count:
            following = ahead.submit(next, batches)
        yield batch


def _held_out_score(model: keras.Model, pictures: Sequence[BoxedPicture]) -> float:
    """Mean over the sizes of the balanced F score: five masked faces must not outvote a bare one."""
    return float(np.mean([balanced_score(judge(pictures, network_finder(model, size))) for size in SIZES]))
