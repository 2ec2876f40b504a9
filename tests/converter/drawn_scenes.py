"""A little folder of boxed scenes, drawn: bright ovals on noise are the faces."""

import json
from pathlib import Path

import cv2
import numpy as np


def draw_scenes(folder: Path) -> Path:
    """Draw four pictures to train on and two to report on, with one large and one small face each."""
    random = np.random.default_rng(0)
    lines = []
    folder.mkdir(parents=True, exist_ok=True)
    for number, split in enumerate(["train"] * 4 + ["dev"] * 2):
        image = random.integers(0, 60, (200, 300, 3), np.uint8)
        faces = []
        for label, side in (("mask", 64), ("no_mask", 24)):
            left, top = int(random.integers(0, 300 - side)), int(random.integers(0, 200 - side))
            middle = left + side // 2, top + side // 2
            cv2.ellipse(image, middle, (side // 2, side // 2), 0, 0, 360, (150, 180, 230), -1)
            faces.append({"box": [left, top, side, side], "label": label})
        cv2.imwrite(str(folder / f"{number}.png"), image)
        height, width = image.shape[:2]
        size = {"width": width, "height": height}
        lines.append(json.dumps({"image": f"{number}.png", **size, "split": split, "faces": faces}))
    (folder / "boxes.jsonl").write_text("\n".join(lines) + "\n")
    return folder
