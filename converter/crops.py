"""What the classifier is shown of a labelled face: as the device would cut it, or varied."""

from dataclasses import dataclass

import cv2
import numpy as np

from converter import painting
from converter.augmentation import SIZE, plain_crop, varied_crop
from converter.classifier_data import LABELS, BoxedFace
from facemask_edge.values import Box, Image, Label

MASK, NO_MASK = LABELS.index(Label.MASK), LABELS.index(Label.NO_MASK)
PAINTED: dict[painting.Painter, tuple[float, int]] = {
    painting.mask: (0.15, MASK),
    painting.hand: (0.08, NO_MASK),
    painting.beard: (0.12, NO_MASK),
    painting.mask_below_chin: (0.05, NO_MASK),
}
"""How often a bare face is painted with each, and what it then is."""
FOUND = 0.6
"""How often a varied crop starts from the detector's box, where there is one, and not from the labelled one."""


@dataclass(frozen=True, slots=True)
class Example:
    """One crop and its label."""

    crop: Image
    """uint8, 224 x 224 x 3, BGR."""
    label: int
    """Its place in ``LABELS``."""


def plain_example(image: Image, face: BoxedFace) -> Example:
    """The face as the device cuts it: where its detector finds it, else where the label says."""
    return Example(plain_crop(image, face.found or face.box), face.label)


def varied_example(image: Image, face: BoxedFace, random: np.random.Generator) -> Example:
    """The face seen differently: another box, light, distance, noise; at times painted."""
    label = face.label
    boxes = [face.box, face.found] if face.found else [face.box]
    box = boxes[-1] if random.random() < FOUND else boxes[0]
    known = face.found or face.box
    if label == NO_MASK and known is not None and known.height >= painting.SMALLEST_FACE:
        image, label = _painted(image, known, random)
    return Example(varied_crop(image, box, random), label)


def _painted(image: Image, box: Box, random: np.random.Generator) -> tuple[Image, int]:
    chance = random.random()
    for paint, (share, label) in PAINTED.items():
        if chance < share:
            return paint(image, box, random), label
        chance -= share
    return image, NO_MASK


def paper_example(image: Image, face: BoxedFace) -> Example:
    """The whole picture, squeezed into the input without smoothing, as the paper's code loads it."""
    return Example(np.asarray(cv2.resize(image, SIZE, interpolation=cv2.INTER_NEAREST), dtype=np.uint8), face.label)


def paper_varied_example(image: Image, face: BoxedFace, random: np.random.Generator) -> Example:
    """The paper's augmentation: turned by up to 20 degrees, moved by 0.2, zoomed by 0.15, sheared, mirrored."""
    crop = paper_example(image, face).crop
    middle = np.array([[1, 0, -SIZE[0] / 2], [0, 1, -SIZE[1] / 2], [0, 0, 1]])
    turn, shear = np.deg2rad(random.uniform(-20, 20)), np.deg2rad(random.uniform(-0.15, 0.15))
    rotated = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    sheared = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    zoomed = np.diag([*random.uniform(0.85, 1.15, 2), 1])
    moved = np.eye(3)
    moved[:2, 2] = random.uniform(-0.2, 0.2, 2) * SIZE
    whole = np.linalg.inv(middle) @ moved @ rotated @ sheared @ zoomed @ middle
    crop = np.asarray(cv2.warpAffine(crop, whole[:2], SIZE, borderMode=cv2.BORDER_REPLICATE), dtype=np.uint8)
    return Example(np.ascontiguousarray(crop[:, ::-1]) if random.random() < 0.5 else crop, face.label)  # noqa: PLR2004 - as often as not
