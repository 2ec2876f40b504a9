"""What a camera does to a face, done to the training pictures: distance above all, then noise, light and angle."""

from dataclasses import dataclass

import cv2
import numpy as np

from facemask_edge.classifier import cut_face
from facemask_edge.values import Box, Image

SIZE = (224, 224)
"""Width and height of the classifier's input."""

SMALLEST_SIDE, LARGEST_SIDE = 14, 160
"""Pixels that a crop is scaled down to and up again: what distant faces have. Without this, nearly every small masked
face is called no_mask (0.36 against 0.99 right of boxed faces of 16 px and more)."""


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far a box wanders from the labelled one."""

    smallest: float
    largest: float
    """Range of the factor on its sides."""
    shift: float
    """Largest shift of its centre, as a part of its longer side."""


AROUND_BOX = Jitter(0.85, 1.2, 0.1)
"""A detector's box differs from a labelled one by about this."""

PARTLY_FOUND = Jitter(0.7, 1.3, 0.4)
"""At times a detector takes a part of a face for the whole of one: a forehead above a mask is no bare face."""

_ACROSS = np.broadcast_to(np.linspace(-1, 1, SIZE[0], dtype=np.float32), (SIZE[0], SIZE[0]))

WITHIN_PICTURE = Jitter(0.6, 1.05, 0.12)
"""A picture that is one tight face can only be zoomed into."""
PART_OF_PICTURE = Jitter(0.45, 0.7, 0.3)
"""``PARTLY_FOUND`` for a picture that is one tight face."""


def plain_crop(image: Image, box: Box | None) -> Image:
    """Cut a face out as the device does.

    Args:
        image: uint8, height x width x 3, BGR.
        box: None when the whole picture is one face.

    Returns:
        uint8, 224 x 224 x 3, BGR.
    """
    return cut_face(image, box or _whole(image), SIZE)


def varied_crop(image: Image, box: Box | None, random: np.random.Generator) -> Image:
    """Cut a face out with a jittered box and make it look like one that some camera saw.

    Args and result are those of ``plain_crop``; the same state of ``random`` gives the same picture.
    """
    usual, partly = (WITHIN_PICTURE, PART_OF_PICTURE) if box is None else (AROUND_BOX, PARTLY_FOUND)
    jitter = partly if random.random() < 0.15 else usual  # noqa: PLR2004 - how often each happens stands where it happens
    crop = cut_face(image, jittered(box or _whole(image), jitter, image, random), SIZE)
    if random.random() < 0.5:  # noqa: PLR2004 - as often as not
        crop = np.ascontiguousarray(crop[:, ::-1])
    crop = _lit(_turned(crop, random), random)
    if random.random() < 0.15:  # noqa: PLR2004
        crop = partly_hidden(crop, random)
    if random.random() < 0.08:  # noqa: PLR2004
        # Cameras that see in the dark see no colour.
        crop = np.asarray(cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    return seen_from_afar(crop, random)


def jittered(box: Box, jitter: Jitter, image: Image, random: np.random.Generator) -> Box:
    """A box that differs from ``box`` by a random scale and shift; its centre stays inside the picture."""
    factor = random.uniform(jitter.smallest, jitter.largest)
    reach = jitter.shift * max(box.width, box.height)
    height, width = image.shape[:2]
    centre_x = float(np.clip(box.centre[0] + random.uniform(-reach, reach), 0, width))
    centre_y = float(np.clip(box.centre[1] + random.uniform(-reach, reach), 0, height))
    wide, high = box.width * factor, box.height * factor
    return Box(centre_x - wide / 2, centre_y - high / 2, wide, high)


def seen_from_afar(crop: Image, random: np.random.Generator) -> Image:
    """Scale down to a random side of 14 to 160 px (four times in five), blur, compress, and scale up again."""
    small = crop
    if random.random() < 0.8:  # noqa: PLR2004 - one in five keeps its sharpness
        # Uniform in the logarithm: halving the distance counts the same everywhere.
        side = round(float(np.exp(random.uniform(np.log(SMALLEST_SIDE), np.log(LARGEST_SIDE)))))
        small = scaled(crop, side)
    if random.random() < 0.3:  # noqa: PLR2004
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), random.uniform(0.4, 1.2)), dtype=np.uint8)
    if random.random() < 0.12:  # noqa: PLR2004
        small = moving(small, random)
    if random.random() < 0.6:  # noqa: PLR2004
        small = compressed(small, int(random.integers(35, 96)))
    return np.asarray(cv2.resize(small, SIZE, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def moving(crop: Image, random: np.random.Generator) -> Image:
    """Blur as of a person who walks: along a line of up to an eighth of the side, in any direction."""
    length = int(random.integers(2, max(crop.shape[0] // 8, 2) + 1)) | 1
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    middle = (length - 1) / 2
    line = cv2.warpAffine(line, cv2.getRotationMatrix2D((middle, middle), random.uniform(0, 180), 1), (length, length))  # type: ignore[assignment]
    return np.asarray(cv2.filter2D(crop, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)


def partly_hidden(crop: Image, random: np.random.Generator) -> Image:
    """Something of one colour before the face, a tenth to a third of the side wide and anywhere; the label stays."""
    side = crop.shape[0]
    width, height = (round(side * random.uniform(0.1, 0.33)) for _ in range(2))
    left, top = int(random.integers(0, side - width)), int(random.integers(0, side - height))
    hidden = crop.copy()
    hidden[top : top + height, left : left + width] = random.integers(0, 256, 3)
    return hidden


def scaled(crop: Image, side: int) -> Image:
    """A crop shrunk to ``side`` x ``side`` pixels."""
    return np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def compressed(image: Image, quality: int) -> Image:
    """A picture with the traces of JPEG compression."""
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), dtype=np.uint8)


def _turned(crop: Image, random: np.random.Generator) -> Image:
    centre = (SIZE[0] / 2, SIZE[1] / 2)
    # One head in three is tilted as far as heads go.
    widest = 55 if random.random() < 0.33 else 15  # noqa: PLR2004 - how often stands above
    turn = cv2.getRotationMatrix2D(centre, random.uniform(-widest, widest), random.uniform(0.95, 1.15))
    return np.asarray(cv2.warpAffine(crop, turn, SIZE, borderMode=cv2.BORDER_REFLECT_101), dtype=np.uint8)


def _lit(crop: Image, random: np.random.Generator) -> Image:
    contrast, brightness = random.uniform(0.45, 1.35), random.uniform(-35, 35)
    colour = random.uniform(0.9, 1.1, size=3)
    lit = (crop.astype(np.float32) - 127.5) * (contrast * colour) + 127.5 + brightness
    if random.random() < 0.25:  # noqa: PLR2004
        # Light from one side: the other lies in shadow.
        across, down = random.uniform(-0.5, 0.5, size=2)
        lit *= 1 + (across * _ACROSS + down * _ACROSS.T)[..., np.newaxis]
    return np.asarray(np.clip(lit, 0, 255), dtype=np.uint8)


def _whole(image: Image) -> Box:
    height, width = image.shape[:2]
    return Box(0, 0, width, height)
