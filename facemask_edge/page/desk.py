"""Between the frame loop and the page: what the loop shows and tells, and what somebody at the page wants of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facemask_edge import __version__
from facemask_edge.areas import Areas, DrawnAreas
from facemask_edge.classifier import face_square
from facemask_edge.clock import utc_now
from facemask_edge.config import Config
from facemask_edge.health_message import HealthMessage
from facemask_edge.journal import JOURNAL, Entry, Journal
from facemask_edge.live_view import LiveView
from facemask_edge.loop_calls import LoopCalls
from facemask_edge.pipeline import Models
from facemask_edge.snapshot import shown_part
from facemask_edge.snapshot_folder import SnapshotFolder
from facemask_edge.switches import RefusedError, available
from facemask_edge.values import Box, Frame, Image, Verdict, Violation


@dataclass(frozen=True, slots=True)
class Loop:
    """What the frame loop tells and does, for the page."""

    cameras: Callable[[], Mapping[str, Mapping[str, Any]]]
    """How each camera is, by name; in any thread."""
    switches: Callable[[], Mapping[str, str]]
    """How the switches are; in any thread."""
    health: Callable[[], HealthMessage | None]
    """The newest message on the topic ``health``; in any thread."""
    fault: Callable[[], str]
    """What only a new start mends; in any thread."""
    order: Callable[[str, bytes], None]
    """Carries out an order for a switch; in the loop's own thread."""
    redraw: Callable[[str], None]
    """Has a camera use its areas as they are now; in the loop's own thread."""


class Desk:
    """Everything that the page needs of the daemon.

    Args:
        config: The whole configuration.
        models: Explain what was judged.
        areas: What was drawn.
        loop: The frame loop.
        find: All that may be faces in a picture, for who must not miss one; None where faces are left as they are.
    """

    def __init__(
        self,
        config: Config,
        models: Models,
        areas: Areas,
        loop: Loop,
        find: Callable[[Image], Iterable[Box]] | None,
    ) -> None:
        self._config = config
        self._models = models
        self._areas = areas
        self._loop = loop
        self._names = [camera.name for camera in config.cameras]
        self._folder = SnapshotFolder(config)
        self._controls = {name: asdict(switch) for name, switch in available(config).items()}
        self.live = LiveView(self._names, find)
        self.journal = Journal(config.outbox.beside(JOURNAL))
        self.calls = LoopCalls()

    def start(self) -> None:
        """Begin."""
        self.live.start()
        self.journal.start()

    def stop(self) -> None:
        """End."""
        self.live.stop()
        self.journal.stop()

    # What the loop tells.

    def judged(self, camera: str, frame: Frame, verdicts: Iterable[Verdict], violations: Sequence[Violation]) -> None:
        """Told of each frame that was judged, and of the violations that start or end with it."""
        if self.live.wants(camera):
            self.live.show(camera, frame, verdicts)
        for violation in violations:
            if violation.event_type == "violation_start":
                # Whoever was seen last in an earlier frame is not in this picture.
                image = frame.image if violation.timestamp == frame.timestamp else None
                self.journal.began(self._entry(camera, image, violation))

    def _entry(self, camera: str, image: Image | None, violation: Violation) -> Entry:
        box = violation.track.box
        heat = None if image is None else self._models.heat(image, box)
        place = aspect = None
        if self._config.snapshots.enabled and image is not None:
            height, width = image.shape[:2]
            part = shown_part(self._config.snapshots, box, width, height)
            left, top, side = face_square(image, box)
            place = ((left - part.x) / part.width, (top - part.y) / part.height, side / part.width)
            aspect = part.width / part.height
        return Entry(
            id=violation.id,
            camera=camera,
            time=utc_now(),
            probability=round(violation.probability, 3),
            heat=None if heat is None else [[round(float(value), 2) for value in row] for row in heat],
            place=place,
            aspect=aspect,
        )

    # What the page asks, in any thread.

    def state(self) -> dict[str, Any]:
        """How everything is now."""
        health = self._loop.health()
        return {
            "device": self._config.device_name,
            "version": __version__,
            "time": utc_now(),
            "fault": self._loop.fault(),
            "switches": self._loop.switches(),
            "controls": self._controls,
            "cameras": self._loop.cameras(),
            "health": None if health is None else health.model_dump(by_alias=True, mode="json"),
            "has_pictures": self._config.snapshots.enabled,
            "blurs": self._config.privacy.blur_faces,
        }

    def violations(self) -> list[dict[str, Any]]:
        """Those of the last day, each with whether its picture is kept."""
        return [
            entry.model_dump() | {"has_picture": self.picture(entry.camera, entry.id) is not None}
            for entry in self.journal.entries()
        ]

    def picture(self, camera: str, violation: str) -> Path | None:
        """The picture of a violation that is kept; None where there is none."""
        return self._folder.find(camera, violation) if camera in self._names else None

    def areas(self, camera: str) -> dict[str, Any]:
        """What was drawn for a camera, and what cannot be changed here.

        Raises:
            KeyError: There is no such camera.
        """
        return self._areas.drawn(camera).model_dump() | {
            "fixed_masks": self._areas.fixed_masks(camera),
            "is_drawn": self._areas.is_drawn(camera),
        }

    def order(self, name: str, text: str) -> None:
        """Have a switch changed.

        Raises:
            RefusedError: That cannot be done, and nothing is changed.
            OutputError: It is in force, but lost when the daemon ends.
        """
        if name not in self._controls:
            raise RefusedError(f"there is no such switch; known are {', '.join(self._controls)}")
        # Half a character is sent on, and refused as what is no text.
        self.calls.call(lambda: self._loop.order(name, text.encode(errors="surrogatepass")))

    def draw(self, camera: str, areas: DrawnAreas | None) -> None:
        """Have a camera's areas changed; None for those of its configuration.

        Raises:
            KeyError: There is no such camera.
            RefusedError: That cannot be done, and nothing is changed.
            OutputError: It is in force, but lost when the daemon ends.
        """
        self._areas.drawn(camera)

        def change() -> None:
            try:
                self._areas.draw(camera, areas)
            finally:
                self._loop.redraw(camera)

        self.calls.call(change)
