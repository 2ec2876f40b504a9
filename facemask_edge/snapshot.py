"""Makes the picture of a violation: who it is about is marked, and no face can be recognized."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2

from facemask_edge import overlay
from facemask_edge.config import PrivacyConfig, SnapshotsConfig
from facemask_edge.jpeg import encoded
from facemask_edge.privacy import pixelate
from facemask_edge.values import Box, Image, Label, Verdict, Violation

MOST_BYTES = 120_000
"""Of a JPEG: some brokers take no message that is larger than 128 kB."""
QUALITIES = 85, 70, 50, 30
"""Of a JPEG, tried in this order until it is small enough."""
BESIDE, ABOVE, BELOW = 2.0, 1.5, 6.5
"""How much is shown around the face of a person, in widths and heights of the face: down to the knees."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a snapshot is made of."""

    camera: str
    image: Image
    """uint8, height x width x 3, BGR; nobody else writes into it."""
    faces: tuple[Box, ...]
    """Known in it, whatever else is found."""
    violation: Violation | None
    """The start that it is about; None where somebody wants to see who is there."""
    time: str
    """When it was taken, in UTC."""


def snapshot(
    shot: Shot, snapshots: SnapshotsConfig, privacy: PrivacyConfig, find: Callable[[Image], Iterable[Box]] | None
) -> bytes:
    """The JPEG of a shot, of at most ``MOST_BYTES``.

    Args:
        shot: Its image is painted into.
        snapshots: What it is to show.
        privacy: Whether faces are to be recognized.
        find: All that may be faces in a picture, for who must not miss one; needed where they are not.

    Raises:
        ValueError: Faces are not to be recognized, and there is nothing that finds them.
    """
    image = shot.image
    if privacy.blur_faces:
        if find is None:
            raise ValueError("faces are to be blurred that nothing looks for")
        # In the whole picture, also where only a part of it is shown: half a face is one, too.
        pixelate(image, [*shot.faces, *find(image)])
    if (violation := shot.violation) is not None:
        verdict = Verdict(violation.track, Label.NO_MASK, violation.probability, violation.observations)
        overlay.draw(image, [verdict])
        part = shown_part(snapshots, violation.track.box, image.shape[1], image.shape[0])
        left, top = int(part.x), int(part.y)
        image = image[top : top + int(part.height), left : left + int(part.width)]
    return _small_enough(image, snapshots.width)


def shown_part(snapshots: SnapshotsConfig, face: Box, width: int, height: int) -> Box:
    """What a snapshot shows of a picture of ``width`` x ``height`` pixels, in whole ones.

    Args:
        snapshots: What it is to show.
        face: Of the person that it is about.
        width: Of the whole picture.
        height: Of the whole picture.
    """
    if snapshots.picture == "full":
        return Box(0, 0, width, height)
    person = around(face, width, height)
    left, top = math.floor(person.x), math.floor(person.y)
    return Box(left, top, math.ceil(person.x + person.width) - left, math.ceil(person.y + person.height) - top)


def around(face: Box, width: int, height: int) -> Box:
    """Where a picture of ``width`` x ``height`` pixels shows the person whose face it is."""
    person = Box(
        face.x - BESIDE * face.width,
        face.y - ABOVE * face.height,
        (1 + 2 * BESIDE) * face.width,
        (1 + ABOVE + BELOW) * face.height,
    ).clipped(width, height)
    # A tracker may foretell somebody outside the picture.
    return person if person.width and person.height else Box(0, 0, width, height)


def _small_enough(image: Image, width: int) -> bytes:
    scale = min(width / image.shape[1], 1.0)
    for quality in QUALITIES:
        jpeg = _jpeg(image, scale, quality)
        if len(jpeg) <= MOST_BYTES:
            return jpeg
    # A picture of nothing but noise.
    while len(jpeg) > MOST_BYTES:
        scale *= 0.7
        jpeg = _jpeg(image, scale, QUALITIES[-1])
    return jpeg


def _jpeg(image: Image, scale: float, quality: int) -> bytes:
    if scale < 1.0:
        size = [max(round(side * scale), 1) for side in (image.shape[1], image.shape[0])]
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment] # always uint8
    return encoded(image, quality)
