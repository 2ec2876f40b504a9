"""Measures how sharp whole pictures are, as they are and blurred: what the doctor calls blurred.

    python -m tests.measure_picture_sharpness DATA/scenes

For each blur (sigma in parts of the picture's height) the sharpness below which 0, 5, 50, 90 and 100 % of the pictures
lie.
"""

import argparse
import random
from pathlib import Path

import cv2
import numpy as np

from facemask_edge.picture_quality import HEIGHT, looked_at

MOST_PICTURES = 250
BLURS = (0.0, 0.005, 0.01, 0.02, 0.04)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    paths = sorted(parser.parse_args().folder.rglob("*.jpg"))
    random.Random(0).shuffle(paths)
    read = (cv2.imread(str(path)) for path in paths[:MOST_PICTURES])
    images = [image for image in read if image is not None and image.shape[0] >= 2 * HEIGHT]
    for blur in BLURS:
        found = []
        for image in images:
            blurred = cv2.GaussianBlur(image, (0, 0), blur * image.shape[0]) if blur else image
            found.append(looked_at(blurred.astype(np.uint8)).sharpness)
        shares = ", ".join(f"{value:.3f}" for value in np.percentile(found, [0, 5, 50, 90, 100]))
        print(f"blur {blur:.3f}, {len(images)} pictures: {shares}")


if __name__ == "__main__":
    main()
