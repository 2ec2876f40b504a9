"""The daemon: wires the stages together and runs the frame loop."""

import dataclasses
import gc
import logging
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

from facemask_edge import journal, mapped_code
from facemask_edge.areas import AREAS, Areas
from facemask_edge.cameras.status import CameraStatus
from facemask_edge.config import Config
from facemask_edge.credentials import page_password
from facemask_edge.edge_tpu_deaths import EdgeTpuDeaths, deaths_file
from facemask_edge.errors import DeliveryError, OutputError
from facemask_edge.faces.thorough import ThoroughDetector
from facemask_edge.health import Health
from facemask_edge.health_file import HealthFile
from facemask_edge.health_message import ModelInUse
from facemask_edge.messages import Topics, people_payload, violation_payload
from facemask_edge.mqtt import Publisher
from facemask_edge.page.desk import Desk, Loop
from facemask_edge.pipeline import Models
from facemask_edge.pulse import Pulse
from facemask_edge.remote_control import RemoteControl
from facemask_edge.restarts import Restarts
from facemask_edge.rollouts.shelf import Shelf
from facemask_edge.service_manager import ServiceManager
from facemask_edge.snapshot import Shot
from facemask_edge.snapshot_occasions import SnapshotOccasions
from facemask_edge.snapshots import SEND, Snapshots
from facemask_edge.states import Once
from facemask_edge.store import Store
from facemask_edge.switches import RefusedError
from facemask_edge.values import Box, Frame, Image, Violation
from facemask_edge.watch import Watch

STOP_DRAIN = 1.5
"""Seconds that a daemon that is told to stop waits for the broker; what is not acknowledged stays in the outbox."""
SNAPSHOTS_TIMEOUT = 1.0
"""Seconds that the newest snapshots may take when it stops."""
IDLE = 0.005
"""Seconds between two looks at several cameras none of which has a new frame."""
CHORES_INTERVAL = 0.02
"""Seconds between two looks at what is no frame: orders, the page, health, the watchdog."""
OPEN_INTERVAL = 10.0
"""Seconds between two notes on disk of how the violations that are open would end."""
logger = logging.getLogger(__name__)


class Daemon:
    """Everything that ``facemask-edge run`` runs.

    Args:
        config: The whole configuration.

    Raises:
        ModelError: A model cannot be used.
        InputError: A recording cannot be read.
        OutputError: The outbox cannot be opened.
        ConfigError: The password file cannot be read, or the HTTP server's address is none.
        ServiceError: An Edge TPU is not there, or another program has the HTTP server's port.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._device = config.device_name
        self._topics = Topics(config.mqtt.prefix, self._device)
        self._is_told_to_stop = False
        self._why_it_stops = "stopped"
        """The reason of the violations that end with it."""
        # Beside the outbox: it has to outlive this process, too.
        self._deaths = EdgeTpuDeaths(deaths_file(config.outbox.path))
        self._models = Models(config, self._deaths)
        self._classifier = self._models.classifier.model.entry
        outbox = config.outbox
        self._restarts = Restarts(outbox.path)
        store = Store(outbox.path, max_bytes=outbox.max_bytes, min_free_bytes=outbox.min_free_bytes)
        self._areas = Areas(config.cameras, outbox.beside(AREAS))
        # Before the threads of cameras begin, which load libraries of their own.
        mapped_code.release()
        self._watches = [Watch(config, self._areas.of(camera.name), self._models) for camera in config.cameras]
        actions = {"restart": self._restart}
        if config.snapshots.enabled:
            actions["take_snapshot"] = self._take_snapshot
        password = page_password(config.http) if config.http.enabled else None
        self._remote = RemoteControl(config, device=self._device, actions=actions, has_page=password is not None)
        self._publisher = Publisher(config.mqtt, device=self._device, store=store, listen_to=self._remote.listen_to)
        find = None
        if config.privacy.blur_faces and (config.snapshots.enabled or password is not None):
            find = ThoroughDetector(min_score=config.detector.min_score).boxes
        self._snapshots = Snapshots(config, self._send_snapshot, find)
        self._occasions = SnapshotOccasions(self._snapshots)
        self._health = Health(config.health, restarts=self._restarts.count, rollout=Shelf(config.rollout.path).health)
        self._health_file = HealthFile()
        self._manager = ServiceManager()
        self._pulse = Pulse()
        self._desk = None if password is None else self._new_desk(find)
        if password is None:
            journal.forget(outbox.beside(journal.JOURNAL))
        self._http = None
        if config.http.enabled:
            from facemask_edge.http_server import HttpServer  # noqa: PLC0415 - most daemons need none of its libraries

            self._http = HttpServer(
                config.http, self._pulse, lambda: self._health.newest, desk=self._desk, password=password or ""
            )
        self._next_chores = self._next_note = 0.0

    def _new_desk(self, find: Callable[[Image], Iterable[Box]] | None) -> Desk:
        loop = Loop(
            cameras=lambda: {watch.name: watch.state() for watch in self._watches},
            switches=self._remote.switches.shown,
            health=lambda: self._health.newest,
            fault=self._pulse.fault,
            order=self._order,
            redraw=self._redraw,
        )
        return Desk(self._config, self._models, self._areas, loop, find)

    def run(self, *, drain_timeout: float) -> None:
        """Judge frames until all recordings have ended, or ``stop`` is called; then wait for the acknowledgements.

        Args:
            drain_timeout: Seconds to wait for the broker after the last frame.

        Raises:
            DeliveryError: Not every event was acknowledged in time; they stay in the outbox.
        """
        # All that was made so far lives as long as the process: the garbage collector need not look at it again. It is
        # off until here where the command line started this.
        gc.freeze()
        gc.enable()
        self._restarts.begin()
        self._publisher.start()
        self._snapshots.start()
        self._remote.begin(self._publisher)
        self._apply_switches()
        for watch in self._watches:
            # What is retained of a time before is over, even if no frame ever comes.
            self._tell_people(watch)
        if self._http:
            self._http.start()
        self._manager.ready()
        logger.info("%s watches %s", self._device, ", ".join(watch.name for watch in self._watches))
        delivered, is_in_order = False, False
        try:
            self._watch_all()
            is_in_order = True
        finally:
            self._manager.stopping()
            for watch in self._watches:
                self._end_violations(watch, self._why_it_stops)
            self._snapshots.stop(SNAPSHOTS_TIMEOUT if is_in_order else 0.0)
            # After a fault, whoever starts this program again must not wait: what is not acknowledged is in the outbox.
            delivered = self._drained(drain_timeout if is_in_order else STOP_DRAIN)
            self._tell_health()
            is_all_recorded = self._publisher.stop()
            if self._http:
                self._http.stop()
            # At last: a camera that hangs may take a while.
            for watch in self._watches:
                watch.camera.close()
        # Not after an exception: that may have been the Edge TPU's, too.
        self._deaths.end()
        self._restarts.end()
        if not is_all_recorded:
            raise OutputError(
                f"outbox {self._config.outbox.path}: the disk failed until the end; what was not delivered is lost"
            )
        if not delivered and self._is_told_to_stop:
            logger.info("%d events stay in the outbox", self._publisher.delivery.store.waiting)
        elif not delivered:
            raise DeliveryError(
                f"not every event was acknowledged within {drain_timeout:g} s; they stay in "
                f"{self._config.outbox.path} and are sent when the daemon runs again"
            )

    def _drained(self, timeout: float) -> bool:
        """Wait until all is acknowledged, but not long once told to stop."""
        drained = self._publisher.when_drained()
        give_up = time.monotonic() + timeout
        is_hurried = False
        while self._publisher.is_alive and time.monotonic() < give_up:
            if drained.wait(0.1):
                return True
            if self._is_told_to_stop and not is_hurried:
                is_hurried = True
                give_up = min(give_up, time.monotonic() + STOP_DRAIN)
        return drained.is_set()

    def stop(self) -> None:
        """End the loop after the current frame; may be called from a signal handler or another thread."""
        # No threading.Event: a second signal in the middle of its set would wait for ever.
        self._is_told_to_stop = True

    def stop_on_signals(self) -> None:
        """Stop cleanly on SIGTERM and SIGINT."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)

    def _watch_all(self) -> None:
        active = list(self._watches)
        while active and not self._is_told_to_stop:
            is_on = self._remote.switches.enabled
            # One camera waits for its frame by itself.
            is_idle = len(self._watches) > 1 or not is_on
            for watch in list(active) if is_on else ():
                try:
                    frame = next(watch.frames)
                except StopIteration:
                    logger.info("%s has ended", watch.name)
                    active.remove(watch)
                    watch.has_ended = True
                    self._end_violations(watch, "stopped")
                    continue
                if frame is not None and watch.pipeline.waits_for_the_next(frame):
                    watch.let_pass += 1
                elif frame is not None:
                    self._judge(watch, frame)
                    is_idle = False
                elif time.monotonic() - watch.last_judged > watch.pipeline.without_frames:
                    # Nobody can be seen any more; who is there when the camera is back is another violation.
                    self._end_violations(watch, "left")
            if is_idle:
                time.sleep(IDLE)
            now = time.monotonic()
            if now >= self._next_chores:
                if not self._publisher.is_alive:
                    raise RuntimeError("the thread that delivers has ended")
                self._next_chores = now + CHORES_INTERVAL
                self._do_chores(active)
        # What came since the last time, of who waits for an answer.
        self._do_chores(active)

    def _do_chores(self, active: Sequence[Watch]) -> None:
        """What is no frame's: a recording may bring hundreds of frames a second, and none of this is that urgent."""
        self._note_what_is_open()
        if self._remote.take_orders(self._publisher):
            self._apply_switches()
        if self._desk:
            self._desk.calls.carry_out()
        if self._health.is_due(self._publisher.delivery, self._cameras()):
            self._tell_health()
        self._deaths.go_on()
        fault = self._fault(active)
        self._pulse.turned(fault)
        if not fault:
            self._manager.alive()

    def _fault(self, active: Sequence[Watch]) -> str:
        """What hangs or has ended; an absent broker or camera is no reason to be started again."""
        if not self._publisher.is_working:
            return "delivery hangs: the disk does not answer"
        hanging = [watch.name for watch in active if not watch.camera.is_alive]
        return f"the driver of camera {', '.join(hanging)} hangs" if hanging else ""

    def _judge(self, watch: Watch, frame: Frame) -> None:
        violations = watch.pipeline.process(frame)
        if watch.size is None:
            logger.info("%s: first frame judged, %d x %d", watch.name, frame.width, frame.height)
        size = frame.width, frame.height
        for violation in violations:
            # The people of the scene before may have been seen in frames of another size.
            self._report(watch, violation, watch.size or size if violation.reason == "scene_cut" else size)
        if self._remote.switches.snapshots:
            self._occasions.judged(watch, frame, violations)
        if self._desk:
            self._desk.judged(watch.name, frame, watch.pipeline.verdicts(), violations)
        watch.size = size
        watch.last_judged = time.monotonic()
        watch.judged += 1
        latency = watch.last_judged - frame.timestamp if watch.is_live else None
        self._health.judged(watch.name, frame, watch.pipeline, latency=latency)
        self._tell_people(watch)

    def _send_snapshot(self, shot: Shot, jpeg: bytes) -> None:
        about = {"time": shot.time} | ({"id": shot.violation.id} if shot.violation else {})
        self._publisher.tell(Once(self._topics.snapshot(shot.camera), jpeg, SEND, about))

    def _end_violations(self, watch: Watch, reason: str) -> None:
        """No frame of this camera comes any more, or none for a while."""
        if watch.size is None:
            return
        for violation in watch.pipeline.finish(reason):
            self._report(watch, violation, watch.size)
        self._tell_people(watch)

    def _report(self, watch: Watch, violation: Violation, size: tuple[int, int]) -> None:
        ending = None
        if violation.event_type == "violation_start":
            ended = dataclasses.replace(violation, event_type="violation_end", duration=0.0, reason="restart")
            ending = self._payload(watch, ended, size)
        elif self._desk:
            self._desk.journal.ended(violation)
        topic = self._topics.violation(watch.name)
        self._publisher.submit(topic, self._payload(watch, violation, size), ending=ending)

    def _payload(self, watch: Watch, violation: Violation, size: tuple[int, int]) -> dict[str, Any]:
        return violation_payload(violation, size, device=self._device, camera=watch.name, model=self._classifier)

    def _apply_switches(self) -> None:
        switches = self._remote.switches
        for watch in self._watches:
            watch.pipeline.set_limits(threshold=switches.threshold, min_face_height=switches.min_face_height)
            if switches.enabled != watch.is_on:
                watch.switch(on=switches.enabled)
                self._end_violations(watch, "stopped")

    def _order(self, name: str, payload: bytes) -> None:
        try:
            self._remote.order(name, payload, self._publisher)
        finally:
            self._apply_switches()

    def _redraw(self, camera: str) -> None:
        watch = next(watch for watch in self._watches if watch.name == camera)
        watch.set_areas(self._areas.of(camera))

    def _restart(self) -> None:
        if not self._manager.is_there:
            raise RefusedError("nobody would start it again: it runs under no service manager")
        self._why_it_stops = "restart"
        self.stop()

    def _take_snapshot(self) -> None:
        if not self._remote.switches.snapshots:
            raise RefusedError("snapshots are switched off")
        self._occasions.order(self._watches)

    def _note_what_is_open(self) -> None:
        """Should the power be cut, the next start ends these violations at the time known here."""
        now = time.monotonic()
        if now < self._next_note:
            return
        self._next_note = now + OPEN_INTERVAL
        for watch in self._watches:
            if watch.size is None:
                continue
            for violation in watch.pipeline.ends_now():
                payload = self._payload(watch, violation, watch.size)
                self._publisher.still_open(self._topics.violation(watch.name), payload)

    def _tell_health(self) -> None:
        models = [
            ModelInUse(file=model.entry.file, sha256=model.entry.sha256, runs_on=model.accelerator)
            for model in self._models.loaded()
        ]
        message = self._health.message(self._publisher.delivery, self._cameras(), self._models.accelerators(), models)
        text = message.to_json()
        self._health_file.write(text)
        self._publisher.publish_latest(self._topics.health, text, qos=1)

    def _cameras(self) -> dict[str, CameraStatus]:
        return {watch.name: watch.status for watch in self._watches}

    def _tell_people(self, watch: Watch) -> None:
        seen = labels, violations = watch.pipeline.labels(), watch.pipeline.open_violations
        if seen == watch.told_of:
            # As in most frames: to write it takes longer than to look.
            return
        watch.told_of = seen
        people = people_payload(labels, violations)
        if people != watch.people:
            watch.people = people
            self._publisher.publish_latest(self._topics.people(watch.name), people)
