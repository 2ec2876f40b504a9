"""Counts what a closer look confirms of what is judged bare in boxed scenes: labelled faces, and finds without a label.

    python -m tests.measure_closer_look DATA/scenes

Once for each side of the face in the view, plain and mirrored; ``closer_look.FACE_SIDE`` is what the device takes.
Nothing may be chosen by split dev.
"""

import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from converter.detector_data import read_image, read_list
from converter.evaluate_pipeline import judge_picture
from facemask_edge.annotate import single_look
from facemask_edge.classifier import MaskClassifier
from facemask_edge.closer_look import CONFIRMED_SCORE, LEAST_OVERLAP, closer_view
from facemask_edge.config import ClassifierConfig, DetectorConfig
from facemask_edge.faces import FaceDetector, create_detector, packaged_file
from facemask_edge.values import Box, Image, Label

SIDES = (48, 80, 128)
HEIGHTS = (16, 32)


def confirmed(detector: FaceDetector, image: Image, box: Box) -> list[bool]:
    """Whether the face is found again: for each side plain, then mirrored."""
    found = []
    for side in SIDES:
        # In the middle of the view, the box is its own mirror image.
        view, seen = closer_view(image, box, side=side, size=detector.model.size)
        for each in (view, np.ascontiguousarray(view[:, ::-1])):
            faces = [face for face in detector.detect(each) if face.score >= CONFIRMED_SCORE]
            found.append(any(face.box.overlap(seen) >= LEAST_OVERLAP for face in faces))
    return found


def main() -> None:
    """Print one table for each packaged detector."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    scenes, classifier = Path(sys.argv[1]), MaskClassifier(ClassifierConfig().model)
    views = [f"{side} px{mirrored}" for side in SIDES for mirrored in ("", ", mirrored")]
    for size in (320, 512):
        detector = create_detector(DetectorConfig(), packaged_file(size))
        table = Table("split", "labelled", "height from", "judged bare", *views, title=f"confirmed, {size} px detector")
        for split in ("train", "dev"):
            counted: dict[str, list[tuple[float, list[bool]]]] = {"no_mask": [], "": []}
            for scene in read_list(scenes, split):
                image = read_image(scene.path)
                judged = judge_picture(scene, image, detector, classifier)
                labels = (*scene.labels, "")
                for face, probability, match in zip(
                    judged.detections, judged.probabilities, judged.match.faces, strict=True
                ):
                    if single_look(float(probability), 0.5) is Label.NO_MASK and labels[match] in counted:
                        counted[labels[match]].append((face.box.height, confirmed(detector, image, face.box)))
            for label, looks in counted.items():
                for height in HEIGHTS:
                    rows = np.array([found for tall, found in looks if tall >= height], np.int64)
                    rows = rows.reshape(-1, len(views))
                    table.add_row(split, label or "nothing", str(height), str(len(rows)), *map(str, rows.sum(axis=0)))
        Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
