"""What a Pi will do: frames a second, computed from latencies that others published; nobody has measured them.

    python -m benchmarks.expected_rates [--measure]

prints the table of docs/performance.md. The classifier is a MobileNet v2 for 224 px, as those that were published; the
detector's cost follows from it in two ways, which give each figure's bounds: by the multiplications of both, and by the
time that both take on this machine. With --measure the latter is measured anew, else taken as it was recorded.
"""

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.frame_loop import count_invocations
from converter.tflite_file import read_tflite
from facemask_edge.faces import PACKAGED_SIZES, packaged_file
from facemask_edge.inference import Model
from facemask_edge.manifest import packaged_models

CLASSIFIER = "mask_classifier_int8.tflite"
ROUNDS = 30
"""Alternately, of each model; the shortest counts: the machine may have other work."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that somebody published for one invocation of an int8 model."""

    milliseconds: float
    source: str


XNNPACK = "github.com/google/XNNPACK, README.md, Feb 8, 2022: INT8 MobileNet v2 1.0X, four threads"
TSUKAMOTO = (
    "github.com/NobuoTsukamoto/benchmarks at 339f3bd, tensorflow/lite/efficentdet/results/{RasPi4_64bit,RasPi5}/"
    "efficientdet_latency_v2.18.0.txt: EfficientDet-Lite0 int8, TFLite 2.18 with XNNPACK"
)
NCNN = "github.com/Tencent/ncnn, benchmark/README.md: mobilenet_int8 of ncnn"
PYCORAL = (
    "github.com/google-coral/pycoral at 08ad320, benchmarks/reference/inference_reference_{rp4b,rp3b+}.csv: "
    "mobilenet_v2_1.0_224_quant_edgetpu and ssd_mobilenet_v2_face_quant_postprocess_edgetpu (320 px)"
)
PI_4_FOUR_THREADS = Latency(17.0, f"{XNNPACK}, BCM2711 ARM64")
PI_3_FOUR_THREADS = Latency(30.0, f"{XNNPACK}, BCM2837B0 (Cortex-A53, 1.4 GHz)")
PI_4_OTHER_ONE = Latency(197.751, f"{TSUKAMOTO}, one thread")
PI_4_OTHER_FOUR = Latency(78.009, f"{TSUKAMOTO}, four threads")
PI_5_OTHER_ONE = Latency(44.198, f"{TSUKAMOTO}, one thread")
ZERO_2_W_OTHER_ONE = Latency(286.75, f"{NCNN}, Raspberry Pi Zero 2 W (Cortex-A53, 1.0 GHz), one thread")
PI_3_OTHER_FOUR = Latency(67.03, f"{NCNN}, Raspberry Pi 3 Model B+, four threads")
USB_3_CLASSIFIER = Latency(4.548, f"{PYCORAL}; a Pi 4")
USB_3_FACES = Latency(9.305, f"{PYCORAL}; a Pi 4")
USB_2_CLASSIFIER = Latency(10.61, f"{PYCORAL}; a Pi 3 B+")
USB_2_FACES = Latency(38.75, f"{PYCORAL}; a Pi 3 B+")
SETTLED = 100
"""So often the rate and what a frame costs at that rate are had from each other."""
FACES_SIDE = 320
"""Pixels of a side of the published face detector's input."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What this project measured on a machine of its own."""

    invocations: dict[float, tuple[float, float]]
    """Of the detector and of the classifier a frame, on the sample, by the frames a second that a device judges: who
    judges fewer has to look at more faces in each."""
    detectors: tuple[float, ...]
    """Time of a detector's invocation over that of the classifier's, for each packaged size."""
    rest: float
    """All else that a frame takes over its bare invocations, see ``frame_loop``."""


INVOCATIONS = {
    15.0: (1.01, 0.17),
    10.0: (1.02, 0.23),
    7.5: (1.02, 0.32),
    5.0: (1.03, 0.4),
    4.0: (1.04, 0.45),
    3.0: (1.05, 0.6),
    2.0: (1.08, 0.67),
    1.5: (1.11, 0.89),
}
RECORDED = Measured(invocations=INVOCATIONS, detectors=(1.1, 3.0), rest=0.20)
"""As docs/performance.md tells under "The parts" (the most of the detectors) and of the frame loop's processor time."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most milliseconds."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Board:
    """A Pi and its Coral."""

    name: str
    classifier: float
    """Milliseconds on the CPU, one thread."""
    bus: str
    coral_classifier: Latency
    coral_faces: Latency


def boards() -> list[Board]:
    """Those of the table; where nobody published one thread's MobileNet v2, another model's ratio stands in."""
    pi_4 = PI_4_FOUR_THREADS.milliseconds * PI_4_OTHER_ONE.milliseconds / PI_4_OTHER_FOUR.milliseconds
    pi_5 = pi_4 * PI_5_OTHER_ONE.milliseconds / PI_4_OTHER_ONE.milliseconds
    zero_2_w = PI_3_FOUR_THREADS.milliseconds * ZERO_2_W_OTHER_ONE.milliseconds / PI_3_OTHER_FOUR.milliseconds
    return [
        Board("Pi 5", pi_5, "USB 3", USB_3_CLASSIFIER, USB_3_FACES),
        Board("Pi 4", pi_4, "USB 3", USB_3_CLASSIFIER, USB_3_FACES),
        Board("Zero 2 W", zero_2_w, "USB 2", USB_2_CLASSIFIER, USB_2_FACES),
    ]


def multiplications(file: Path) -> int:
    """Of one invocation of a model, each with its addition."""
    graph = read_tflite(file).main
    total = 0
    for operation in graph.operations:
        made = math.prod(graph.tensors[operation.outputs[0]].shape)
        if operation.name in {"CONV_2D", "FULLY_CONNECTED"}:
            # Output channels first: each output takes all the weights of its channel.
            total += made * math.prod(graph.tensors[operation.inputs[1]].shape[1:])
        elif operation.name == "DEPTHWISE_CONV_2D":
            # Channels last, one filter for each.
            total += made * math.prod(graph.tensors[operation.inputs[1]].shape[1:3])
    return total


def on_cpu(board: Board, measured: Measured) -> list[Bounds]:
    """Milliseconds of each packaged detector."""
    of_classifier = multiplications(packaged_models() / CLASSIFIER)
    found = []
    for size, by_time in zip(PACKAGED_SIZES, measured.detectors, strict=True):
        by_operations = multiplications(packaged_models() / packaged_file(size)) / of_classifier
        least, most = sorted((by_operations, by_time))
        found.append(Bounds(board.classifier * least, board.classifier * most))
    return found


def on_coral(board: Board, classifier_side: int) -> list[Bounds]:
    """Likewise: as long as the published models take, in proportion to the pictures that are brought there."""
    found = []
    for size in PACKAGED_SIZES:
        as_classifier = board.coral_classifier.milliseconds * (size / classifier_side) ** 2
        as_faces = board.coral_faces.milliseconds * (size / FACES_SIDE) ** 2
        found.append(Bounds(*sorted((as_classifier, as_faces))))
    return found


def table(measured: Measured = RECORDED) -> str:
    """In Markdown."""
    side = Model(CLASSIFIER).size[0]
    sizes = [f"{size} px" for size in PACKAGED_SIZES]
    header = ["computed, not measured", *(f"detector {size}, ms" for size in sizes), "classifier, ms"]
    header += [f"frames a second, {size}" for size in sizes]
    rows = [header, ["---"] * len(header)]
    for board in boards():
        cpu = on_cpu(board, measured)
        # What is not the models' stays on the CPU: a part of what they take there at the sample's own rate.
        rest = [
            Bounds(*(measured.rest * _models_part(each, board.classifier, measured) for each in (one.least, one.most)))
            for one in cpu
        ]
        rows.append(_row(board.name, cpu, board.classifier, rest, measured))
        coral, classifier = on_coral(board, side), board.coral_classifier.milliseconds
        rows.append(_row(f"{board.name}, Coral ({board.bus})", coral, classifier, rest, measured))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _models_part(detector: float, classifier: float, measured: Measured, rate: float = math.inf) -> float:
    """Milliseconds of a frame in the models, where so many a second are judged."""
    rates = sorted(measured.invocations)
    detections, looks = (
        np.interp(rate, rates, [measured.invocations[each][kind] for each in rates]) for kind in (0, 1)
    )
    return float(detections * detector + looks * classifier)


def _rate(detector: float, classifier: float, rest: float, measured: Measured) -> float:
    """Frames a second, at which a frame takes as long as there is time for it."""
    rate = max(measured.invocations)
    for _ in range(SETTLED):
        rate = 1000 / (_models_part(detector, classifier, measured, rate) + rest)
    return rate


def _row(
    name: str, detectors: Sequence[Bounds], classifier: float, rest: Sequence[Bounds], measured: Measured
) -> list[str]:
    rates = [
        Bounds(
            _rate(detector.most, classifier, more.most, measured),
            _rate(detector.least, classifier, more.least, measured),
        )
        for detector, more in zip(detectors, rest, strict=True)
    ]
    return [name, *map(_shown, detectors), _shown(Bounds(classifier, classifier)), *map(_shown, rates)]


def _shown(bounds: Bounds) -> str:
    """Two digits are more than anybody knows."""
    least, most = (f"{float(f'{value:.2g}'):g}" for value in (bounds.least, bounds.most))
    return least if least == most else f"{least} to {most}"


def measure() -> Measured:
    """On this machine; the rest of a frame takes ``frame_loop`` itself."""
    models = [Model(name) for name in (CLASSIFIER, *map(packaged_file, PACKAGED_SIZES))]
    shortest = [math.inf] * len(models)
    for _ in range(ROUNDS):
        shortest = [min(pair) for pair in zip(shortest, _seconds(models), strict=True)]
    classifier, *detectors = shortest
    ratios = tuple(round(seconds / classifier, 2) for seconds in detectors)
    return replace(RECORDED, invocations={rate: invocations_a_frame(rate) for rate in INVOCATIONS}, detectors=ratios)


def invocations_a_frame(rate: float) -> tuple[float, float]:
    """Of the detector and the classifier, on the sample, where so many frames a second are judged."""
    counted = count_invocations(fps=rate)
    frames = len(counted.of_detector)
    return round(sum(counted.of_detector) / frames, 2), round(sum(counted.of_classifier) / frames, 2)


def _seconds(models: Sequence[Model]) -> Iterator[float]:
    for model in models:
        model.invoke(np.full((*model.size[::-1], 3), 128, np.uint8))
        start = time.perf_counter()
        model.run()
        yield time.perf_counter() - start


def main() -> None:
    """Print the table, and what it was computed with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="measure the detectors and the looks on this machine")
    measured = measure() if parser.parse_args().measure else RECORDED
    print(table(measured))  # noqa: T201 - the result
    print(measured)  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
