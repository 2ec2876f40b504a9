"""A live camera: opened, watched, and opened again when it is lost, by a thread of its own.

The thread keeps only the newest frame, so latency never grows into a queue. It is the only one: where a driver hangs
for ever, nothing in this process can help, and ``is_alive`` says so.
"""

import dataclasses
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator

from facemask_edge.buffers import Buffers
from facemask_edge.cameras.capture import OPEN_TIMEOUT, READ_TIMEOUT, WAIT_FOR_FRAME, CameraLostError, Capture, Picture
from facemask_edge.cameras.picture_watch import SUSPECT, PictureWatch
from facemask_edge.cameras.status import CameraState, CameraStatus
from facemask_edge.log_throttle import LogThrottle
from facemask_edge.scaling import DetectorInput, lores_of
from facemask_edge.thumbnail import Thumbnails
from facemask_edge.values import Frame

MOST_AGE = 2.0
"""Seconds after which a frame is too old to be judged."""
CLOSE_TIMEOUT = 0.5
"""Seconds to wait for a camera that is closed: what hangs in a driver ends with the process."""
SHORTEST_BACKOFF, LONGEST_BACKOFF = 1.0, 10.0
SIZE_LOG_INTERVAL = 1.0
"""Seconds between two lines that say that a camera is well: it may come and go with each picture."""
DRIVER_HANGS = 30.0
"""Seconds in one call of a driver after which it will not come back."""
logger = logging.getLogger(__name__)


class LiveCamera:
    """A camera that never ends.

    Args:
        name: For the log.
        open_capture: Opens it.
        wait: Seconds to wait for a frame; 0 where other cameras must not wait, too.
        hangs: Seconds in one call after which the camera's driver will not come back.
        detector_input: How large a picture the face detector wants, where the camera does not scale by itself; None
            where nobody detects.
    """

    def __init__(
        self,
        name: str,
        open_capture: Callable[[], Capture],
        *,
        wait: float = WAIT_FOR_FRAME,
        hangs: float = DRIVER_HANGS,
        detector_input: DetectorInput | None = None,
    ) -> None:
        self._hangs = hangs
        self._detector_input = detector_input
        self._name = name
        self._wait = wait
        self._open_capture = open_capture
        self._newest: Frame | None = None
        self._fresh = threading.Condition()
        self._closing = threading.Event()
        self._is_on = threading.Event()
        self._is_on.set()
        self._is_told = threading.Event()
        """Whether there is something to do before a pause is over."""
        self._state, self._reason = CameraState.OPENING, ""
        self._size: tuple[int, int] | None = None
        self._frames = 0
        self._busy = self._stale = 0
        self._losses = 0
        self._last_frame = 0.0
        self._taken = -math.inf
        """Timestamp of the newest frame."""
        self._thumbnails, self._buffers = Thumbnails(), Buffers()
        self._watch = PictureWatch()
        """Outlives what is opened: a camera that is still black when it was opened again was never well."""
        self._throttle, self._next_size_log = LogThrottle(), 0.0
        self._called = time.monotonic()
        """When the newest call of the driver began, or the newest pause ends."""
        self._thread = threading.Thread(target=self._capture, name=f"camera {name}", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Frame | None]:
        """The newest frame each time; None when there was no new one in time."""
        while not self._closing.is_set():
            with self._fresh:
                self._fresh.wait_for(lambda: self._newest is not None or self._closing.is_set(), self._wait)
                newest, self._newest = self._newest, None
            is_stale = newest is not None and time.monotonic() - newest.timestamp > MOST_AGE
            self._stale += is_stale
            yield None if is_stale else newest

    @property
    def status(self) -> CameraStatus:
        """How the camera is now."""
        state, reason = self._state, self._reason
        now = time.monotonic()
        silence, waits = now - self._last_frame, now - self._called
        # The thread finds out later, or never.
        if state is CameraState.OK and silence >= READ_TIMEOUT:
            state, reason = CameraState.LOST, f"no picture for {silence:.0f} s"
        elif state is not CameraState.LOST and waits >= OPEN_TIMEOUT:
            state, reason = CameraState.LOST, f"no answer for {waits:.0f} s"
        return CameraStatus(state, reason, self._size, self._frames, self._losses, self._busy, self._stale)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs and comes back from its calls of the driver."""
        return self._thread.is_alive() and time.monotonic() - self._called < self._hangs

    def switch(self, *, on: bool) -> None:
        """Let go of the camera after the picture that is being read, or open it again."""
        if on:
            self._is_on.set()
        else:
            self._is_on.clear()
        self._is_told.set()

    def close(self) -> None:
        """Stop the thread; a read that hangs in the driver ends with the process."""
        self._closing.set()
        self._is_on.set()
        self._is_told.set()
        with self._fresh:
            self._fresh.notify_all()
        self._thread.join(CLOSE_TIMEOUT)

    def _capture(self) -> None:
        backoff = SHORTEST_BACKOFF
        while not self._closing.is_set():
            self._is_told.clear()
            self._rest_while_off()
            started = time.monotonic()
            try:
                if self._read_until_lost():
                    continue
            except CameraLostError as error:
                self._lost(CameraState.LOST, str(error))
            except Exception as error:
                # A driver's own way of failing must not be the silent end of the thread. Its text may be anything.
                reason = f"its driver failed ({type(error).__name__})"
                if reason != self._reason:
                    logger.exception("camera %s", self._name)
                self._lost(CameraState.LOST, reason)
            if self._last_frame - started > LONGEST_BACKOFF:
                backoff = SHORTEST_BACKOFF
            pause = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
            backoff = min(2 * backoff, LONGEST_BACKOFF)
            self._log(pause)
            self._pause(pause)

    def _rest_while_off(self) -> None:
        if self._is_on.is_set():
            return
        self._state, self._reason = CameraState.OFF, ""
        with self._fresh:
            self._busy += self._newest is not None
            self._newest = None
        # However long it is off, no driver hangs.
        self._called = math.inf
        self._is_on.wait()
        self._state = CameraState.OPENING

    def _log(self, pause: float) -> None:
        if not self._closing.is_set() and self._throttle.is_due(self._reason):
            logger.warning("camera %s: %s; trying again in %.0f s", self._name, self._reason, pause)

    def _pause(self, seconds: float) -> None:
        self._called = time.monotonic() + seconds
        self._is_told.wait(seconds)

    def _read_until_lost(self) -> bool:
        """Open the camera and read it; whether the next turn is to begin at once: it is suspected, or switched off."""
        self._called = time.monotonic()
        capture = self._open_capture()
        try:
            self._watch.opened(time.monotonic())
            while self._is_on.is_set() and not self._closing.is_set():
                self._called = time.monotonic()
                picture = capture.read()
                fault = self._watch.fault(picture.image, time.monotonic())
                if fault == SUSPECT:
                    return True
                if fault is not None:
                    self._lost(CameraState(fault), f"its pictures are {fault}")
                    return False
                if self._watch.doubt is None:
                    self._hand_over(picture)
            return True
        finally:
            capture.close()

    def _hand_over(self, picture: Picture) -> None:
        now = time.monotonic()
        # The time of a stream is known anew now and then; that of its pictures never goes back.
        self._taken = taken = max(now if picture.received is None else picture.received, self._taken)
        lores = picture.lores
        if lores is None:
            lores = lores_of(picture.image, self._detector_input, self._buffers)
        thumbnail = None if lores is None else self._thumbnails.of(lores)
        frame = Frame(picture.image, taken, self._frames + picture.skipped, lores=lores, thumbnail=thumbnail)
        size = frame.width, frame.height
        if (self._state is not CameraState.OK or size != self._size) and now >= self._next_size_log:
            self._next_size_log = now + SIZE_LOG_INTERVAL
            logger.info("camera %s: %d x %d", self._name, *size)
            self._throttle.forget()
        self._frames += 1 + picture.skipped
        self._last_frame = now
        self._state, self._reason, self._size = CameraState.OK, "", size
        with self._fresh:
            # Of pictures that nobody took, one that is new makes the newest one new.
            is_repeat = self._watch.is_repeat and (self._newest is None or self._newest.is_repeat)
            self._busy += picture.skipped + (self._newest is not None)
            self._newest = dataclasses.replace(frame, is_repeat=is_repeat)
            self._fresh.notify()

    def _lost(self, state: CameraState, reason: str) -> None:
        self._losses += self._state is CameraState.OK
        self._state, self._reason = state, reason
