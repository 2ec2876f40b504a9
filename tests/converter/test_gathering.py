import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from converter.gathering import NAMED, gather
from converter.recipes import DEFAULT

pytestmark = pytest.mark.converter


def different_pictures(folder: Path, count: int) -> Path:
    """A folder of ``count`` pictures of each class, of which none looks like another."""
    for number, name in enumerate(("with_mask", "without_mask")):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            cells = np.random.default_rng(100 * number + index).uniform(0, 255, (6, 6, 3)).astype(np.float32)
            cv2.imwrite(str(folder / name / f"{index}.png"), cv2.resize(cells, (96, 96)))
    return folder


def told_of(folder: Path) -> str:
    told = io.StringIO()
    gather([folder], DEFAULT, Console(file=told, width=300, markup=False))
    return told.getvalue()


def test_a_picture_that_has_both_labels_is_named(tmp_path: Path) -> None:
    folder = different_pictures(tmp_path / "mine", 12)
    assert "different labels" not in told_of(folder)
    one, other = folder / "with_mask" / "3.png", folder / "without_mask" / "copy.png"
    shutil.copy(one, other)
    assert f"{one} and {other} look alike and have different labels" in told_of(folder)


def test_of_many_such_pictures_some_are_named_and_the_others_counted(tmp_path: Path) -> None:
    folder = different_pictures(tmp_path / "mine", 12)
    for index in range(NAMED + 2):
        shutil.copy(folder / "with_mask" / f"{index}.png", folder / "without_mask" / f"copy {index}.png")
    told = told_of(folder)
    assert told.count("different labels") == NAMED
    assert "and 2 more such pairs" in told
