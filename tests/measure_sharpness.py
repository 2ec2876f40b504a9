"""Shows how often the classifier is wrong by how sharp a face is, on faces blurred to differing degrees.

    python -m tests.measure_sharpness DATA/scenes

Faces of 32 px and more of split train: what was trained with, so that the figures say how much sharpness matters, and
not how good the classifier is.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from converter.classifier_data import LABELS, find_pictures
from converter.picture_files import read_picture
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import ClassifierConfig
from facemask_edge.person import SHARP
from facemask_edge.sharpness import sharpness
from facemask_edge.values import Label

SMALLEST = 32
BLURS = (0, 0.02, 0.04, 0.07, 0.11, 0.16)
"""Sigma in heights of the face."""
PICTURES = 250


def main() -> None:
    """Print a line for each degree of sharpness."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="boxed scenes")
    classifier = MaskClassifier(ClassifierConfig().model)
    pictures = find_pictures(parser.parse_args().folder, split="train")
    rows = []
    for number in np.random.default_rng(0).permutation(len(pictures))[:PICTURES]:
        picture = pictures[number]
        image = read_picture(picture.path)
        for face in picture.faces:
            if image is None or face.box is None or face.box.height < SMALLEST or face.label >= len(LABELS):
                continue
            for blur in BLURS:
                seen = cv2.GaussianBlur(image, (0, 0), blur * face.box.height) if blur else image
                seen = np.asarray(seen, np.uint8)
                wrong = round(classifier.probability(seen, face.box)) != face.label
                rows.append((sharpness(seen, face.box), wrong, face.label == LABELS.index(Label.NO_MASK)))
    sharp, wrong, bare = np.array(rows).T
    table = Table("sharpness", "looks", "wrong", "bare", "wrong of them")
    for low, high in ((0, 0.05), (0.05, 0.1), (0.1, 0.15), (0.15, 0.2), (0.2, np.inf), (0, SHARP), (SHARP, np.inf)):
        inside = (sharp >= low) & (sharp < high)
        of_bare = wrong[inside & (bare == 1)]
        table.add_row(
            f"{low:g} to {high:g}",
            f"{inside.sum()}",
            f"{wrong[inside].mean():.2%}",
            f"{len(of_bare)}",
            f"{of_bare.mean():.2%}",
        )
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
