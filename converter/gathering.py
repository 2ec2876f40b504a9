"""What a classifier is trained with: all folders' pictures, without what must not be learnt from, in their parts."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from converter.classifier_data import (
    Picture,
    Split,
    describe_source,
    find_pictures,
    is_boxed,
    readable,
    reported_hashes,
    split_pictures,
)
from converter.duplicates import (
    ALIKE,
    ONE_CAMERA,
    Hashes,
    apart_where_one_camera,
    copies_of,
    frames_of_one_camera,
    near_duplicate_groups,
)
from converter.outputs import ensure_names_differ, shown
from converter.picture_files import left_out
from converter.recipes import Recipe
from facemask_edge.errors import InputError

NAMED = 5
"""Pairs with different labels that are named."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The pictures of all folders, and what the manifest says of them."""

    split: Split
    sources: list[str]


def gather(data: Sequence[Path], recipe: Recipe, console: Console) -> Gathered:
    """Read all folders and split their pictures; the console is told what is left out, and why.

    Raises:
        InputError: A folder holds no usable picture, two have the same name, or the pictures are too few to split.
    """
    ensure_names_differ(data)
    reported = reported_hashes(data)
    read = [_read(folder, recipe, reported, console) for folder in data]
    pictures = [picture for of_folder, _ in read for picture in of_folder]
    groups = _groups_of(pictures, np.concatenate([hashes for _, hashes in read]), data, console)
    _tell_contradictions(pictures, groups, console)
    split = split_pictures(
        pictures,
        groups,
        kind=recipe.split,
        test_part=recipe.test_part,
        held_out_part=recipe.held_out_part,
        seed=recipe.split_seed,
    )
    if recipe.test_part and not split.test and any(picture.is_single for picture in pictures):
        console.print("no picture of a single face can be tested with: all look like some scene", highlight=False)
    left = len(pictures) - len(split.learnt) - len(split.test)
    if left:
        console.print(f"{left} derived pictures whose original is not known left out", highlight=False)
    console.print(
        f"{len(split.training)} pictures to train with, {len(split.held_out)} held out, {len(split.test)} to test, "
        f"in {len(set(groups))} groups of near-duplicates",
        highlight=False,
    )
    return Gathered(split, [describe_source(folder, split.learnt) for folder in data])


def _read(folder: Path, recipe: Recipe, reported: Hashes, console: Console) -> tuple[list[Picture], Hashes]:
    """A folder's readable pictures that are no copies of what is reported on, and their hashes."""
    there = find_pictures(folder, limit=recipe.limit)
    good, hashes, bad = readable(shown(there, f"reading {folder.resolve().name}", console))
    for path in bad:
        console.print(left_out(path), highlight=False, soft_wrap=True)
    if bad:
        console.print(f"{len(bad)} of {len(good) + len(bad)} pictures of {folder} left out", highlight=False)
    if not good:
        raise InputError(f"{folder} holds no picture that can be read")
    copies = copies_of(hashes, reported)
    if is_boxed(folder) and frames_of_one_camera(copies):
        console.print(ONE_CAMERA.format(count=copies.sum(), all=len(copies)), highlight=False, soft_wrap=True)
        copies[:] = False
    if copies.any():
        console.print(f"{copies.sum()} pictures of {folder} are copies of split dev; left out", highlight=False)
    return [picture for picture, copy in zip(good, copies, strict=True) if not copy], hashes[~copies]


def _tell_contradictions(pictures: Sequence[Picture], groups: Sequence[int], console: Console) -> None:
    """Name pictures of one face each that are near-duplicates and labelled differently: one of the labels is wrong."""
    alike: defaultdict[int, dict[int, Path]] = defaultdict(dict)
    for picture, group in zip(pictures, groups, strict=True):
        if picture.is_single:
            alike[group].setdefault(picture.faces[0].label, picture.path)
    pairs = [paths for paths in alike.values() if len(paths) > 1]
    for paths in pairs[:NAMED]:
        console.print(
            f"{' and '.join(map(str, paths.values()))} look alike and have different labels",
            highlight=False,
            soft_wrap=True,
        )
    if len(pairs) > NAMED:
        console.print(f"and {len(pairs) - NAMED} more such pairs", highlight=False)


def _groups_of(pictures: Sequence[Picture], hashes: Hashes, data: Sequence[Path], console: Console) -> list[int]:
    """The group of near-duplicates that each picture belongs to; frames of a fixed camera stand alone."""
    groups = near_duplicate_groups(hashes)
    for folder in filter(is_boxed, data):
        apart = apart_where_one_camera(groups, [picture.path.is_relative_to(folder) for picture in pictures])
        if apart != groups:
            console.print(ALIKE.format(folder=folder), highlight=False, soft_wrap=True)
        groups = apart
    return groups
