"""The pictures that an int8 classifier's ranges are taken from."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from converter.augmentation import SIZE
from converter.classifier_data import LABELS, BoxedFace, Picture
from converter.classifier_network import network_input
from converter.crops import plain_example, varied_example
from converter.picture_files import read_picture
from converter.quantize import Batch
from facemask_edge.errors import InputError
from facemask_edge.values import Image

CALIBRATION_PICTURES = 300
BANDS = (32, 64)
"""Heights in pixels that part small boxed faces from larger ones; pictures of one face are a kind of their own."""
_SEED = 0

Prepare = Callable[[Picture, Image], Picture | None]
"""Gives a picture, read, as it is to be used; None when it is not to be used."""


def calibration_batches(
    pictures: Sequence[Picture], count: int = CALIBRATION_PICTURES, prepare: Prepare | None = None
) -> list[Batch]:
    """Inputs that the activations' ranges are taken from: classes and sizes alike, every other one varied.

    The last one is black and white, so that the input's range comes out as exactly -1..1.

    Args:
        pictures: What the classifier was trained with; never what is reported on.
        count: How many faces at most, fewer where a class has not so many.
        prepare: Asked about each picture that is taken; None for all as they are.

    Raises:
        InputError: A class has no readable face.
    """
    random = np.random.default_rng(_SEED)
    batches: list[Batch] = []
    for label, name in enumerate(LABELS):
        found: list[Batch] = []
        for picture, place in faces_in_turn(pictures, label, random):
            image = read_picture(picture.path)
            prepared = None if image is None else prepare(picture, image) if prepare else picture
            if image is None or prepared is None:
                continue
            face = prepared.faces[place]
            example = plain_example(image, face) if len(found) % 2 else varied_example(image, face, random)
            found.append(network_input([example.crop]))
            if len(found) == count // len(LABELS):
                break
        if not found:
            raise InputError(f"--data holds no readable face labelled {name}; calibration needs both classes")
        batches += found
    extremes = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    extremes[:, SIZE[0] // 2 :] = 255
    return [*batches, network_input([extremes])]


def sha256_of_batches(batches: Sequence[Batch]) -> str:
    """The SHA-256 of all inputs' bytes in order, in hexadecimal."""
    digest = hashlib.sha256()
    for batch in batches:
        digest.update(np.ascontiguousarray(batch).tobytes())
    return digest.hexdigest()


def faces_in_turn(
    pictures: Sequence[Picture], label: int, random: np.random.Generator
) -> Iterator[tuple[Picture, int]]:
    """The faces of a label, as pictures and places in them, at random: one of each size in turn, while there are.

    Args:
        pictures: Whose faces.
        label: Its place in ``LABELS``.
        random: Decides the order of those of one size.
    """
    groups: dict[int, list[tuple[Picture, int]]] = {}
    for picture in pictures:
        for place, face in enumerate(picture.faces):
            if face.label == label:
                groups.setdefault(_band(face), []).append((picture, place))
    shuffled = ([groups[band][number] for number in random.permutation(len(groups[band]))] for band in sorted(groups))
    orders = [iter(group) for group in shuffled]
    while orders:
        for order in list(orders):
            one = next(order, None)
            if one is None:
                orders.remove(order)
            else:
                yield one


def _band(face: BoxedFace) -> int:
    return -1 if face.box is None else sum(face.box.height >= height for height in BANDS)
