"""Times the packaged face detectors on the sample's frames, each beside nothing but its bare invocations.

    python -m benchmarks.face_detectors [--rounds 5] [--json face_detectors.json]

One thread; everything in one run, alternately. Only the ratio means something on other machines.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bars import add_json_option, finish
from facemask_edge.cameras.recording import Recording
from facemask_edge.config import DetectorConfig
from facemask_edge.demo import SAMPLE
from facemask_edge.faces.yunet import YuNet
from facemask_edge.values import Image

MODELS = ("face_detector_320_int8.tflite", "face_detector_512_int8.tflite")
EVERY = 4
"""So many frames of the sample are one of the benchmark's."""


def milliseconds(work: Callable[[Image], object], frames: Sequence[Image]) -> float:
    """The mean of one frame."""
    start = time.perf_counter()
    for frame in frames:
        work(frame)
    return (time.perf_counter() - start) * 1000 / len(frames)


def main() -> None:
    """Print a line for each detector."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often all are timed")
    add_json_option(parser)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    recording = Recording(SAMPLE)
    frames = [np.array(frame.image) for frame in recording][::EVERY]
    recording.close()
    detectors = [YuNet(name, min_score=DetectorConfig().min_score) for name in MODELS]
    whole: dict[str, list[float]] = {name: [] for name in MODELS}
    bare: dict[str, list[float]] = {name: [] for name in MODELS}
    for _ in range(options.rounds):
        for name, detector in zip(MODELS, detectors, strict=True):
            width, height = detector.model.size
            inputs = [np.asarray(cv2.resize(frame, (width, height)), np.uint8) for frame in frames]
            bare[name].append(milliseconds(detector.model.invoke, inputs))
            whole[name].append(milliseconds(detector.detect, frames))
    height, width = frames[0].shape[:2]
    table = Table("detector", "ms a frame", "ms bare", "ratio", title=f"{len(frames)} frames of {width}x{height}")
    for name in MODELS:
        ratio = statistics.median(one / other for one, other in zip(whole[name], bare[name], strict=True))
        table.add_row(
            name, f"{statistics.median(whole[name]):.2f}", f"{statistics.median(bare[name]):.2f}", f"{ratio:.2f}"
        )
    Console(highlight=False).print(table)
    finish(options.json, [], {"milliseconds": whole, "milliseconds_bare": bare})


if __name__ == "__main__":
    main()
