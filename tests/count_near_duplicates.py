"""Counts the near-duplicates of a folder of single faces: ``python -m tests.count_near_duplicates DATA/masks4095``."""

import sys
from collections import Counter, defaultdict
from pathlib import Path

from converter.classifier_data import find_pictures, readable, split_pictures
from converter.duplicates import groups_on_both_sides, near_duplicate_groups


def main(folder: Path) -> None:
    """Print the counts."""
    pictures, hashes, _ = readable(find_pictures(folder))
    groups = near_duplicate_groups(hashes)
    sizes = Counter(groups)
    labels: dict[int, set[int]] = defaultdict(set)
    for picture, group in zip(pictures, groups, strict=True):
        labels[group].update(face.label for face in picture.faces)
    derived = [picture.path.name.startswith("augmented_image_") for picture in pictures]
    origins = {group for group, is_derived in zip(groups, derived, strict=True) if not is_derived}
    found = sum(group in origins for group, is_derived in zip(groups, derived, strict=True) if is_derived)
    print(f"{len(pictures)} pictures, {sum(size for size in sizes.values() if size > 1)} with a near-duplicate")
    print(f"largest groups: {sorted(sizes.values())[-3:]}, groups of both labels: {_conflicts(labels)}")
    print(f"augmented_image_* with an origin: {found} of {sum(derived)}")
    split = split_pictures(pictures, groups, kind="random", test_part=0.2, held_out_part=0, seed=0)
    tested = {picture.path for picture in split.test}
    leaking = groups_on_both_sides(groups, [picture.path in tested for picture in pictures])
    copies = sum(picture.path in tested and group in leaking for picture, group in zip(pictures, groups, strict=True))
    print(f"random split: {copies} of {len(tested)} test pictures have a copy among the others")


def _conflicts(labels: dict[int, set[int]]) -> int:
    return sum(len(each) > 1 for each in labels.values())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
