"""Whom an evaluation judges, and by which of a model's files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from converter.augmentation import plain_crop
from converter.classifier_data import LABELS, Picture, find_pictures, is_boxed
from converter.evaluate_pipeline import SIZES
from converter.known_model import files_of
from converter.metrics import Probabilities
from converter.outputs import shown
from converter.picture_files import ensure_size, left_out, read_picture
from converter.split_file import TFLITE, networks_of, read_split_file
from facemask_edge.classifier import MaskClassifier
from facemask_edge.errors import InputError, ModelError
from facemask_edge.manifest import find_model, sha256_of
from facemask_edge.values import Box, Image, Label

Judge = Callable[[Image, Box | None], float]
"""Gives the probability that the face in a box (None: the whole picture) wears no mask."""


ALL = "all, whether the model was trained with them or not"


@dataclass(frozen=True, slots=True)
class Subject:
    """One labelled face to judge."""

    path: Path
    box: Box | None
    label: int
    """Its place in ``LABELS``."""
    size: tuple[int, int] | None = None
    """Width and height of the picture that the box belongs to; None without a box."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The faces of a folder that say something about a model."""

    subjects: list[Subject]
    which: str
    """Which pictures these are, in words."""


def chosen_from(folder: Path, model: Path, *, all_pictures: bool) -> Chosen:
    """The faces of a folder to judge: what the model was trained with is left out where that is known.

    Args:
        folder: Of single faces, or of boxed scenes, of which split dev is taken.
        model: Whose split file says what it was only tested with.
        all_pictures: Take the others, too.

    Raises:
        InputError: There is none.
        ModelError: The split file cannot be used.
    """
    if is_boxed(folder):
        pictures = find_pictures(folder, split="dev")
        which = "split dev"
        if all_pictures:
            with suppress(InputError):
                # All may be of split dev.
                pictures += find_pictures(folder)
            which = ALL
    else:
        pictures = find_pictures(folder)
        known = None if all_pictures else read_split_file(model)
        which = ALL
        if known and folder.resolve().name in known.test:
            tested = known.test_pictures(folder)
            which = f"only tested with by the training, of {len(pictures)}"
            pictures = [picture for picture in pictures if picture.path in tested]
    subjects = subjects_of(pictures)
    if not subjects:
        raise InputError(
            f"{folder} holds no face to evaluate with: of boxed scenes, split dev is taken, or with --all-pictures all"
        )
    return Chosen(subjects, f"{len(pictures)} pictures, {which}")


def subjects_of(pictures: Iterable[Picture]) -> list[Subject]:
    """The faces of pictures, but for those that are too small to say anything."""
    return [
        Subject(picture.path, face.box, face.label, picture.size)
        for picture in pictures
        for face in picture.faces
        if face.box is None or face.box.height >= SIZES[0]
    ]


def readable_subjects(subjects: Sequence[Subject], console: Console, *, most: int | None = None) -> list[Subject]:
    """Subjects whose picture can be read; the console is told of the others.

    Args:
        subjects: To choose from.
        console: Told.
        most: So many at the most, drawn at random; pictures that are not drawn are not read.

    Raises:
        InputError: A picture has another size than its boxes belong to.
    """
    readable: dict[Path, bool] = {}
    drawn: list[int] = []
    for place in np.random.default_rng(0).permutation(len(subjects)):
        path = subjects[place].path
        if path not in readable:
            image = read_picture(path)
            readable[path] = image is not None
            if image is None:
                console.print(left_out(path), highlight=False, soft_wrap=True)
            else:
                ensure_size(path, image, subjects[place].size)
        if readable[path]:
            drawn.append(int(place))
        if len(drawn) == most:
            break
    return [subjects[place] for place in sorted(drawn)]


def is_unseen(folder: Path, model: Path) -> bool:
    """Whether it is known that a model was not trained with the faces that ``subjects_of`` gives."""
    known = read_split_file(model)
    return is_boxed(folder) or (known is not None and folder.resolve().name in known.test)


def versions_of(model: Path) -> tuple[Path | None, Path | None]:
    """The int8 file and the network of a model; the one not named may be missing.

    Raises:
        ModelError: There is no such file, or the two are of different trainings.
    """
    if model.suffix == TFLITE:
        _, entry = find_model(str(model.absolute()))
        beside = model.with_name(f"{entry.name}.keras")
        if not beside.is_file():
            return model, None
        _ensure_same_training(model, beside)
        return model, beside
    if not model.exists():
        raise ModelError(f"model {model} does not exist; name what train-model or convert-model wrote")
    beside = model.with_name(f"{model.stem}_int8{TFLITE}")
    if not beside.is_file():
        return None, model
    _ensure_same_training(beside, model)
    return beside, model


def _ensure_same_training(int8: Path, network: Path) -> None:
    made_of = networks_of(int8)
    # An entry of an earlier version does not say what the model was made of.
    if made_of and not made_of.issuperset(map(sha256_of, files_of(network))):
        raise ModelError(
            f"{int8.name} beside {network} was converted from another training: convert {network.name} again with "
            "convert-model, or put one of them elsewhere"
        )


def device_judge(model: Path) -> Judge:
    """Judge by the device's code.

    Raises:
        ModelError: The device would not load the model.
    """
    classifier = MaskClassifier(str(model.absolute()))

    def judge(image: Image, box: Box | None) -> float:
        height, width = image.shape[:2]
        return classifier.probability(image, box or Box(0, 0, width, height))

    return judge


def network_judge(network: Any, labels: Sequence[str] = LABELS) -> Judge:  # noqa: ANN401 - a Keras model
    """Judge by a Keras network.

    Args:
        network: Takes 1 x 224 x 224 x 3, see ``network_input``.
        labels: The order of its outputs.
    """
    # Imported here: a .tflite alone is evaluated without TensorFlow.
    from converter.classifier_network import network_input  # noqa: PLC0415
    from converter.tensorflow_quietly import tf  # noqa: PLC0415

    compiled = tf.function(lambda values: network(values, training=False))
    no_mask = list(labels).index(Label.NO_MASK)
    return lambda image, box: float(np.asarray(compiled(network_input([plain_crop(image, box)])))[0, no_mask])


def float_judge(content: bytes, labels: Sequence[str]) -> Judge:
    """Judge by a float32 TFLite model that takes what a Keras network takes.

    Args:
        content: The bytes of the .tflite file.
        labels: The order of its outputs.
    """
    from converter.classifier_network import network_input  # noqa: PLC0415 - as above
    from converter.tensorflow_quietly import quietly, tf  # noqa: PLC0415

    with quietly():
        interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
        interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    no_mask = list(labels).index(Label.NO_MASK)

    def judge(image: Image, box: Box | None) -> float:
        interpreter.set_tensor(given["index"], network_input([plain_crop(image, box)]))
        interpreter.invoke()
        return float(interpreter.get_tensor(taken["index"])[0, no_mask])

    return judge


def judge_all(judge: Judge, subjects: Sequence[Subject], name: str, console: Console) -> Probabilities:
    """Judge all subjects; ``name`` stands beside the progress bar.

    Raises:
        InputError: A picture cannot be read.
    """
    judged = _with_images(shown(subjects, name, console))
    return np.array([judge(image, subject.box) for subject, image in judged], np.float64)


def _with_images(subjects: Iterable[Subject]) -> Iterator[tuple[Subject, Image]]:
    """Each subject with its picture; pictures of several faces are read once."""
    path, image = None, None
    for subject in subjects:
        if subject.path != path:
            path, image = subject.path, read_picture(subject.path)
        if image is None:
            raise InputError(f"{subject.path} is no picture that can be read; leave it out")
        yield subject, image
