"""``facemask-edge annotate``: draws the verdicts into pictures and videos and writes them down as JSON lines."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from facemask_edge import overlay
from facemask_edge.buffers import Buffers
from facemask_edge.cameras.orientation import Orientation
from facemask_edge.cameras.prepared import prepared
from facemask_edge.cameras.recording import PICTURE_SUFFIXES, Recording, pictures_in, read_picture
from facemask_edge.closer_look import is_face
from facemask_edge.config import Config
from facemask_edge.errors import InputError, OutputError
from facemask_edge.faces import FaceDetector
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.privacy import PrivacyMasks
from facemask_edge.values import Box, Frame, Image, Label, Track, Verdict
from facemask_edge.video import VIDEO_SUFFIX, video_writer, write_picture
from facemask_edge.zones import Zones

RESULTS = "results.jsonl"
CERTAIN = 0.75
"""A single picture has no second look: a label less probable than this is ``undetermined``."""


def annotate(sources: Sequence[Path], output: Path, config: Config) -> Path:
    """Judge pictures face by face and videos with tracking.

    Args:
        sources: Pictures, folders of pictures, and videos.
        output: Folder for the annotated copies and ``results.jsonl``; made when missing.
        config: Detector, classifier and compliance are used, and the first camera's zones.

    Returns:
        The path of ``results.jsonl``.

    Raises:
        InputError: A source cannot be read; the sources before it are done.
        OutputError: The folder cannot be written.
        ModelError: A model cannot be used.
    """
    return write_results(list(expanded(sources)), output, Annotator(config))


def write_results(work: Sequence[Path], output: Path, annotator: "Annotator") -> Path:
    """Let ``annotator`` judge pictures and videos, and write down what it yields.

    Returns, and raises: as ``annotate``.
    """
    results = output / RESULTS
    console = Console(stderr=True)
    try:
        targets = _targets(work, output)
        output.mkdir(parents=True, exist_ok=True)
        with results.open("w", encoding="utf-8") as lines, Progress(console=console, transient=True) as bar:
            bar.disable = not console.is_terminal
            for source, target in zip(bar.track(work, description="files"), targets, strict=True):
                frames = annotator.picture(source, target) if is_picture(source) else annotator.video(source, target)
                for line in bar.track(frames, total=_frames_in(source), description=source.name):
                    lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        raise OutputError(f"{error.filename or output}: {error.strerror}; choose another --output") from error
    return results


class Annotator:
    """Judges sources with one set of models; each method yields one result a picture or frame."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.models = Models(config)
        self._camera = config.cameras[0]
        self._zones = Zones(self._camera.zones, self._camera.ignore_zones)
        self._buffers = Buffers()
        self._orientation = Orientation.of(self._camera)
        self._masks = PrivacyMasks(self._camera.privacy_masks)

    def picture(self, source: Path, target: Path) -> Iterator[dict[str, Any]]:
        """Judge one picture and write its annotated copy."""
        frame = Frame(self.prepared(read_picture(source)), 0.0, 0)
        verdicts = self.judge(frame.image)
        yield result(source, frame, verdicts)
        overlay.draw(frame.image, verdicts)
        write_picture(target, frame.image)

    def video(self, source: Path, target: Path) -> Iterator[dict[str, Any]]:
        """Judge one video with tracking and write its annotated copy."""
        recording = Recording(source)
        pipeline = Pipeline(self._config, self._camera, self.models)
        with video_writer(target, recording.fps) as write:
            for recorded in recording:
                frame = dataclasses.replace(recorded, image=self.prepared(recorded.image))
                pipeline.process(frame)
                verdicts = pipeline.verdicts()
                yield result(source, frame, verdicts)
                overlay.draw(frame.image, verdicts)
                write(frame.image)
        recording.close()

    def prepared(self, image: Image) -> Image:
        """A picture as the first camera would show it."""
        return prepared(image, self._orientation, self._masks, self._buffers)

    def judge(self, image: Image) -> list[Verdict]:
        """The verdicts on the faces of one uint8 height x width x 3 BGR picture."""
        height, width = image.shape[:2]
        detector = self.models.detector(width, height)
        compliance = self._config.compliance
        verdicts = []
        faces, _ = self._zones.parted(detector.detect(image), width, height)
        for face in self._zones.counting(faces, width, height):
            track = Track("", face.box, face.score)
            if face.score < self._config.detector.min_score:
                continue
            if face.box.height < compliance.min_face_height:
                verdicts.append(Verdict(track, Label.UNDETERMINED, None, 0))
                continue
            probability = self.models.classifier.probability(image, face.box)
            label = closer_label(single_look(probability, compliance.threshold), detector, image, face.box)
            verdicts.append(Verdict(track, label, probability, 1))
            self.judged(verdicts[-1])
        return verdicts

    def judged(self, verdict: Verdict) -> None:
        """Told each verdict while the classifier still holds what it made of that face."""


def single_look(probability: float, threshold: float) -> Label:
    """The label of a face that is seen only once."""
    # At the default threshold of 0.5 the uncertain band is 0.25..0.75; it moves with the threshold.
    if probability >= threshold + (1 - threshold) * (2 * CERTAIN - 1):
        return Label.NO_MASK
    if probability <= threshold * (2 - 2 * CERTAIN):
        return Label.MASK
    return Label.UNDETERMINED


def closer_label(label: Label, detector: FaceDetector, image: Image, box: Box) -> Label:
    """The label of a face in a picture, without those that are bare and no face at a closer look."""
    is_none = label is Label.NO_MASK and not is_face(detector, image, box)
    return Label.UNDETERMINED if is_none else label


def result(source: Path, frame: Frame, verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """One line of ``results.jsonl``."""
    return {
        "source": str(source),
        "frame": frame.index,
        "time_s": round(frame.timestamp, 3),
        "width": frame.width,
        "height": frame.height,
        "faces": [
            {
                **verdict.track.box.clipped(frame.width, frame.height).rounded(),
                "score": round(verdict.track.score, 3),
                "label": verdict.label.value,
                "probability": None if verdict.probability is None else round(verdict.probability, 3),
            }
            for verdict in verdicts
        ],
    }


def is_picture(path: Path) -> bool:
    """Whether a file is judged as a single picture; every other one is taken for a video."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def _frames_in(source: Path) -> int | None:
    if is_picture(source):
        return 1
    recording = Recording(source)
    recording.close()
    return recording.frames or None


def expanded(sources: Sequence[Path]) -> Iterator[Path]:
    """The files named, and the pictures in the folders named.

    Raises:
        InputError: There is no such file or folder.
    """
    for source in sources:
        try:
            if source.is_dir():
                yield from pictures_in(source)
            elif source.is_file():
                yield source
            else:
                raise InputError(f"{source}: no such file or folder")
        except OSError as error:
            raise InputError(f"{source}: {error.strerror}") from error


def _targets(sources: Sequence[Path], output: Path) -> list[Path]:
    """Where the annotated copy of each source goes; equal names of different folders get a number."""
    originals = {_identity(source) for source in sources}
    # In the order of the sources, and quickly searched.
    targets: dict[Path, None] = {}
    for source in sources:
        suffix = source.suffix if is_picture(source) else VIDEO_SUFFIX
        target, number = output / f"{source.stem}{suffix}", 1
        while target in targets:
            number += 1
            target = output / f"{source.stem}-{number}{suffix}"
        if target.exists() and _identity(target) in originals:
            raise OutputError(f"{target} would be overwritten by an annotated copy; choose another --output")
        targets[target] = None
    return list(targets)


def _identity(path: Path) -> tuple[int, int]:
    """What all paths of one file have in common."""
    status = path.stat()
    return status.st_dev, status.st_ino
