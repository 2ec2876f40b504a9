"""``facemask-edge benchmark``: what a device's owner can expect of their own hardware, and where the time goes."""

import json
import logging
import os
import platform
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from facemask_edge import __version__
from facemask_edge.cameras import is_live, open_camera, recording
from facemask_edge.cameras.prepared import PREPARATION
from facemask_edge.config import CameraConfig, Config
from facemask_edge.demo import SAMPLE
from facemask_edge.edge_tpu_devices import EdgeTpuDevice, edge_tpu_devices
from facemask_edge.errors import InputError, OutputError
from facemask_edge.inference import runtime
from facemask_edge.live_time import LiveTime
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.redaction import without_password
from facemask_edge.stage_times import StageTimes, percentiles
from facemask_edge.values import Frame

SCHEMA = "facemask-edge/benchmark/1"
DEVICE_TREE_MODEL = Path("/proc/device-tree/model")
CPU_INFO = Path("/proc/cpuinfo")
WARM_UP = 10
"""Frames at the beginning that are not measured: they load the models and fill the caches."""
LEAST_FRAMES = 20
"""Of fewer, nobody knows what 19 of 20 are below."""
PATIENCE = 3
"""A slow device gets this many times the seconds for them."""


@dataclass(frozen=True, slots=True)
class Milliseconds:
    """How long something takes a frame."""

    p50: float
    p95: float
    share: float | None
    """The mean, in parts of that of a whole frame with the wait for the camera; None for what is no part of one."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What was measured on."""

    model: str
    machine: str
    cores: int
    python: str
    runtime: str
    accelerator: dict[str, str]
    """Where each kind of model ran."""
    edge_tpus: list[EdgeTpuDevice]
    """Those that are plugged in, as warm as they were after the measurement."""
    numpy: str
    opencv: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A benchmark's result, as it is written with ``--json``."""

    schema: str
    version: str
    hardware: Hardware
    models: dict[str, str]
    """SHA-256 by file."""
    source: str
    width: int
    """Of a frame, in pixels."""
    height: int
    threads: int
    """That a model uses on the CPU."""
    frames: int
    frames_per_second: float
    """Of a live camera its own, where the device could judge more."""
    looks_a_frame: float
    """Faces that the classifier was asked about."""
    milliseconds_a_look: float | None
    """None when there was no look."""
    closer_looks_a_frame: float
    """At faces, by the detector, before somebody is said to wear no mask; a part of the stage ``judgement``."""
    frame: Milliseconds
    """Without waiting for the camera."""
    stages: dict[str, Milliseconds]
    """By name, in the order of the loop; ``camera`` is the time spent waiting for it."""
    latency: Milliseconds | None
    """From capture to decision; None for a recording."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """One frame's times in seconds."""

    stages: dict[str, float]
    """By name, in the order of the loop; ``camera`` first."""
    judged: float
    looks: int
    closer_looks: int
    size: tuple[int, int]
    """Width and height of the frame in pixels."""
    late: float
    """From capture to decision, of a live camera."""


def benchmark(source: str | None, config: Config, *, seconds: float, json_file: Path | None) -> None:
    """Judge frames for a while, as fast as they come, and print how long it took.

    Args:
        source: A recording, a folder of pictures or a live camera; None for the packaged sample. A recording is played
            again as long as there is time. One that a camera of the configuration has, or the name of such a camera, is
            opened as configured, but without its zones: they are those of its place.
        config: Detector, classifier and compliance are used.
        seconds: How long, after what is not measured at the beginning; longer where that gives too few frames.
        json_file: Where the result is written as well; None for nowhere.

    Raises:
        InputError: The source cannot be read, or gives too few frames.
        ModelError: A model cannot be used.
        OutputError: ``json_file`` cannot be written.
    """
    console = Console(highlight=False)
    if json_file:
        # Found out before the work, not after it, and without harm to what is there.
        is_new = not json_file.exists()
        _write(json_file, None)
        if is_new:
            json_file.unlink()
    measured = measure(source or str(SAMPLE), config, seconds, Console(stderr=True))
    _print(measured, console)
    if json_file:
        _write(json_file, json.dumps(asdict(measured), indent=2) + "\n")
        console.print(f"wrote {json_file}", soft_wrap=True)


def measure(source: str, config: Config, seconds: float, console: Console) -> Measured:
    """Judge the frames of a source for some seconds.

    Raises: As ``benchmark``.
    """
    models = Models(config)
    camera = _camera(source, config)
    given = _judged(camera, config, models, seconds, console)
    samples = given[WARM_UP:]
    if len(samples) < LEAST_FRAMES:
        shown = without_password(source)
        # More time helps only who gives pictures at all.
        longer = ", or give more --seconds" if given else ""
        raise InputError(
            f"{shown} gave {len(samples)} frames after the first {WARM_UP}, too few to measure; look whether it gives "
            f"pictures{longer}"
        )
    stages = {stage: [sample.stages[stage] for sample in samples] for stage in samples[0].stages}
    frame = statistics.mean(sample.stages["camera"] + sample.judged for sample in samples)
    looks = statistics.mean(sample.looks for sample in samples)
    live = is_live(camera.source)
    width, height = samples[-1].size
    return Measured(
        schema=SCHEMA,
        version=__version__,
        hardware=hardware(models.places()),
        models={model.entry.file: model.entry.sha256 for model in models.loaded()},
        # No path and no password: the result is made to be shared.
        source="live camera" if live else Path(camera.source).resolve().name,
        width=width,
        height=height,
        threads=config.classifier.threads,
        frames=len(samples),
        frames_per_second=round(1 / frame, 2),
        looks_a_frame=round(looks, 3),
        milliseconds_a_look=round(1000 * statistics.mean(stages["classification"]) / looks, 3) if looks else None,
        closer_looks_a_frame=round(statistics.mean(sample.closer_looks for sample in samples), 3),
        frame=_percentiles([sample.judged for sample in samples], frame),
        stages={stage: _percentiles(durations, frame) for stage, durations in stages.items()},
        latency=_percentiles([sample.late for sample in samples], None) if live else None,
    )


def _camera(source: str, config: Config) -> CameraConfig:
    """One of the configuration, without its zones, or a plain one."""
    for camera in config.cameras:
        if source in {camera.name, camera.source}:
            return camera.model_copy(update={"zones": [], "ignore_zones": []})
    return CameraConfig(source=source)


def _judged(camera: CameraConfig, config: Config, models: Models, seconds: float, console: Console) -> list[_Sample]:
    """The samples of all frames that there was time for.

    Of a recording, those are left out that a live camera would have dropped: who judges fewer frames a second looks at
    more faces in each.
    """
    samples: list[_Sample] = []
    start = time.perf_counter()
    live = is_live(camera.source)
    with (
        _said_once(recording.logger),
        Progress(console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("judging frames", total=seconds)
        while not _is_over(samples, time.perf_counter() - start, seconds):
            before, live_time = len(samples), LiveTime()
            times = StageTimes()
            opened = open_camera(camera, detector_input=models.detector_input, times=times)
            pipeline = Pipeline(config, camera, models, is_live=live, times=times)
            asked = time.perf_counter()
            for frame in opened:
                if frame is not None and not (
                    pipeline.waits_for_the_next(frame) if live else live_time.is_dropped(frame.timestamp)
                ):
                    samples.append(_sample(pipeline, frame, models, asked))
                    live_time.judged(frame.timestamp, samples[-1].judged)
                    if len(samples) == WARM_UP:
                        start = time.perf_counter()
                if frame is not None:
                    asked = time.perf_counter()
                bar.update(task, completed=time.perf_counter() - start)
                if _is_over(samples, time.perf_counter() - start, seconds):
                    break
            opened.close()
            if len(samples) == before:
                break
    return samples


@contextmanager
def _said_once(logger: logging.Logger) -> Iterator[None]:
    """As long as the block lasts, no message is logged again: a recording is played again and again."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message in said:
            return False
        said.add(message)
        return True

    logger.addFilter(is_new)
    try:
        yield
    finally:
        logger.removeFilter(is_new)


def _is_over(samples: Sequence[_Sample], elapsed: float, seconds: float) -> bool:
    return elapsed >= seconds * (1 if len(samples) >= WARM_UP + LEAST_FRAMES else PATIENCE)


def _sample(pipeline: Pipeline, frame: Frame, models: Models, asked: float) -> _Sample:
    got = time.perf_counter()
    used = models.classifier.model, models.detector(frame.width, frame.height).model
    before = [model.invocations for model in used]
    pipeline.process(frame)
    # What a picture was prepared for, before it was given, is no wait for the camera.
    preparation = pipeline.times.newest(PREPARATION) if PREPARATION in pipeline.times.seconds else 0.0
    judged = preparation + time.perf_counter() - got
    stages = {stage: pipeline.times.newest(stage) for stage in pipeline.times.seconds}
    stages = {"camera": got - asked - preparation, **stages, "other": judged - sum(stages.values())}
    looks, detections = (model.invocations - count for model, count in zip(used, before, strict=True))
    size = frame.width, frame.height
    return _Sample(stages, judged, looks, detections - 1, size, time.monotonic() - frame.timestamp)


def hardware(places: dict[str, str]) -> Hardware:
    """What this is running on.

    Args:
        places: Where each kind of model runs, as ``Models.places`` says.
    """
    return Hardware(
        model=_computer(),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        python=platform.python_version(),
        runtime=runtime(),
        accelerator=places,
        edge_tpus=edge_tpu_devices(),
        numpy=np.__version__,
        opencv=cv2.__version__,
    )


def _computer() -> str:
    """A board's name, or the processor's."""
    if DEVICE_TREE_MODEL.exists():
        return DEVICE_TREE_MODEL.read_text(errors="replace").rstrip("\0 ")
    try:
        names = re.findall(r"^model name\s*: (.*)$", CPU_INFO.read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"


def _percentiles(durations: Sequence[float], frame: float | None) -> Milliseconds:
    p50, p95 = percentiles(durations)
    return Milliseconds(p50, p95, round(statistics.mean(durations) / frame, 4) if frame else None)


def _print(measured: Measured, console: Console) -> None:
    on = measured.hardware
    places = ", ".join(f"{kind} {place}" for kind, place in on.accelerator.items())
    plugged_in = "".join(f"; Edge TPU: {device}" for device in on.edge_tpus)
    threads = "one thread" if measured.threads == 1 else f"{measured.threads} threads"
    console.print(
        f"{on.model}, {on.cores} cores, {on.machine}; {places}, {threads}{plugged_in}; {on.runtime}; "
        f"{', '.join(measured.models)}",
        soft_wrap=True,
    )
    table = Table(
        "stage", Column("p50 ms", justify="right"), Column("p95 ms", justify="right"), Column("share", justify="right")
    )
    rows = [*measured.stages.items(), ("whole frame", measured.frame)]
    if measured.latency:
        rows.append(("capture to decision", measured.latency))
    for stage, found in rows:
        share = "" if found.share is None or stage not in measured.stages else f"{found.share:.0%}"
        table.add_row(stage, f"{found.p50:.2f}", f"{found.p95:.2f}", share)
    console.print(table)
    look = f"; a look takes {measured.milliseconds_a_look:.1f} ms" if measured.milliseconds_a_look else ""
    source = f"{measured.source}, {measured.width}x{measured.height}"
    console.print(
        f"{measured.frames_per_second:.1f} frames a second of {source}, over {measured.frames} frames; "
        f"{measured.looks_a_frame:.2f} looks of the classifier a frame{look}; "
        f"{measured.closer_looks_a_frame:.2f} closer looks of the detector, which are in judgement",
        soft_wrap=True,
    )


def _write(file: Path, text: str | None) -> None:
    """Write a file; None only finds out whether that is possible."""
    try:
        if text is None:
            with file.open("a", encoding="utf-8"):
                return
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}; choose another --json") from error
