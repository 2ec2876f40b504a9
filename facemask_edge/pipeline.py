"""The way of a frame: from a picture to verdicts and violations, for one camera."""

import logging
import time
from collections.abc import Sequence
from functools import cached_property, partial

import cv2
import numpy as np

from facemask_edge.activation_maps import ActivationMaps, Heat
from facemask_edge.buffers import Buffers
from facemask_edge.classifier import MaskClassifier
from facemask_edge.closer_look import is_face
from facemask_edge.compliance import Compliance
from facemask_edge.config import CameraConfig, Config
from facemask_edge.edge_tpu_deaths import EdgeTpuDeaths
from facemask_edge.errors import ModelError
from facemask_edge.faces import FaceDetector, create_detector, packaged_model, packaged_size
from facemask_edge.inference import Model, wants_edge_tpu
from facemask_edge.leave_after import LeaveAfter
from facemask_edge.manifest import model_path
from facemask_edge.pace import Pace
from facemask_edge.scaling import fitted
from facemask_edge.scene_cut import SceneCuts
from facemask_edge.sharpness import sharpness
from facemask_edge.stage_times import StageTimes
from facemask_edge.thumbnail import Thumbnails
from facemask_edge.tracking import FaceTracker
from facemask_edge.values import Box, Face, Frame, Image, Label, Look, Track, Verdict, Violation
from facemask_edge.zones import Zones

WHOLE_FACE = 0.95
"""A face of which less is in the frame is followed but not judged: what the edge hides is what decides."""
logger = logging.getLogger(__name__)


class Models:
    """The models of a device, loaded once and shared by its cameras.

    Args:
        config: The whole configuration.
        deaths: Of this program on the Edge TPU; where they are too many, all models run on the CPU.

    Raises:
        ModelError: A model cannot be used.
    """

    def __init__(self, config: Config, deaths: EdgeTpuDeaths | None = None) -> None:
        self._config = config
        self._deaths = deaths
        # On pictures this small, a pool of threads of OpenCV's own costs more than it gains.
        cv2.setNumThreads(config.classifier.threads)
        classifier = config.classifier
        accelerator = self._accelerator(classifier.model, classifier.accelerator)
        self.classifier = MaskClassifier(classifier.model, threads=classifier.threads, accelerator=accelerator)
        self._detectors: dict[str, FaceDetector] = {}
        # Which of the packaged detectors it will be, only the first frame tells; that it cannot be had where it is to
        # run is said now.
        if config.detector.model or config.detector.accelerator.startswith("edgetpu"):
            self.detector(0, 0)

    def detector(self, width: int, height: int) -> FaceDetector:
        """The face detector for frames of this size."""
        config = self._config
        name = config.detector.model or packaged_model(width, height, config.compliance.min_face_height)
        if name not in self._detectors:
            accelerator = self._accelerator(name, config.detector.accelerator)
            detector = config.detector.model_copy(update={"accelerator": accelerator})
            self._detectors[name] = create_detector(detector, name, threads=config.classifier.threads)
        return self._detectors[name]

    def detector_input(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what the face detector looks at, for frames of this size; any thread may ask."""
        config = self._config
        if config.detector.model:
            return self._detectors[config.detector.model].model.size
        side = packaged_size(width, height, config.compliance.min_face_height)
        return side, side

    def heat(self, image: Image, box: Box) -> Heat | None:
        """What of a face speaks for ``no_mask``; the hottest place is 1. None where the model cannot tell.

        Args:
            image: uint8, height x width x 3, BGR: the whole frame.
            box: The face in it.
        """
        if self._maps is None:
            return None
        # Who begins a violation was judged just now, unless somebody else was after that.
        if not self.classifier.has_just_judged(image, box):
            self.classifier.probability(image, box)
        heat = self._maps.of(Label.NO_MASK)
        hottest = float(heat.max())
        return heat / np.float32(hottest) if hottest > 0 else None

    @cached_property
    def _maps(self) -> ActivationMaps | None:
        # Made when it is wanted: most daemons explain nothing.
        try:
            return ActivationMaps(self.classifier.model)
        except ModelError:
            # One that is compiled for an Edge TPU has none.
            return None

    def _accelerator(self, name: str, wanted: str) -> str:
        """Where a model is to run: as it is wanted, unless the Edge TPU has ended this program too often."""
        if self._deaths is None or not wants_edge_tpu(model_path(name), wanted):
            return wanted
        if self._deaths.are_too_many:
            logger.error("model %s runs on the CPU: the Edge TPU ended this program %d times", name, self._deaths.count)
            return "cpu"
        self._deaths.begin()
        return wanted

    def places(self) -> dict[str, str]:
        """Where each kind of model runs."""
        detectors = {detector.model.accelerator for detector in self._detectors.values()}
        return {
            "classifier": self.classifier.model.accelerator,
            "detector": ", ".join(sorted(detectors)) or "not loaded",
        }

    def accelerators(self) -> dict[str, str | int]:
        """Where each kind of model runs, and how often in a row the Edge TPU had ended this program before."""
        return {**self.places(), "edge_tpu_deaths": self._deaths.count if self._deaths else 0}

    def loaded(self) -> list[Model]:
        """The models in use so far."""
        return [self.classifier.model, *(detector.model for detector in self._detectors.values())]


class Pipeline:
    """Judges the frames of one camera, one after the other.

    Args:
        config: The whole configuration.
        camera: The camera's part of it.
        models: May be shared with other cameras.
        is_live: Whether the frames' timestamps are monotonic time, and a decision may come late; a recording waits.
        times: Of what was done to a frame before; None where nobody knows.
    """

    def __init__(
        self,
        config: Config,
        camera: CameraConfig,
        models: Models,
        *,
        is_live: bool = False,
        times: StageTimes | None = None,
    ) -> None:
        self._models = models
        self._most_looks = config.compliance.classifications_per_frame
        self._pace = Pace(most=self._most_looks, target=config.compliance.latency_target) if is_live else None
        leave_after = config.compliance.leave_after
        self._leave_after = LeaveAfter(leave_after)
        self._zones = Zones(camera.zones, camera.ignore_zones, memory=leave_after)
        self._compliance = Compliance(config.compliance)
        self._new_tracker = partial(FaceTracker, min_score=config.detector.min_score, lifespan=leave_after)
        self._tracker = self._new_tracker()
        self._thumbnails, self._cuts = Thumbnails(), SceneCuts()
        self._size: tuple[int, int] | None = None
        self._newest: tuple[float, int] | None = None
        """Timestamp and index of the newest frame."""
        self._is_new_dropped = False
        """Whether one was dropped since that was new to the camera: its repeat is new here."""
        self._buffers = Buffers()
        self._min_score = config.detector.min_score
        self.times = times = times or StageTimes()
        self._detection, self._scene, self._tracking = map(times.stopwatch, ("detection", "scene", "tracking"))
        self._classification, self._judgement = map(times.stopwatch, ("classification", "judgement"))
        self.faces = self.tracks = 0
        """In the newest frame: those that the detector is sure of and that count; those that are followed."""

    def process(self, frame: Frame) -> list[Violation]:
        """Take in a frame and return the violations that start or end with it."""
        size = frame.width, frame.height
        with self._detection:
            small = self._small(frame)
            found = self._faces(small, *size)
        with self._scene:
            # A camera that comes back with another size shows the same places elsewhere.
            thumbnail = self._thumbnails.of(small) if frame.thumbnail is None else frame.thumbnail
            is_other_size = size != (self._size or size)
            if is_other_size:
                self._cuts.forget()
            is_new = self._cuts.is_cut(thumbnail, frame.timestamp) or is_other_size
        # Only now: what goes wrong before loses no end of a violation.
        ended = self._new_scene() if is_new else []
        self._size = size
        leave_after = self._leave_after.take(frame.timestamp)
        self._tracker.lifespan = self._zones.memory = self._compliance.leave_after = leave_after
        with self._tracking:
            faces, ignored = self._zones.parted(found, *size)
            followed = self._tracker.update(faces, frame.timestamp, size, ignored)
            there = zip(self._tracker.ignored_ids, ignored, strict=True)
            aside = [name for name, face in there if self._zones.at_the_edge(face, *size)]
            tracks = self._zones.staying(followed, frame.timestamp, *size, aside)
        sure = [face for face in faces if face.score >= self._min_score]
        self.faces, self.tracks = len(self._zones.counting(sure, *size)), len(tracks)
        whole = [track for track in tracks if track.box.visible_part(*size) >= WHOLE_FACE]
        # The same picture again is no evidence: a camera that is frozen must not make up somebody's mind.
        is_repeat = frame.is_repeat and not self._is_new_dropped
        budget = 0 if is_repeat else self._budget(frame, whole)
        self._newest, self._is_new_dropped = (frame.timestamp, frame.index), False
        self._compliance.is_doubtful = self._cuts.is_doubtful
        chosen = self._compliance.worth_classifying(whole, frame.timestamp, budget)
        with self._classification:
            looks = {track.id: self._look(frame.image, track) for track in chosen}
        if self._pace:
            self._pace.looked(len(looks), self.times.newest("classification"))
        with self._judgement:
            confirmed = partial(self._is_face, frame.image)
            return ended + self._compliance.update(tracks, looks, frame.timestamp, confirmed, aside)

    def waits_for_the_next(self, frame: Frame) -> bool:
        """Whether a frame is to be dropped, because it would be judged too late and the next one may be in time."""
        if self._pace is None or self._newest is None:
            return False
        timestamp, index = self._newest
        waits = self._pace.waits(
            time.monotonic() - frame.timestamp,
            interval=(frame.timestamp - timestamp) / max(frame.index - index, 1),
            detection=self.times.newest("detection"),
            looks=min(self.tracks, 1),
        )
        self._is_new_dropped |= waits and not frame.is_repeat
        return waits

    def verdicts(self) -> list[Verdict]:
        """What is thought of each face in view in the newest frame."""
        return self._compliance.verdicts()

    def labels(self) -> list[Label]:
        """Of each of them."""
        return self._compliance.labels()

    def set_limits(self, *, threshold: float, min_face_height: float) -> None:
        """Change these of the section ``compliance`` for the looks from now on."""
        self._compliance.threshold = threshold
        self._compliance.min_face_height = min_face_height

    def set_zones(self, camera: CameraConfig) -> None:
        """Have other zones from the next frame on; what other privacy masks show is no other scene."""
        self._zones.redraw(camera.zones, camera.ignore_zones)
        self._cuts.forget()

    @property
    def without_frames(self) -> float:
        """Seconds without any frame after which everybody has left."""
        return self._leave_after.without_frames

    @property
    def open_violations(self) -> int:
        """How many people without a mask are reported and not ended."""
        return self._compliance.open_violations

    def ends_now(self) -> list[Violation]:
        """How the violations that are open are to be ended should this process end now."""
        return self._compliance.ends_now("restart")

    def finish(self, reason: str) -> list[Violation]:
        """End what is still open, because nothing more comes, or nothing for a while."""
        return self._compliance.finish(reason)

    def _small(self, frame: Frame) -> Image:
        """What the face detector looks at: scaled once, here only where no other thread has done it."""
        if frame.lores is not None:
            return frame.lores
        return fitted(frame.image, self._models.detector_input(frame.width, frame.height), self._buffers)

    def _faces(self, small: Image, frame_width: int, frame_height: int) -> list[Face]:
        """In pixels of the full frame."""
        height, width = small.shape[:2]
        across, down = frame_width / width, frame_height / height
        faces = self._models.detector(frame_width, frame_height).detect(small)
        return [Face(face.box.scaled(across, down), face.score) for face in faces]

    def _new_scene(self) -> list[Violation]:
        self._tracker = self._new_tracker()
        return self._compliance.finish("scene_cut")

    def _budget(self, frame: Frame, tracks: Sequence[Track]) -> int:
        if self._pace is None:
            return self._most_looks
        return self._pace.budget(
            time.monotonic() - frame.timestamp,
            closer_looks=self._compliance.closer_looks_ahead(tracks),
            # It takes as long as finding all faces.
            seconds_a_closer_look=self.times.newest("detection"),
        )

    def _is_face(self, image: Image, track: Track) -> bool:
        height, width = image.shape[:2]
        return is_face(self._models.detector(width, height), image, track.box)

    def _look(self, image: Image, track: Track) -> Look:
        return Look(self._models.classifier.probability(image, track.box), sharpness(image, track.box))
