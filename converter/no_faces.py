"""What is no face: what the device's own detector takes for one (hoods, hands, a cloud), and what is beside a face.

The classifier is asked about these, too. Taught as neither ``mask`` nor ``no_mask``, they stay undetermined on the
device and start no violation. What the detector takes for a face elsewhere is often of a kind that it does not in the
pictures it was trained with: shoulders, collars and hair of everybody are therefore taught as well.
"""

from collections.abc import Iterable, Iterator
from dataclasses import astuple, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from converter.classifier_data import NO_FACE, BoxedFace, Picture
from converter.detector_data import NO_FACE as NO_FACE_NAME
from converter.detector_data import BoxedPicture, read_image
from converter.device_faces import training_detector
from converter.unlabelled_faces import LOWEST_SCORE, mark_unlabelled
from facemask_edge.values import Box, Face, Image

CANDIDATE_SCORE = 0.1
"""Far below the device's limit: in the pictures that the detector was trained with, it is surer than elsewhere."""
APART = 0.1
"""Part of it that a labelled face may cover: more of it, and it is an unexact box of that face."""
SMALLEST = 24
"""Height in pixels below which a second look finds hardly a face, and what is left over are faces as well."""
PLACES = ((-0.8, 0.9), (0.8, 0.9), (0.0, 1.15), (-1.1, 0.2), (1.1, 0.2))
"""Around a face, as parts of its sides to the right and down: its shoulders, its chest, and beside its ears."""
OUTSIDE = 0.25
"""Part of its sides by which such a box may reach out of the picture."""


def with_no_faces(pictures: Iterable[Picture]) -> list[Picture]:
    """Boxed scenes with what the packaged detector finds beside their faces and does not confirm at a second look.

    And with one box beside each face, as large as the face, where there is none.

    Pictures of a single face stay as they are: they do not say what else they show.

    Raises:
        ModelError: The packaged detector cannot be used.
    """
    candidates, look = (training_detector(score).detect for score in (CANDIDATE_SCORE, LOWEST_SCORE))

    def find(image: Image) -> list[Face]:
        return [face for face in candidates(image) if face.box.height >= SMALLEST]

    more = []
    for picture in pictures:
        boxes = [*(face.box for face in picture.faces if face.box is not None), *picture.others]
        added: list[BoxedFace] = []
        if boxes:
            sides = np.array([astuple(box) for box in boxes], np.float32)
            (marked,) = mark_unlabelled([BoxedPicture(picture.path, sides, ("face",) * len(boxes))], find, look)
            added = [
                BoxedFace(Box(*map(float, box)), NO_FACE)
                for box, name in zip(marked.boxes, marked.labels, strict=True)
                if name == NO_FACE_NAME and _covered_part(box, sides) < APART
            ]
            added += [BoxedFace(box, NO_FACE) for box in _beside(picture, marked)]
        more.append(replace(picture, faces=(*picture.faces, *added)))
    return more


def _beside(picture: Picture, marked: BoxedPicture) -> Iterator[Box]:
    """One box beside each face where no face is labelled, nor likely."""
    faces = marked.boxes[[name != NO_FACE_NAME for name in marked.labels]]
    image = read_image(picture.path)
    for number, face in enumerate(face for face in picture.faces if face.box and face.box.height >= SMALLEST):
        # Not always the same side, nor by chance: the same pictures give the same training.
        places = (PLACES[(number + step) % len(PLACES)] for step in range(len(PLACES)))
        boxes = (_moved(face.box, place) for place in places if face.box)
        fitting = (box for box in boxes if _is_in(box, image) and _covered_part(_sides(box), faces) < APART)
        yield from islice(fitting, 1)


def _moved(box: Box, place: tuple[float, float]) -> Box:
    return replace(box, x=box.x + place[0] * box.width, y=box.y + place[1] * box.height)


def _is_in(box: Box, image: Image) -> bool:
    height, width = image.shape[:2]
    across, down = OUTSIDE * box.width, OUTSIDE * box.height
    right, low = width + across - box.width, height + down - box.height
    return bool(-across <= box.x <= right and -down <= box.y <= low)


def _sides(box: Box) -> npt.NDArray[np.float32]:
    return np.array(astuple(box), np.float32)


def _covered_part(box: npt.NDArray[np.float32], faces: npt.NDArray[np.float32]) -> float:
    """The largest part of the box that one of the faces (n by 4: x, y, width, height) covers, 0 to 1."""
    corner = np.maximum(box[:2], faces[:, :2])
    far_corner = np.minimum(box[:2] + box[2:], faces[:, :2] + faces[:, 2:])
    covered = np.maximum(far_corner - corner, 0).prod(axis=1)
    return float(covered.max() / box[2:].prod())
