"""The picture that somebody looks at live: made beside the frame loop, and only while somebody looks."""

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import cv2

from facemask_edge import overlay
from facemask_edge.jpeg import encoded
from facemask_edge.niceness import give_way
from facemask_edge.privacy import pixelate
from facemask_edge.values import Box, Frame, Image, Verdict

LONGEST_SIDE = 512
"""Pixels of the picture that is shown: what the search for faces looks at without scaling it down, and at once."""
INTERVAL = 0.2
"""Seconds between two pictures of a camera at the least."""
SHARE = 0.25
"""Of a processor, for pictures, at the most: where one takes long, the next one comes later."""
LOOKS = 4.0
"""Seconds since somebody asked for the newest picture in which another one is made."""
QUALITY = 75
"""Of the JPEG."""
LONGEST_STOP = 0.5
"""Seconds that the thread may take to end."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as it is shown."""

    number: int
    """Counts them, of all cameras."""
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the loop hands over."""

    image: Image
    verdicts: Sequence[Verdict]


class LiveView:
    """The frame loop shows, any thread looks.

    Args:
        cameras: Their names.
        find: All that may be faces in a picture, each of which is made unrecognizable; None leaves faces as they are.
    """

    def __init__(self, cameras: Collection[str], find: Callable[[Image], Iterable[Box]] | None) -> None:
        self._find = find
        self._wanted_until = dict.fromkeys(cameras, 0.0)
        self._next = dict.fromkeys(cameras, 0.0)
        self._rests_until = 0.0
        self._waiting: dict[str, _Sight] = {}
        """The newest of each camera that the thread has not taken."""
        self._shown: dict[str, Shown] = {}
        self._count = 0
        self._changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)

    def start(self) -> None:
        """Make pictures from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End; who waits for a picture gets none."""
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(LONGEST_STOP)

    def wants(self, camera: str) -> bool:
        """Whether somebody looks at this camera, and its next picture is due."""
        now = time.monotonic()
        return now < self._wanted_until[camera] and now >= max(self._next[camera], self._rests_until)

    def show(self, camera: str, frame: Frame, verdicts: Iterable[Verdict]) -> None:
        """Take in the newest frame of a camera; it is scaled down, and no longer needed then."""
        self._next[camera] = time.monotonic() + INTERVAL
        scale = min(LONGEST_SIDE / max(frame.width, frame.height), 1.0)
        size = max(round(frame.width * scale), 1), max(round(frame.height * scale), 1)
        # Linear, where only an area's mean would be free of stairs: a fifth of the time, and the loop waits for it.
        image: Image = cv2.resize(frame.image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment] # uint8
        sight = _Sight(image, [_scaled(verdict, size[0] / frame.width, size[1] / frame.height) for verdict in verdicts])
        with self._changed:
            self._waiting[camera] = sight
            self._changed.notify_all()

    def next(self, camera: str, known: int, timeout: float) -> Shown | None:
        """Wait for a picture of a camera that is another than the one that somebody has.

        Args:
            camera: Its name; it is made pictures of for a while from now on.
            known: The number of that one.
            timeout: Seconds to wait; then None is returned.

        Raises:
            KeyError: There is no such camera.
        """
        if camera not in self._wanted_until:
            raise KeyError(camera)
        self._wanted_until[camera] = time.monotonic() + LOOKS + timeout
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._other(camera, known), timeout)
            return self._other(camera, known)

    def _other(self, camera: str, known: int) -> Shown | None:
        shown = self._shown.get(camera)
        # Of a camera that gives no more, the last one may show what is masked by now.
        if shown is None or time.monotonic() > max(self._next[camera], self._rests_until) + LOOKS:
            return None
        # Not "newer": who looks may know one of the time before this process.
        return shown if shown.number != known else None

    def _run(self) -> None:
        give_way()
        while True:
            with self._changed:
                self._forget()
                self._changed.wait_for(lambda: self._is_over or self._waiting, LOOKS)
                # Frames that came meanwhile wait: of each camera, the newest.
                self._changed.wait_for(lambda: self._is_over, max(self._rests_until - time.monotonic(), 0.0))
                if self._is_over:
                    return
                if not self._waiting:
                    continue
                camera = next(iter(self._waiting))
                sight = self._waiting.pop(camera)
            begin = time.thread_time()
            try:
                jpeg = self._made(sight)
            except Exception:
                # One that failed must not be the silent end of all others.
                logger.exception("a picture to look at failed")
                continue
            finally:
                worked = time.thread_time() - begin
                self._rests_until = time.monotonic() + worked / SHARE - worked
            with self._changed:
                self._count += 1
                self._shown[camera] = Shown(self._count, jpeg)
                self._changed.notify_all()

    def _forget(self) -> None:
        """No picture outlives who looks at it."""
        now = time.monotonic()
        for camera in [each for each in self._shown if now >= self._wanted_until[each]]:
            del self._shown[camera]

    def _made(self, sight: _Sight) -> bytes:
        if self._find is not None:
            known = [verdict.track.box for verdict in sight.verdicts]
            pixelate(sight.image, [*known, *self._find(sight.image)])
        overlay.draw(sight.image, sight.verdicts)
        return encoded(sight.image, QUALITY)


def _scaled(verdict: Verdict, across: float, down: float) -> Verdict:
    track = dataclasses.replace(verdict.track, box=verdict.track.box.scaled(across, down))
    return dataclasses.replace(verdict, track=track)
