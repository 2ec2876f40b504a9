"""The daemon: wires the stages together and runs the frame loop."""

import gc
import logging
import signal
import threading
from types import FrameType

from facemask_edge.cameras import Camera, is_live, open_camera
from facemask_edge.config import CameraConfig, Config
from facemask_edge.errors import DeliveryError
from facemask_edge.messages import Topics, people_payload, violation_payload
from facemask_edge.mqtt import Publisher
from facemask_edge.outbox import Outbox
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Frame, Violation

logger = logging.getLogger(__name__)


class Watch:
    """One camera on its way through the loop: where its frames come from and who judges them."""

    def __init__(self, config: Config, camera: CameraConfig, models: Models) -> None:
        self.name = camera.name
        self.camera: Camera = open_camera(camera)
        self.frames = iter(self.camera)
        self.pipeline = Pipeline(config, camera, models, is_live=is_live(camera.source))
        self.size: tuple[int, int] | None = None
        """Width and height of its frames; None before the first one. No frame is kept longer than it is judged."""
        self.people = ""


class Daemon:
    """Everything that ``facemask-edge run`` runs.

    Args:
        config: The whole configuration.

    Raises:
        ModelError: A model cannot be used.
        InputError: A recording cannot be read.
        OutputError: The outbox cannot be opened.
        ConfigError: The password file cannot be read.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._device = config.device_name
        self._topics = Topics(config.mqtt.prefix, self._device)
        self._stop = threading.Event()
        self._models = Models(config)
        self._classifier = self._models.classifier.model.entry
        self._watches = [Watch(config, camera, self._models) for camera in config.cameras]
        outbox = Outbox(config.outbox.path, max_bytes=config.outbox.max_bytes)
        self._publisher = Publisher(config.mqtt, device=self._device, outbox=outbox)

    def run(self, *, drain_timeout: float) -> None:
        """Judge frames until all recordings have ended, or ``stop`` is called; then wait for the acknowledgements.

        Args:
            drain_timeout: Seconds to wait for the broker after the last frame.

        Raises:
            DeliveryError: Not every event was acknowledged in time; they stay in the outbox.
        """
        # All that was made so far lives as long as the process: the garbage collector need not look at it again.
        gc.freeze()
        self._publisher.start()
        logger.info("%s watches %s", self._device, ", ".join(watch.name for watch in self._watches))
        delivered = False
        try:
            self._watch_all()
        finally:
            for watch in self._watches:
                watch.camera.close()
                if watch.size is not None:
                    for violation in watch.pipeline.finish():
                        self._report(watch, violation, watch.size)
                    self._tell_people(watch)
            delivered = self._publisher.drain(drain_timeout)
            self._publisher.stop()
        if not delivered:
            raise DeliveryError(
                f"not every event was acknowledged within {drain_timeout:g} s; they stay in "
                f"{self._config.outbox.path} and are sent when the daemon runs again"
            )

    def stop(self) -> None:
        """End the loop after the current frame; may be called from a signal handler or another thread."""
        self._stop.set()

    def stop_on_signals(self) -> None:
        """Stop cleanly on SIGTERM and SIGINT."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)

    def _watch_all(self) -> None:
        active = list(self._watches)
        while active and not self._stop.is_set():
            for watch in list(active):
                try:
                    frame = next(watch.frames)
                except StopIteration:
                    logger.info("%s has ended", watch.name)
                    active.remove(watch)
                    continue
                if frame is not None:
                    self._judge(watch, frame)

    def _judge(self, watch: Watch, frame: Frame) -> None:
        violations = watch.pipeline.process(frame)
        if watch.size is None:
            logger.info("%s: first frame judged, %d x %d", watch.name, frame.width, frame.height)
        size = frame.width, frame.height
        for violation in violations:
            # The people of the scene before may have been seen in frames of another size.
            self._report(watch, violation, watch.size or size if violation.reason == "scene_cut" else size)
        watch.size = size
        self._tell_people(watch)

    def _report(self, watch: Watch, violation: Violation, size: tuple[int, int]) -> None:
        payload = violation_payload(violation, size, device=self._device, camera=watch.name, model=self._classifier)
        self._publisher.submit(self._topics.violation(watch.name), payload)
        logger.info("%s: %s %s", watch.name, violation.event_type, violation.reason or "")

    def _tell_people(self, watch: Watch) -> None:
        people = people_payload(watch.pipeline.verdicts())
        if people != watch.people:
            watch.people = people
            self._publisher.publish_latest(self._topics.people(watch.name), people)
