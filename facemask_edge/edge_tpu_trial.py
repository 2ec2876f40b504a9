"""What the models make of the packaged sample where they are told to run, and how fast.

A part of ``facemask-edge coral-report``:

    python -m facemask_edge.edge_tpu_trial <configuration.json

prints it as JSON: a process of its own, because the Edge TPU's library may end it.
"""

import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from facemask_edge.cameras.recording import Recording
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import CameraConfig, Config
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import FacemaskError
from facemask_edge.faces import FaceDetector
from facemask_edge.inference import Model
from facemask_edge.pipeline import WHOLE_FACE, Models, Pipeline
from facemask_edge.stage_times import percentiles
from facemask_edge.values import Box, Face

INVOCATIONS = 100
"""Of each model, that are timed."""
FoundFace = tuple[float, float, float, float, float]
"""x, y, width, height in pixels, and score."""
Happening = tuple[float, str, str | None]
"""Seconds into the sample, type and reason of a violation's start or end."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds that one model's bare invocations take."""

    first: float
    """When it is brought onto the Edge TPU, too."""
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    accelerator: dict[str, str]
    """Where each kind of model ran."""
    models: dict[str, str]
    """SHA-256 by file."""
    speed: dict[str, Speed]
    """By kind of model."""
    frames_per_second: float
    """Of the whole way of a frame, without delivery."""
    events: list[Happening]
    faces: list[list[FoundFace]]
    """For each labelled frame those found, from left to right."""
    probabilities: list[float]
    """Of ``no_mask``, for each labelled face that is fully in view."""


def try_models(config: Config) -> Trial:
    """Judge the sample.

    Args:
        config: Classifier, detector and compliance are used.

    Raises:
        FacemaskError: A model cannot be used.
    """
    models = Models(config)
    labels = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    detector = models.detector(labels["width"], labels["height"])
    # First of all: what comes later is no first invocation.
    speed = {"detector": _speed(detector.model), "classifier": _speed(models.classifier.model)}
    faces, probabilities = _labelled(labels["people"], detector, models.classifier)
    events, rate = _whole_way(config, models)
    loaded = {model.entry.file: model.entry.sha256 for model in models.loaded()}
    return Trial(models.places(), loaded, speed, rate, events, faces, probabilities)


def _speed(model: Model) -> Speed:
    width, height = model.size
    # The models do the same work for any.
    picture = np.full((height, width, 3), 128, np.uint8)
    seconds = []
    for _ in range(1 + INVOCATIONS):
        start = time.perf_counter()
        model.invoke(picture)
        seconds.append(time.perf_counter() - start)
    return Speed(round(1000 * seconds[0], 3), *percentiles(seconds[1:]))


def _labelled(
    people: list[dict[str, Any]], detector: FaceDetector, classifier: MaskClassifier
) -> tuple[list[list[FoundFace]], list[float]]:
    """What the models say of the frames and faces that the sample's labels name: the same pictures everywhere."""
    boxes: dict[int, list[Box]] = defaultdict(list)
    for person in people:
        for index, *sides in person["boxes"]:
            boxes[index].append(Box(*sides))
    faces, probabilities = [], []
    recording = Recording(SAMPLE)
    for frame in recording:
        if frame.index not in boxes:
            continue
        found = sorted(detector.detect(frame.image), key=lambda face: face.box.x)
        faces.append([_shown(face) for face in found])
        whole = [box for box in boxes[frame.index] if box.visible_part(frame.width, frame.height) >= WHOLE_FACE]
        probabilities += [round(classifier.probability(frame.image, box), 4) for box in whole]
    recording.close()
    return faces, probabilities


def _shown(face: Face) -> FoundFace:
    box = face.box
    return round(box.x, 1), round(box.y, 1), round(box.width, 1), round(box.height, 1), round(face.score, 4)


def _whole_way(config: Config, models: Models) -> tuple[list[Happening], float]:
    """The violations, and how many frames a second were judged."""
    pipeline = Pipeline(config, CameraConfig(source=str(SAMPLE)), models)
    recording = Recording(SAMPLE)
    violations, frames = [], 0
    start = time.perf_counter()
    for frame in recording:
        violations += pipeline.process(frame)
        frames += 1
    rate = frames / (time.perf_counter() - start)
    recording.close()
    violations += pipeline.finish("stopped")
    return [(round(one.timestamp, 3), one.event_type, one.reason) for one in violations], round(rate, 2)


def main() -> None:
    """Read the configuration, print the result; an error a user can act on is the last line on stderr."""
    try:
        print(json.dumps(asdict(try_models(Config.model_validate_json(sys.stdin.read())))))  # noqa: T201 - the result
    except FacemaskError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
