"""Small generated data folders: bare faces are skin all over, masked ones have a light blue lower half."""

import json
from pathlib import Path

import cv2
import numpy as np

from facemask_edge.values import Image


def face(*, masked: bool, seed: int, side: int = 96) -> Image:
    """A crude face, BGR, different for each seed."""
    random = np.random.default_rng(seed)
    image = np.empty((side, side, 3), dtype=np.uint8)
    image[:] = (110, 150, 210)
    if masked:
        image[side // 2 :] = (230, 200, 150)
    for x in (0.3, 0.7):
        cv2.circle(image, (round(side * x), round(side * 0.35)), side // 12, (30, 30, 30), -1)
    noise = cv2.resize(random.normal(0, 25, (9, 8, 3)).astype(np.float32), (side, side))
    return np.asarray(np.clip(image + noise, 0, 255), dtype=np.uint8)


def single_faces(folder: Path, count: int) -> Path:
    """A folder of ``count`` pictures of each class, all different."""
    for number, name in enumerate(("with_mask", "without_mask")):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            cv2.imwrite(str(folder / name / f"{index}.png"), face(masked=number == 0, seed=1000 * number + index))
    return folder


def boxed_scenes(folder: Path, *, train: int, dev: int) -> Path:
    """A folder of scenes, each with a masked and a bare face of 64 px, one ``incorrect`` and one of 6 px."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for index in range(train + dev):
        # Different backgrounds, or the scenes would be near-duplicates of each other.
        cells = np.random.default_rng(index).uniform(0, 255, (6, 12, 3)).astype(np.float32)
        scene = np.asarray(cv2.resize(cells, (240, 120)), dtype=np.uint8)
        scene[20:84, 10:74] = face(masked=True, seed=2000 + index, side=64)
        scene[20:84, 100:164] = face(masked=False, seed=3000 + index, side=64)
        cv2.imwrite(str(folder / "images" / f"{index}.png"), scene)
        faces = [
            {"box": [10, 20, 64, 64], "label": "mask"},
            {"box": [100, 20, 64, 64], "label": "no_mask"},
            {"box": [170, 20, 40, 40], "label": "incorrect"},
            {"box": [220, 20, 5, 6], "label": "mask"},
        ]
        split = "train" if index < train else "dev"
        lines.append(
            json.dumps({"image": f"images/{index}.png", "width": 240, "height": 120, "split": split, "faces": faces})
        )
    (folder / "boxes.jsonl").write_text("\n".join(lines) + "\n")
    return folder
