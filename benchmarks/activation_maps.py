"""Times what explaining a judgement costs beside the judgement, face by face on one thread.

    python -m benchmarks.activation_maps [--rounds 5] [--json activation_maps.json]

On the faces of the sample recording, with the packaged classifier, alternately in one run.
"""

import argparse
import statistics
import time

import cv2
from rich.console import Console

from benchmarks.bars import add_json_option, finish
from facemask_edge.activation_maps import ActivationMaps
from facemask_edge.cameras.recording import Recording
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models
from facemask_edge.values import Box, Image, Label

EVERY = 4
"""So many frames of the sample are one of the benchmark's."""


def milliseconds(classifier: MaskClassifier, faces: list[tuple[Image, Box]], maps: ActivationMaps | None) -> float:
    """The mean of one face, judged and, with ``maps``, explained."""
    start = time.perf_counter()
    for image, box in faces:
        classifier.probability(image, box)
        if maps:
            maps.of(Label.NO_MASK)
    return (time.perf_counter() - start) * 1000 / len(faces)


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often both are timed")
    add_json_option(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    models = Models(Config())
    recording = Recording(SAMPLE)
    frames = [frame.image.copy() for frame in recording][::EVERY]
    recording.close()
    found = [(image, models.detector(*image.shape[1::-1]).detect(image)) for image in frames]
    faces = [(image, face.box) for image, detections in found for face in detections]
    maps = ActivationMaps(models.classifier.model)
    plain, explained = [], []
    for _ in range(options.rounds):
        plain.append(milliseconds(models.classifier, faces, None))
        explained.append(milliseconds(models.classifier, faces, maps))
    more = statistics.median(both - alone for both, alone in zip(explained, plain, strict=True))
    Console(highlight=False).print(
        f"{len(faces)} faces: judged {statistics.median(plain):.2f} ms, explained {more:.2f} ms more, "
        f"ratio {statistics.median(explained) / statistics.median(plain):.2f}"
    )
    finish(options.json, [], {"faces": len(faces), "milliseconds": plain, "milliseconds_explained": explained})


if __name__ == "__main__":
    main()
