"""What the detector sees in training: faces of every size, placed on the canvas as the device places frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from converter.detector_data import NO_FACE, UNLABELLED, BoxedPicture, Boxes
from facemask_edge.values import Image

SMALLEST_FACE = 5
"""Height in pixels on the canvas below which a face is neither taught nor held against the detector."""
VISIBLE = 0.6
"""A face of which less lies on the canvas is neither taught nor held against the detector."""
LARGEST_ENLARGEMENT = 5.0
"""Beyond this a face is only blur."""

FRAME, ANY_SIZE, CLOSE_UP = "frame", "any size", "close-up"
SCENE_VIEWS = {FRAME: 0.35, ANY_SIZE: 0.35, CLOSE_UP: 0.3}
"""How often a picture is seen whole, with one of its faces at any size, and with one that fills much of the input."""


@dataclass(frozen=True, slots=True)
class View:
    """One training input."""

    canvas: Image
    faces: Boxes
    """n x 4, in pixels of the canvas, clipped to it."""
    taught: NDArray[np.bool_]
    """n: False for faces that are to be ignored."""


def varied_view(image: Image, picture: BoxedPicture, size: int, random: np.random.Generator) -> View:
    """Make one training input of a picture.

    Args:
        image: uint8, height x width x 3, BGR.
        picture: The faces in it; unlabelled ones are to be ignored, and what is no face is looked at as often as those.
        size: Side of the input in pixels.
        random: Decides everything.
    """
    boxes = picture.boxes
    faces = np.array([label != NO_FACE for label in picture.labels], np.bool_)
    labelled = np.array([label != UNLABELLED for label in picture.labels], np.bool_)
    if random.random() < 0.5:  # noqa: PLR2004 - half of the views are mirrored
        image, boxes = _mirrored(image, boxes)
    kind = str(random.choice(list(SCENE_VIEWS), p=list(SCENE_VIEWS.values()))) if labelled.any() else FRAME
    height, width = image.shape[:2]
    fitting = min(size / width, size / height, 1.0)
    left = top = 0
    if kind == FRAME:
        scale = fitting * float(np.exp(random.uniform(np.log(0.4), 0.0))) if random.random() < 0.5 else fitting  # noqa: PLR2004 - half are as the device sees them
    else:
        box = boxes[_chosen(boxes, picture.labels, random, large=kind == CLOSE_UP)]
        longer = float(box[2:].max())
        smallest, largest = (0.3, 0.95) if kind == CLOSE_UP else (10 / size, 0.5)
        part = float(np.exp(random.uniform(np.log(smallest), np.log(largest))))
        scale = min(part * size / longer, LARGEST_ENLARGEMENT)
        left = _start(float(box[0]), float(box[2]), width, size / scale, random)
        top = _start(float(box[1]), float(box[3]), height, size / scale, random)
    view = _placed(image[top:, left:], _shifted(boxes[faces], -left, -top), labelled[faces], size, scale)
    return View(_spoilt(view.canvas, random), view.faces, view.taught)


def close_up(image: Image, boxes: Boxes, index: int, part: float, size: int) -> View:
    """A view in whose middle a face's longer side fills ``part`` of the input: always the same, for evaluation."""
    x, y, box_width, box_height = (float(side) for side in boxes[index])
    scale = part * size / max(box_width, box_height)
    left = _clamped(x + box_width / 2 - size / scale / 2, image.shape[1], size / scale)
    top = _clamped(y + box_height / 2 - size / scale / 2, image.shape[0], size / scale)
    return _placed(image[top:, left:], _shifted(boxes, -left, -top), np.ones(len(boxes), np.bool_), size, scale)


def joined(views: Sequence[View]) -> View:
    """Four views as the quarters of one of twice their side: many faces, and not all beside the upper left corner."""
    size = views[0].canvas.shape[0]
    canvas = np.vstack([np.hstack([view.canvas for view in views[row : row + 2]]) for row in (0, 2)])
    corners = [(column * size, row * size) for row in (0, 1) for column in (0, 1)]
    faces = [_shifted(view.faces, *corner) for view, corner in zip(views, corners, strict=True)]
    return View(canvas, np.concatenate(faces), np.concatenate([view.taught for view in views]))


def _shifted(boxes: Boxes, right: float, down: float) -> Boxes:
    return boxes + np.array([right, down, 0, 0], np.float32)


def _mirrored(image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
    mirrored = boxes.copy()
    mirrored[:, 0] = image.shape[1] - boxes[:, 0] - boxes[:, 2]
    return image[:, ::-1], mirrored


def _chosen(boxes: Boxes, labels: Sequence[str], random: np.random.Generator, *, large: bool) -> int:
    """The index of a labelled face, or of what only looks like one, each label as often as the others.

    For close-ups the large faces come first, as the small ones would be only blur.
    """
    wanted = str(random.choice(sorted(set(labels) - {UNLABELLED})))
    weights = np.array([label == wanted for label in labels], np.float64)
    if large:
        weights *= boxes[:, 3].astype(np.float64) ** 2 + 1e-6
    return int(random.choice(len(boxes), p=weights / weights.sum()))


def _start(start: float, length: float, picture: int, window: float, random: np.random.Generator) -> int:
    """Where a window begins that holds the face at a random place; within the picture where it can be."""
    return _clamped(start - random.uniform(0, max(window - length, 0)), picture, window)


def _clamped(start: float, picture: int, window: float) -> int:
    return int(min(max(start, 0), max(picture - window, 0)))


def _placed(image: Image, boxes: Boxes, labelled: NDArray[np.bool_], size: int, scale: float) -> View:
    """Scale a picture into the upper left corner of a black canvas; what does not fit is cut off."""
    whole = int(np.ceil(size / scale))
    part: Any = image[:whole, :whole]
    used = min(max(round(part.shape[1] * scale), 1), size), min(max(round(part.shape[0] * scale), 1), size)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[: used[1], : used[0]] = cv2.resize(part, used, interpolation=interpolation)
    scaled = boxes * np.float32(scale)
    corners = np.concatenate([scaled[:, :2], scaled[:, :2] + scaled[:, 2:]], axis=1)
    clipped = np.clip(corners, 0, [*used, *used]).astype(np.float32)
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = sides.prod(axis=1) / np.maximum(scaled[:, 2:].prod(axis=1), 1e-6)
    there = visible > 0
    taught = labelled & (visible >= VISIBLE) & (sides.min(axis=1) > 2) & (sides[:, 1] >= SMALLEST_FACE)  # noqa: PLR2004 - pixels
    faces = np.concatenate([clipped[:, :2], sides], axis=1)
    return View(canvas, faces[there], taught[there])


def _spoilt(canvas: Image, random: np.random.Generator) -> Image:
    """Light, colour, blur, noise and compression as cameras have them; black padding stays black."""
    padding = ~canvas.any(axis=2)
    picture: Any = canvas.astype(np.float32)
    if random.random() < 0.7:  # noqa: PLR2004 - how often each happens stands where it happens
        picture = 255 * (picture / 255) ** random.uniform(0.6, 1.6)
        picture = picture * random.uniform(0.7, 1.3) + random.uniform(-20, 20)
    if random.random() < 0.4:  # noqa: PLR2004
        picture = picture * random.uniform(0.85, 1.15, 3).astype(np.float32)
    if random.random() < 0.1:  # noqa: PLR2004
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < 0.15:  # noqa: PLR2004
        picture = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 1.5))
    if random.random() < 0.15:  # noqa: PLR2004
        picture = picture + random.normal(0, random.uniform(2, 12), picture.shape).astype(np.float32)
    spoilt: Any = np.clip(picture, 0, 255).astype(np.uint8)
    if random.random() < 0.4:  # noqa: PLR2004
        quality = int(random.integers(25, 90))
        spoilt = cv2.imdecode(cv2.imencode(".jpg", spoilt, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    spoilt[padding] = 0
    return spoilt  # type: ignore[no-any-return]
