"""Follows faces from frame to frame: ByteTrack, by the library edgefirst-tracker, wrapped in this one file.

Measured with version 0.38: ``labels`` must be ``uint64`` (its page says ``intp``), boxes may be pixels, and a
detection below ``high_conf`` never starts a track but may continue one.
Source: Zhang and others, "ByteTrack: Multi-Object Tracking by Associating Every Detection Box" (2022).
"""

import math
from collections.abc import Sequence

import numpy as np
from edgefirst.tracker import ByteTrack

from facemask_edge.reappearance import Reappearance
from facemask_edge.values import Face, Track


class FaceTracker:
    """Gives the faces of one camera ids that last.

    Args:
        min_score: A face of a lower score never starts a track, but may continue one.
        lifespan: Seconds without a face after which a track ends.
    """

    def __init__(self, *, min_score: float, lifespan: float) -> None:
        self._min_score = min_score
        self.lifespan = lifespan
        """May be changed."""
        self._last = -math.inf
        self._forget()

    def update(
        self,
        faces: Sequence[Face],
        timestamp: float,
        size: tuple[int, int],
        ignored: Sequence[Face] = (),
    ) -> list[Track]:
        """The tracks that are in view in this frame.

        Args:
            faces: The faces found in this frame that are not ignored.
            timestamp: Time of the frame in seconds, never smaller than the last one.
            size: Width and height of the frame in pixels.
            ignored: Those that are: they have no track.
        """
        if timestamp - self._last > self.lifespan:
            # The library ends a track only after it was compared with the next frame, however late that comes.
            self._forget()
        self._last = timestamp
        boxes = np.array([_corners(face) for face in faces], np.float32).reshape(-1, 4)
        scores = np.array([face.score for face in faces], np.float32)
        labels = np.zeros(len(faces), np.uint64)
        found = self._tracker.update(boxes, scores, labels, round(timestamp * 1e9))
        # The detected box, not the smoothed one: the smoothed one lags behind a walking person.
        tracks = [
            Track(info.uuid, face.box, face.score) for face, info in zip(faces, found, strict=True) if info is not None
        ]
        return self._reappearance.update(tracks, timestamp, size, [face.box for face in ignored], self.lifespan)

    @property
    def ignored_ids(self) -> Sequence[str]:
        """Of the faces that were ignored in the newest frame, in their order: who went in there keeps their id."""
        return self._reappearance.ignored_ids

    def _forget(self) -> None:
        # The library's own iou (0.25) and update (0.25) lose a person who walks across the frame in four seconds: the
        # smoothed box lags until it no longer overlaps the detected one.
        lifespan = round(self.lifespan * 1e9)
        self._tracker = ByteTrack(high_conf=self._min_score, iou=0.1, update=0.5, lifespan_ns=lifespan)
        self._reappearance = Reappearance()


def _corners(face: Face) -> tuple[float, float, float, float]:
    return face.box.x, face.box.y, face.box.x + face.box.width, face.box.y + face.box.height
