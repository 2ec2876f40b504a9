"""``train-detector``: fine-tunes YuNet-n on masked faces and quantizes it for both input sizes.

Both models have the same weights: the network is fully convolutional, and trained at both sizes in turn.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from converter.classifier_data import SOURCES, UNKNOWN_SOURCE
from converter.detector_data import (
    UNSURE_SCORE,
    BoxedPicture,
    box_single_faces,
    cut_held_out,
    on_canvas,
    read_image,
    read_list,
    read_scenes,
    scene_folders,
    single_face_files,
    without_copies,
)
from converter.detector_training import SIZES, Pictures, Plan, fit
from converter.evaluate_detector import (
    MIN_SCORE,
    close_up_recall,
    figures_of,
    judge,
)
from converter.figures import in_words
from converter.network_finder import network_finder
from converter.outputs import ensure_absent, ensure_folder, plain_console
from converter.quantize import Batch, to_int8, write_model
from converter.tensorflow_quietly import keras, quietly
from converter.training_state import identity_of, opened_state
from converter.unlabelled_faces import CANDIDATE_SCORE, LOOK_SIZE, LOWEST_SCORE, mark_unlabelled
from converter.yunet import build_yunet, load_onnx_weights
from facemask_edge.errors import InputError
from facemask_edge.faces.yunet import YuNet
from facemask_edge.manifest import ModelEntry, ModelInput, Quantization

EPOCHS = 30
HELD_OUT = 0.15
"""Of the training scenes, to show what the training gained; what is reported comes from the split dev."""
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


@dataclass(frozen=True, slots=True)
class Description:
    """What the manifest says of every model of one training."""

    command: str
    training_data: list[str]


def train_detector(  # noqa: PLR0913 - one parameter an option of the command
    *, data: Sequence[Path], weights: Path, output: Path, epochs: int = EPOCHS, seed: int = 0, force: bool = False
) -> None:
    """Fine-tune, quantize, evaluate and write the face detectors.

    Interrupted, the same command goes on after the last whole epoch.

    Args:
        data: Folders that hold ``boxes.jsonl``, or ``with_mask`` and ``without_mask``, or sub-folders of which some do.
        weights: The published ``yunet_n_320_320.onnx``.
        output: Folder that gets ``face_detector.keras``, ``face_detector_<size>_int8.tflite`` and their entries in
            ``manifest.json``.
        epochs: Rounds of training; 0 only converts the initial weights.
        seed: Decides the held-out part and all variation.
        force: Overwrite detectors that are there.

    Raises:
        InputError: The data or the weights cannot be read.
        OutputError: The output folder cannot be written, or holds detectors already.
    """
    console = plain_console()
    folders = scene_folders(data)
    development = read_scenes(data, "dev")
    train = [read_list(folder, "train") for folder in folders]
    model = build_yunet(None)
    load_onnx_weights(model, weights)
    ensure_folder(output)
    ensure_absent([output / name for name in (KERAS_FILE, *map(int8_file, SIZES))], force=force)
    train = [without_copies(scenes, development, console) for scenes in train]
    if not development:
        console.print("no scene is of split dev: nothing will tell what the detectors are worth", highlight=False)
    pictures = gather(data, train, development, model, seed, console)
    console.print(
        f"{len(pictures.scenes)} scenes and {len(pictures.singles)} single faces to train on, "
        f"{len(pictures.held_out)} scenes held out, {len(development)} only to report"
    )
    plan = Plan(epochs, seed)
    identity = identity_of(plan, (*pictures.scenes, *pictures.singles, *pictures.held_out), [weights])
    state = opened_state(output / "face_detector.training", identity)
    fit(model, pictures, plan, state, console)
    command = f"train-detector --data DIR --weights {weights.name} --output models --epochs {epochs} --seed {seed}"
    description = Description(command, [*(_described(folder) for folder in folders), INITIAL])
    for folder in sorted({picture.path.parent.parent for picture in pictures.singles}):
        count = sum(picture.path.is_relative_to(folder) for picture in pictures.singles)
        source = SOURCES.get(folder.resolve().name, UNKNOWN_SOURCE)
        description.training_data.append(f"{count} pictures of single faces, boxed by the initial weights: {source}")
    write_network(output, model, description)
    for size in SIZES:
        content = quantized(model, size, calibration_inputs([*pictures.scenes, *pictures.singles], size, seed))
        entry = write_detector(output, content, size, description, development)
        console.print(f"{entry.file}:")
        for name, figure in entry.figures.items():
            console.print(f"  {name}: {in_words(figure) if isinstance(figure, dict) else figure}")
    state.discard()


def gather(  # noqa: PLR0913, PLR0917 - what it is made of, and who is told
    data: Sequence[Path],
    train: Sequence[Sequence[BoxedPicture]],
    development: Sequence[BoxedPicture],
    model: keras.Model,
    seed: int,
    console: Console,
) -> Pictures:
    """Cut the held-out part off the scenes; let the initial model box single faces and faces left without a label."""
    scenes: list[BoxedPicture] = []
    held_out: list[BoxedPicture] = []
    for of_folder in train:
        kept, cut = cut_held_out(of_folder, HELD_OUT, seed)
        scenes += kept
        held_out += cut
    if not held_out:
        raise InputError(f"there are {len(scenes)} boxed pictures of the split train, too few; name a folder of more")
    find, look = network_finder(model, max(SIZES), CANDIDATE_SCORE), network_finder(model, LOOK_SIZE, LOWEST_SCORE)
    files = [file for folder in data for file in single_face_files(folder)]
    singles = box_single_faces(files, network_finder(model, SEARCH_SIZE, UNSURE_SCORE), console)
    return Pictures(
        mark_unlabelled(scenes, find, look), without_copies(singles, [*development, *held_out], console), held_out
    )


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


def _described(folder: Path) -> str:
    name = folder.resolve().name
    return f"{name}, split train: {SOURCES.get(name, UNKNOWN_SOURCE)}"


def int8_file(size: int) -> str:
    """The name of the file for inputs of this size."""
    return f"face_detector_{size}_int8.tflite"


def write_detector(
    output: Path, content: bytes, size: int, description: Description, development: Sequence[BoxedPicture]
) -> ModelEntry:
    """Write an int8 detector, and in its manifest entry what the device's own code finds with it."""
    path = output / int8_file(size)
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
