"""What keeps a device from judging well, though it works: pure logic, with the time given to it."""

from collections.abc import Iterator, Sequence

from facemask_edge.health_message import HealthWarning, RolloutHealth
from facemask_edge.picture_quality import ADVICE, SAYS, Picture, PictureFault

LOOK_INTERVAL = 5.0
"""Seconds between two pictures of a camera that are looked at."""
LASTS = 60.0
"""Seconds after which a fault that every picture had is no passing one."""
HOUR = 3600.0


class CameraWarnings:
    """What one camera is to be warned of.

    Args:
        camera: Its name.
        no_face_after: Seconds of judged frames without a face after which that is strange; 0 is never.
        now: By any clock that only rises, in seconds, as everywhere here.
    """

    def __init__(self, camera: str, *, no_face_after: float, now: float) -> None:
        self._camera = camera
        self._no_face_after = no_face_after
        self._face_at = self._judged_at = now
        self._looked_at = float("-inf")
        self._since: dict[PictureFault, float] = {}
        """Of each fault that the newest picture has: when the first picture had it, with none without it since."""

    def saw(self, faces: int, now: float) -> None:
        """Told how many faces are in a frame that was judged."""
        gap = now - self._judged_at
        if gap > LASTS:
            # It was lost meanwhile.
            self._face_at += gap
        self._judged_at = now
        if faces:
            self._face_at = now

    def is_look_due(self, now: float) -> bool:
        """Whether the next picture is to be looked at."""
        return now - self._looked_at >= LOOK_INTERVAL

    def looked(self, picture: Picture, now: float) -> None:
        """Told what was seen in a picture."""
        before = self._since if now - self._looked_at <= LASTS else {}
        self._since = {fault: before.get(fault, now) for fault in picture.faults()}
        self._looked_at = now

    def current(self, now: float) -> Iterator[HealthWarning]:
        """The warnings now; of the faults of its pictures only the one that explains most."""
        if now - self._looked_at <= LASTS:
            lasting = (fault for fault, since in self._since.items() if self._looked_at - since >= LASTS)
            for fault in list(lasting)[:1]:
                says = f"camera {self._camera}: {SAYS[fault]} for a minute and more; {ADVICE[fault]}"
                yield HealthWarning(code=fault.value, camera=self._camera, says=says)
        if self._no_face_after and now - self._judged_at <= LASTS and now - self._face_at >= self._no_face_after:
            says = (
                f"camera {self._camera}: no face was seen for {_duration(self._no_face_after)} and more; does it look "
                "where people pass, and are its zones right?"
            )
            yield HealthWarning(code="no_face", camera=self._camera, says=says)


def throttled_warning(reasons: Sequence[str]) -> HealthWarning:
    """The warning of a computer that is slowed down.

    Args:
        reasons: Why, as ``raspberry_pi.reasons`` says it; at least one.
    """
    says = f"the Pi is slowed down: {', '.join(reasons)}; give it its own power supply and a heat sink"
    return HealthWarning(code="throttled", camera=None, says=says)


def rollout_warnings(rollout: RolloutHealth | None) -> Iterator[HealthWarning]:
    """The warning of a rollout that did not prove itself, or has not yet, where there is one."""
    if rollout is not None and rollout.refused is not None:
        says = f"rollout {rollout.refused} was refused, what was there before is used: {rollout.reason}"
        yield HealthWarning(code="rollout_refused", camera=None, says=says)
    if rollout is not None and rollout.postponed is not None:
        says = f"rollout {rollout.postponed} was tried and is tried again later: {rollout.reason}"
        yield HealthWarning(code="rollout_postponed", camera=None, says=says)
    if rollout is not None and rollout.damaged is not None:
        used = "as much of it as is left is used" if rollout.damaged == "used" else "none is used"
        says = f"the rollout in use was damaged on the card and could not be had again, so {used}: publish it once more"
        yield HealthWarning(code="rollout_damaged", camera=None, says=says)
    elif rollout is not None and rollout.repairs > 1:
        says = f"the rollout in use was damaged on the card {rollout.repairs} times: give this device another card"
        yield HealthWarning(code="rollout_damaged", camera=None, says=says)


def _duration(seconds: float) -> str:
    return f"{seconds / HOUR:g} h" if seconds >= HOUR else f"{seconds:g} s"
