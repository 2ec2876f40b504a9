"""What a detector finds where no face is labelled: faces that were left out, and things that only look like one.

Half-hidden and bare faces are those most often left out: taught as background, they cost bare faces everywhere. Hoods,
hands and the backs of heads are what a detector is to unlearn. A second look tells the two apart: seen larger, and
mirrored, a face is found again; what only looks like one from afar mostly is not.
"""

from collections.abc import Iterable
from dataclasses import astuple, replace

import numpy as np

from converter.detector_data import NO_FACE, UNLABELLED, BoxedPicture, overlaps, read_image
from converter.evaluate_detector import MIN_OVERLAP, Finder
from facemask_edge.closer_look import closer_view
from facemask_edge.values import Box, Face, Image

CANDIDATE_SCORE = 0.4
"""What is found at this score away from every label is looked at again."""
CONFIRMED_SCORE = 0.5
"""And is a face when it has this score in the middle of its views. Of 275 candidates of the scenes, looked at by eye,
most above are faces, most below are backs of heads, hands, clothes and blur; labelled faces lie at 0.63 and more in
95 of 100 cases."""
BESIDE = 0.2
"""Intersection over union with a labelled face from which a detection is that face, badly placed."""
LOWEST_SCORE = 0.05
"""Everything a second look is to know of."""
LOOK_SIZE = 320
"""Side of a second look in pixels."""
LOOK_SIDES = (48, 80, 128)
"""The longer side of the candidate in each second look, in pixels; each is mirrored, too."""


def mark_unlabelled(pictures: Iterable[BoxedPicture], find: Finder, look: Finder) -> list[BoxedPicture]:
    """Add what a detector finds beside the labelled faces.

    What a second look finds, too, is ``unlabelled``, the rest ``no_face``.

    Args:
        pictures: Scenes to train on; never ones to report on.
        find: Finds the faces of a picture, at ``CANDIDATE_SCORE`` and better.
        look: Finds the faces of a view, at any score.
    """
    marked = []
    for picture in pictures:
        image = read_image(picture.path)
        beside = [face for face in find(image) if overlaps(face.box, picture.boxes).max(initial=0) < BESIDE]
        sides = np.array([astuple(face.box) for face in beside], np.float32).reshape(-1, 4)
        labels = [UNLABELLED if second_look(image, face.box, look) >= CONFIRMED_SCORE else NO_FACE for face in beside]
        boxes = np.concatenate([picture.boxes, sides])
        marked.append(replace(picture, boxes=boxes, labels=(*picture.labels, *labels)))
    return marked


def second_look(image: Image, box: Box, look: Finder) -> float:
    """The median score of a box over its views."""
    scores = []
    for side in LOOK_SIDES:
        # In the middle of the view, the box is its own mirror image.
        view, seen = closer_view(image, box, side=side, size=(LOOK_SIZE, LOOK_SIZE))
        scores += [_score_of(seen, look(each)) for each in (view, np.ascontiguousarray(view[:, ::-1]))]
    return float(np.median(scores))


def _score_of(box: Box, faces: Iterable[Face]) -> float:
    return max((face.score for face in faces if face.box.overlap(box) >= MIN_OVERLAP), default=0.0)
