"""``train-detector``: fine-tunes YuNet-n on masked faces and quantizes it for both input sizes.

Both models have the same weights: the network is fully convolutional, and trained at both sizes in turn.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from converter.detector_augmentation import View, joined, varied_view
from converter.detector_data import (
    UNSURE_SCORE,
    BoxedPicture,
    box_single_faces,
    cut_held_out,
    mark_unlabelled,
    on_canvas,
    read_image,
    read_scenes,
    single_face_files,
)
from converter.detector_loss import detector_loss
from converter.evaluate_detector import (
    MIN_SCORE,
    balanced_score,
    close_up_recall,
    figures_of,
    judge,
    network_finder,
)
from converter.figures import in_words
from converter.quantize import Batch, to_int8, write_model
from converter.tensorflow_quietly import keras, quietly, tf
from converter.yunet import build_yunet, load_onnx_weights, with_logits
from facemask_edge.errors import InputError, OutputError
from facemask_edge.faces.yunet import YuNet
from facemask_edge.manifest import ModelEntry, ModelInput, Quantization

EPOCHS = 20
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
HELD_OUT = 0.15
"""Of the training scenes, to show what the training gained; what is reported comes from the split dev."""
SINGLE_SHARE = 0.3
"""How many views show a single face instead of a scene: these keep the bare and the very large faces."""
BARE_SHARE = 0.6
"""How many views start from a picture with a bare face, of which the scenes have few and the device must miss none."""
JOINED_SHARE = 0.35
"""How many training inputs are joined from four views."""
CALIBRATION = 160
"""Pictures the activations' ranges are taken from."""
SEARCH_SIZE = 160
"""Input in which the initial detector boxes the single faces."""
REPORTED_ON = (
    "scenes split dev, no picture of which was trained on; sizes are heights in the original picture; most false "
    "positives are faces that the scenes leave without a label"
)
KERAS_FILE = "face_detector.keras"
LICENCE = "Apache-2.0"
INITIAL = "initial weights: YuNet-n of libfacedetection.train, trained on WIDER FACE (Apache-2.0, Shiqi Yu and others)"
SCENES = "Kaggle Face Mask Detection by andrewmvd (CC0), split train"
SINGLE = (
    "{count} pictures of single faces, boxed by the initial weights: github.com/chandrikadeb7/Face-Mask-Detection (MIT)"
)


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
class Description:
    """What the manifest says of every model of one training."""

    command: str
    training_data: list[str]


def train_detector(*, data: Path, weights: Path, output: Path, epochs: int = EPOCHS, seed: int = 0) -> None:
    """Fine-tune, quantize, evaluate and write the face detectors.

    Args:
        data: Holds ``boxes.jsonl``, or sub-folders of which one does; sub-folders with ``with_mask`` and
            ``without_mask`` are used too.
        weights: The published ``yunet_n_320_320.onnx``.
        output: Folder that gets ``face_detector.keras``, ``face_detector_<size>_int8.tflite`` and their entries in
            ``manifest.json``.
        epochs: Rounds of training; 0 only converts the initial weights.
        seed: Decides the held-out part and all variation.

    Raises:
        InputError: The data or the weights cannot be read.
        OutputError: The output folder cannot be written.
    """
    console = Console()
    train, development = read_scenes(data, "train"), read_scenes(data, "dev")
    model = build_yunet(None)
    load_onnx_weights(model, weights)
    _make_folder(output)
    pictures = gather(data, train, model, seed)
    console.print(
        f"{len(pictures.scenes)} scenes and {len(pictures.singles)} single faces to train on, "
        f"{len(pictures.held_out)} scenes held out, {len(development)} only to report"
    )
    fit(model, pictures, Plan(epochs, seed), console.print)
    command = f"train-detector --data DIR --weights {weights.name} --output models --epochs {epochs} --seed {seed}"
    description = Description(command, [SCENES, INITIAL])
    if pictures.singles:
        description.training_data.append(SINGLE.format(count=len(pictures.singles)))
    write_network(output, model, description)
    for size in SIZES:
        content = quantized(model, size, calibration_inputs([*pictures.scenes, *pictures.singles], size, seed))
        entry = write_detector(output, content, size, description, development)
        console.print(f"{entry.file}:")
        for name, figure in entry.figures.items():
            console.print(f"  {name}: {in_words(figure) if isinstance(figure, dict) else figure}")


def gather(data: Path, train: Sequence[BoxedPicture], model: keras.Model, seed: int) -> Pictures:
    """Cut the held-out part off the scenes; let the initial model box single faces and faces left without a label."""
    scenes, held_out = cut_held_out(train, HELD_OUT, seed)
    if not scenes:
        raise InputError(f"{data} has no boxed pictures of the split train; name a folder of boxed scenes")
    find = network_finder(model, max(SIZES))
    singles = box_single_faces(single_face_files(data), network_finder(model, SEARCH_SIZE, UNSURE_SCORE))
    return Pictures(mark_unlabelled(scenes, find), singles, held_out)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a training goes on, and what decides its variation."""

    epochs: int
    seed: int
    rounds: int = ROUNDS
    """Batches of each size in an epoch."""


def fit(model: keras.Model, pictures: Pictures, plan: Plan, report: Callable[[str], None]) -> list[float]:
    """Train a model in place and leave it with the average of its trained and its initial weights.

    Args:
        model: One of ``build_yunet(None)``.
        pictures: What to train on, and to show the gain on.
        plan: How long.
        report: Told one line before the training, after each epoch and at the end.

    Returns:
        Each epoch's mean loss.
    """
    keras.utils.set_random_seed(plan.seed)
    of_epoch = plan.rounds * len(SIZES)
    steps = plan.epochs * of_epoch
    step = _training_step(model, steps)
    initial = model.get_weights()
    report(f"before training: held-out score {_held_out_score(model, pictures.held_out):.4f}")
    losses: list[float] = []
    with ThreadPoolExecutor(1) as ahead:
        batches = _prepared(ahead, training_batches(pictures, plan.seed), steps)
        for epoch in range(1, plan.epochs + 1):
            losses.append(float(np.mean([float(step(next(batches))) for _ in range(of_epoch)])))
            report(f"epoch {epoch} of {plan.epochs}: loss {losses[-1]:.3f}")
    model.set_weights(
        [
            TRAINED_SHARE * trained + (1 - TRAINED_SHARE) * untrained
            for trained, untrained in zip(model.get_weights(), initial, strict=True)
        ]
    )
    report(f"after training: held-out score {_held_out_score(model, pictures.held_out):.4f}")
    return losses


def training_batches(pictures: Pictures, seed: int) -> Iterator[TrainingBatch]:
    """Batches without end, of the sizes in turn; the same for the same seed."""
    random = np.random.default_rng(seed)
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


def calibration_inputs(pictures: Sequence[BoxedPicture], size: int, seed: int) -> Iterator[Batch]:
    """Training pictures as the device places them; the first also holds black and white, the input's extremes."""
    random = np.random.default_rng(seed)
    for number, index in enumerate(random.permutation(len(pictures))[:CALIBRATION]):
        canvas, _ = on_canvas(read_image(pictures[index].path), size)
        if number == 0:
            canvas[-2:, -2:], canvas[-4:-2, -2:] = 0, 255
        yield canvas[None].astype(np.float32)


def quantized(model: keras.Model, size: int, calibration: Iterator[Batch]) -> bytes:
    """The model's int8 TFLite file for square inputs of ``size`` pixels."""
    fixed = build_yunet(size)
    fixed.set_weights(model.get_weights())
    return to_int8(fixed, calibration, scale=1.0, zero_point=-128)


def write_network(output: Path, model: keras.Model, description: Description) -> None:
    """Write the Keras network, which takes any size that is a multiple of 32."""
    with tempfile.TemporaryDirectory() as folder, quietly():
        path = Path(folder) / KERAS_FILE
        model.save(path)
        content = path.read_bytes()
    largest = max(SIZES)
    entry = ModelEntry(
        name=Path(KERAS_FILE).stem,
        file=KERAS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        input=ModelInput(width=largest, height=largest, channels="BGR"),
        labels=["face"],
        training_data=description.training_data,
        licence=LICENCE,
        command=description.command,
    )
    write_model(output / KERAS_FILE, content, entry)


def write_detector(
    output: Path, content: bytes, size: int, description: Description, development: Sequence[BoxedPicture]
) -> ModelEntry:
    """Write an int8 detector, and in its manifest entry what the device's own code finds with it."""
    path = output / f"face_detector_{size}_int8.tflite"
    entry = ModelEntry(
        name=path.stem,
        file=path.name,
        sha256=hashlib.sha256(content).hexdigest(),
        input=ModelInput(width=size, height=size, channels="BGR"),
        labels=["face"],
        quantization=Quantization(
            type="int8",
            scale=1.0,
            zero_point=-128,
            calibration=f"{CALIBRATION} training pictures, placed as on the device",
        ),
        training_data=description.training_data,
        licence=LICENCE,
        command=description.command,
    )
    # Twice: the device's code, which the figures come from, loads no model without its entry.
    write_model(path, content, entry)
    finder = YuNet(str(path.resolve()), min_score=MIN_SCORE).detect
    figures = {
        "data": REPORTED_ON,
        **figures_of(judge(development, finder)),
        **close_up_recall(development, finder, size),
    }
    entry = entry.model_copy(update={"figures": figures})
    write_model(path, content, entry)
    return entry


def _training_step(model: keras.Model, steps: int) -> Callable[[TrainingBatch], Any]:
    network = with_logits(model)
    rate = keras.optimizers.schedules.CosineDecay(
        LEARNING_RATE / 20, max(steps - WARM_UP, 1), warmup_target=LEARNING_RATE, warmup_steps=min(WARM_UP, steps // 2)
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-4, global_clipnorm=10.0)
    optimizer.build(network.trainable_variables)

    def step(images: Any, faces: Any, taught: Any) -> Any:  # noqa: ANN401 - TensorFlow tensors
        with tf.GradientTape() as tape:
            loss = detector_loss(network(images, training=True), faces, taught)
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
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


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder {output} cannot be made: {error.strerror}") from error
