"""The pictures that an int8 classifier's ranges are taken from."""

from collections.abc import Sequence

import numpy as np

from converter.augmentation import SIZE
from converter.classifier_data import LABELS, Picture, read_picture
from converter.classifier_network import network_input
from converter.crops import plain_example, varied_example
from converter.quantize import Batch
from facemask_edge.errors import InputError

CALIBRATION_PICTURES = 300
_SEED = 0


def calibration_batches(pictures: Sequence[Picture], count: int = CALIBRATION_PICTURES) -> list[Batch]:
    """Inputs that the activations' ranges are taken from: both classes alike, every other one varied.

    The last one is black and white, so that the input's range comes out as exactly -1..1.

    Args:
        pictures: What the classifier was trained with; never what is reported on.
        count: How many faces at most, fewer where a class has not so many.

    Raises:
        InputError: A class has no readable face.
    """
    random = np.random.default_rng(_SEED)
    batches: list[Batch] = []
    for label, name in enumerate(LABELS):
        faces = [(picture.path, face) for picture in pictures for face in picture.faces if face.label == label]
        found: list[Batch] = []
        for place in random.permutation(len(faces)):
            path, face = faces[place]
            image = read_picture(path)
            if image is None:
                continue
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
