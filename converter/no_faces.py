"""What the device's own detector takes for a face and is none: hoods, the backs of heads, hands, a cloud.

The classifier is asked about these, too. Taught as neither ``mask`` nor ``no_mask``, they stay undetermined on the
device and start no violation.
"""

from collections.abc import Iterable
from dataclasses import astuple, replace

import numpy as np
import numpy.typing as npt

from converter.classifier_data import NO_FACE, BoxedFace, Picture
from converter.detector_data import NO_FACE as NO_FACE_NAME
from converter.detector_data import BoxedPicture
from converter.device_faces import training_detector
from converter.unlabelled_faces import LOWEST_SCORE, mark_unlabelled
from facemask_edge.values import Box, Face, Image

CANDIDATE_SCORE = 0.1
"""Far below the device's limit: in the pictures that the detector was trained with, it is surer than elsewhere."""
APART = 0.1
"""Part of it that a labelled face may cover: more of it, and it is an unexact box of that face."""
SMALLEST = 24
"""Height in pixels below which a second look finds hardly a face, and what is left over are faces as well."""


def with_no_faces(pictures: Iterable[Picture]) -> list[Picture]:
    """Boxed scenes with what the packaged detector finds beside their faces and does not confirm at a second look.

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
        more.append(replace(picture, faces=(*picture.faces, *added)))
    return more


def _covered_part(box: npt.NDArray[np.float32], faces: npt.NDArray[np.float32]) -> float:
    """The largest part of the box that one of the faces (n by 4: x, y, width, height) covers, 0 to 1."""
    corner = np.maximum(box[:2], faces[:, :2])
    far_corner = np.minimum(box[:2] + box[2:], faces[:, :2] + faces[:, 2:])
    covered = np.maximum(far_corner - corner, 0).prod(axis=1)
    return float(covered.max() / box[2:].prod())
