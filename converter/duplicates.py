"""Near-duplicates among pictures: copies that were scaled, compressed, mirrored, turned, blurred or lightly cropped.

A picture that is trained with and a copy of it that is tested with make a test worthless.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.values import Image

ANGLES = (0, -30, -25, -20, -15, -10, -5, 5, 10, 15, 20, 25, 30, 90, 180, 270)
"""Degrees by which a copy may be turned, each also mirrored; between them a hash still finds it."""
FREQUENCIES = 12
"""Rows and columns of the cosine transform that a hash keeps."""
MOST_DIFFERENT_BITS = 24
"""Of 143. On the paper's data set all of 44 pairs at 19 to 23 are copies; from 25 on more and more only look alike."""

MOST_COPIES, FEWEST_FRAMES = 0.5, 10
"""Of a folder's scenes: where so many are copies, they are frames of a fixed camera; a hash sees its background."""

ALIKE = (
    "most scenes of {folder} look alike, as frames of one fixed camera do: none is left out for that, and what is held "
    "out of them tells little"
)
ONE_CAMERA = (
    "{count} of {all} scenes look like some that are not trained with, as frames of one fixed camera do: they are "
    "trained with. Keep split dev to other days and other people, or it tells nothing"
)

_SIDE = 96
_MARGIN = 14
"""Cut off each side: what a turned copy shows in its corners, and what a light crop lacks."""
_BLOCK = 8
"""Pictures that are compared with all others at a time: 40 MB of distances for 40,000 pictures."""
_BITS = FREQUENCIES**2 - 1

HASHES_SHAPE = (2 * len(ANGLES), -(-_BITS // 8))
"""Of one picture's hashes: variants x bytes."""

Hashes = NDArray[np.uint8]
"""n x variants x 18: the bits, packed; variant 0 is the picture as it is."""


def perceptual_hashes(image: Image) -> Hashes:
    """The hashes of one picture as it is, turned and mirrored: the signs of its lowest frequencies.

    The hash is that of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), with
    more frequencies, of the picture's middle.

    Args:
        image: uint8, height x width x 3, BGR.

    Returns:
        uint8, variants x 18.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    middle = ((_SIDE - 1) / 2, (_SIDE - 1) / 2)
    hashes = []
    for view in (small, np.ascontiguousarray(small[:, ::-1])):
        for angle in ANGLES:
            turned = cv2.warpAffine(view, cv2.getRotationMatrix2D(middle, angle, 1), (_SIDE, _SIDE))
            part = turned[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
            cells = np.asarray(cv2.resize(part, (32, 32), interpolation=cv2.INTER_AREA), np.float32)
            # The first frequency is the brightness, which says nothing.
            frequencies = np.asarray(cv2.dct(cells), np.float32)[:FREQUENCIES, :FREQUENCIES].ravel()[1:]
            hashes.append(frequencies > np.median(frequencies))
    return np.packbits(np.array(hashes, np.bool_), axis=-1)


def near_duplicate_groups(hashes: Hashes) -> list[int]:
    """Number the group of near-duplicates that each picture belongs to; copies of copies are of one group.

    Args:
        hashes: Of all pictures, see ``Hashes``.
    """
    count, variants, _ = hashes.shape
    parents = list(range(count))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    signs = _signs(hashes[:, 0])
    for start in range(0, count, _BLOCK):
        block = _signs(hashes[start : start + _BLOCK]).reshape(-1, _BITS)
        # The product of signs counts equal bits minus different ones.
        different = (_BITS - block @ signs.T) / 2
        nearest = different.reshape(-1, variants, count).min(axis=1)
        for row, other in zip(*np.nonzero(nearest <= MOST_DIFFERENT_BITS), strict=True):
            parents[root(int(other))] = root(start + int(row))
    return [root(index) for index in range(count)]


def copies_of(hashes: Hashes, reported: Hashes) -> NDArray[np.bool_]:
    """Which pictures are near-duplicates, through others too, of one that is reported on.

    Args:
        hashes: Of the pictures in question, n.
        reported: Of those that are reported on.

    Returns:
        bool, n.
    """
    if not len(hashes) or not len(reported):
        return np.zeros(len(hashes), np.bool_)
    groups = near_duplicate_groups(np.concatenate([hashes, reported]))
    return np.isin(groups[: len(hashes)], groups[len(hashes) :])


def copy_finder(reported: Hashes) -> Callable[[Hashes], bool]:
    """A function that tells of the hashes of one picture whether it is a near-duplicate of one that is reported on.

    As ``copies_of``, for who asks of one after the other.

    Args:
        reported: Of those that are reported on.
    """
    if not len(reported):
        return lambda _hashes: False
    plain, turned = _signs(reported[:, 0]), _signs(reported).reshape(-1, _BITS)

    def is_copy(hashes: Hashes) -> bool:
        signs = _signs(hashes)
        # The product of signs counts equal bits minus different ones; either of both may be the one that was turned.
        most_alike = max(float((signs @ plain.T).max()), float((turned @ signs[0]).max()))
        return (_BITS - most_alike) / 2 <= MOST_DIFFERENT_BITS

    return is_copy


def frames_of_one_camera(copies: NDArray[np.bool_]) -> bool:
    """Whether so many pictures of a folder are copies that it says nothing about the people in them.

    Args:
        copies: Of each picture of the folder whether it is one.
    """
    return int(copies.sum()) >= max(FEWEST_FRAMES, MOST_COPIES * len(copies))


def apart_where_one_camera(groups: Sequence[int], is_of_folder: Sequence[bool]) -> list[int]:
    """The groups of pictures; where one holds most of a folder's scenes, each of these scenes stands alone.

    Args:
        groups: Of each picture.
        is_of_folder: Of each picture whether it is a scene of that folder.
    """
    numbers, is_here = np.array(groups), np.array(is_of_folder, np.bool_)
    of_folder = numbers[is_here]
    values, counts = np.unique(of_folder, return_counts=True)
    if not counts.size or not frames_of_one_camera(of_folder == values[counts.argmax()]):
        return list(groups)
    is_apart = (numbers == values[counts.argmax()]) & is_here
    return [int(number) for number in np.where(is_apart, numbers.max() + 1 + np.arange(len(numbers)), numbers)]


def groups_on_both_sides(groups: Sequence[int], side: Sequence[bool]) -> set[int]:
    """The groups of which some pictures stand on one side of a split and some on the other: what leaks."""
    true = {group for group, there in zip(groups, side, strict=True) if there}
    return true & {group for group, there in zip(groups, side, strict=True) if not there}


def _signs(hashes: Hashes) -> NDArray[np.float32]:
    return np.where(np.unpackbits(hashes, axis=-1, count=_BITS), np.float32(1), np.float32(-1))
