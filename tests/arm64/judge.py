"""Judges the packaged sample, and pictures of it, and prints what came of it as JSON; see ``test_arm64.py``.

    python judge.py FOLDER_OF_PICTURES BOXES

Imports nothing but the installed program, and starts no process: the kernel runs none of another processor by itself.
"""

import json
import platform
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facemask_edge.annotate import Annotator
from facemask_edge.cameras.recording import Recording, pictures_in, read_picture
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.inference import runtime
from facemask_edge.pipeline import WHOLE_FACE, Models, Pipeline
from facemask_edge.values import Box, Image, Verdict, Violation

Boxes = list[list[list[float]]]
"""For each picture the faces in it: x, y, width, height."""


def judged(folder: Path) -> dict[str, Any]:
    """What it runs on, the events of the sample, and each picture's faces, from left to right.

    A face that the frame's edge cuts is left out, as the daemon does.
    """
    config = Config()
    libraries = {"numpy": np.__version__, "opencv": cv2.__version__, "runtime": runtime()}
    annotator = Annotator(config)
    pictures = [read_picture(path) for path in pictures_in(folder)]
    return {
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": libraries,
        "events": [_event(violation) for violation in _violations(config)],
        "pictures": [_faces(annotator.judge(picture), picture) for picture in pictures],
    }


def probabilities(folder: Path, boxes: Boxes, classifier: MaskClassifier) -> list[float]:
    """What the classifier alone says of faces in the pictures of a folder."""
    pictures = [read_picture(path) for path in pictures_in(folder)]
    return [
        classifier.probability(picture, Box(*box))
        for picture, faces in zip(pictures, boxes, strict=True)
        for box in faces
    ]


def _violations(config: Config) -> list[Violation]:
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    recording = Recording(SAMPLE)
    violations = [violation for frame in recording for violation in pipeline.process(frame)]
    recording.close()
    return violations + pipeline.finish("stopped")


def _event(violation: Violation) -> dict[str, Any]:
    return {"type": violation.event_type, "time": round(violation.timestamp, 3), "reason": violation.reason}


def _faces(verdicts: list[Verdict], picture: Image) -> list[dict[str, Any]]:
    height, width = picture.shape[:2]
    whole = [verdict for verdict in verdicts if verdict.track.box.visible_part(width, height) >= WHOLE_FACE]
    whole.sort(key=lambda verdict: verdict.track.box.x)
    return [{"label": verdict.label, "box": astuple(verdict.track.box)} for verdict in whole]


if __name__ == "__main__":
    pictures, boxes = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    classifier = MaskClassifier(Config().classifier.model)
    print(json.dumps(judged(pictures) | {"probabilities": probabilities(pictures, boxes, classifier)}))
