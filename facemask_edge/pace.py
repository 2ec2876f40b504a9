"""Decides how many faces of a live frame may be classified, so that its decision does not come late.

A camera drops the frames that come while one is judged, so latency never grows into a queue; what is left is how old
the newest frame is when its turn comes, and the time that it takes, of which the classifications are the part that
depends on how many people are in view.
"""

NEWEST = 0.2
"""Weight of the newest frame in the time of one look."""
MARGIN = 1.1
"""How much longer than the one before a frame may take."""
SOON = 0.12
"""Seconds between a camera's frames up to which the next one is waited for: ten a second, not all exactly apart."""


class Pace:
    """The budget of one camera's frames.

    Args:
        most: Faces a frame at the most, however fast they are.
        target: Seconds from capture to decision.
    """

    def __init__(self, *, most: int, target: float) -> None:
        self._most = most
        self._target = target
        self._seconds_a_look: float | None = None
        self._has_waited = False

    def waits(self, age: float, *, interval: float, detection: float, looks: int) -> bool:
        """Whether to wait for the next frame, as this one would be late and that one may not be; never twice in a row.

        Args:
            age: Seconds since this one was captured.
            interval: Seconds between the camera's frames.
            detection: Seconds that finding the faces took in the one before.
            looks: How many are needed; no more than one.
        """
        needed = MARGIN * (detection + looks * (self._seconds_a_look or 0.0))
        # One that is older than an interval came late, and so will the next one.
        came_late = max(age - interval, 0.0)
        is_late = interval <= SOON and came_late + needed <= self._target < age + needed
        self._has_waited = is_late and not self._has_waited
        return self._has_waited

    def budget(self, age: float, *, closer_looks: int = 0, seconds_a_closer_look: float = 0.0) -> int:
        """How many faces of a frame may be classified; always one, or a slow device would judge nobody.

        Args:
            age: Seconds since the frame was captured.
            closer_looks: At so many faces a closer look may follow the look.
            seconds_a_closer_look: What each takes.
        """
        if not self._seconds_a_look:
            # How long one takes is not known yet.
            return 1
        left, look = self._target - age, self._seconds_a_look
        with_all = int((left - closer_looks * seconds_a_closer_look) / look)
        # No more closer looks than looks.
        one_each = min(closer_looks, int(left / (look + seconds_a_closer_look)))
        return max(1, min(self._most, max(with_all, one_each)))

    def looked(self, count: int, seconds: float) -> None:
        """Told how long the classifications of a frame took, all together."""
        if count:
            newest = seconds / count
            before = newest if self._seconds_a_look is None else self._seconds_a_look
            self._seconds_a_look = before + NEWEST * (newest - before)
