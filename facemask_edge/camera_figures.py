"""What is counted of one camera's frames, for ``health``."""

from collections import deque
from collections.abc import Iterable

from facemask_edge.cameras.status import CameraStatus
from facemask_edge.health_message import CameraHealth, DroppedFrames, Quantiles
from facemask_edge.picture_quality import Picture, looked_at
from facemask_edge.pipeline import Pipeline
from facemask_edge.stage_times import KEPT, StageTimes, percentiles
from facemask_edge.values import Image

SHORTEST = 0.5
"""Seconds in which a rate can be measured."""


class CameraFigures:
    """The figures of one camera.

    Args:
        now: By the monotonic clock, in seconds, as everywhere here.
    """

    def __init__(self, now: float) -> None:
        self.judged = 0
        """Frames since the start."""
        self._picture: Picture | None = None
        self._faces = self._tracks = 0
        self._times = StageTimes()
        self._latencies: deque[float] = deque(maxlen=KEPT)
        self._told_at, self._told_judged = now, 0

    def took_in(self, pipeline: Pipeline, latency: float | None) -> None:
        """Told that a frame was judged.

        Args:
            pipeline: By this one.
            latency: Seconds from its capture to the decision; None where it is of a recording.
        """
        self.judged += 1
        self._faces, self._tracks, self._times = pipeline.faces, pipeline.tracks, pipeline.times
        if latency is not None:
            self._latencies.append(latency)

    def look_at(self, image: Image) -> Picture:
        """Measure a picture, uint8, height x width x 3, BGR."""
        self._picture = looked_at(image)
        return self._picture

    def health(self, status: CameraStatus, now: float) -> CameraHealth:
        """This camera's part of the message; a rate is that since the one before."""
        elapsed, judged = now - self._told_at, self.judged - self._told_judged
        self._told_at, self._told_judged = now, self.judged
        width, height = status.size or (None, None)
        picture = self._picture
        return CameraHealth(
            state=status.state,
            reason=status.reason or None,
            width=width,
            height=height,
            frames=status.frames,
            judged=self.judged,
            losses=status.losses,
            fps=round(judged / elapsed, 2) if elapsed >= SHORTEST else None,
            latency_ms=_quantiles(self._latencies) if self._latencies else None,
            stages_ms={stage: _quantiles(seconds) for stage, seconds in self._times.seconds.items()},
            faces=self._faces,
            tracks=self._tracks,
            dropped=DroppedFrames(busy=status.busy, stale=status.stale),
            brightness=None if picture is None else round(picture.brightness, 1),
            sharpness=None if picture is None else round(picture.sharpness, 3),
        )


def _quantiles(seconds: Iterable[float]) -> Quantiles:
    p50, p95 = percentiles(seconds)
    return Quantiles(p50=p50, p95=p95)
