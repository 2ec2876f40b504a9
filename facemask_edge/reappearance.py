"""Gives a track that starts where a face was lost shortly before the id of that face.

A tracker that goes by overlap loses whoever moves by more than a face between two frames, as people close to a slow
camera do, and whoever walks on while somebody else hides them. For the judgement they would be new people, each with a
violation of their own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from facemask_edge.identifiers import uuid7
from facemask_edge.values import Box, Track

REACH = 1.0
"""How far from where it is expected a face may be, in heights of the face, to be taken for the one that was lost."""
REACH_PER_SECOND = 1.0
"""What each second of absence adds to that: people stop and turn round."""
SIMILAR_SIZE = 1.6
"""The largest factor by which the heights of one face differ before and after."""
SAME_TRACK = 0.25
"""How much nearer, in parts of the reach, another face must be than the one that the tracker says it is."""
NEWEST_MOVEMENT = 0.3
"""Weight of the movement between the last two frames in the velocity."""


@dataclass(slots=True)
class _Known:
    """A face that is in view, or was shortly before."""

    box: Box
    seen: float
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels a second, to the right and down."""

    def move(self, box: Box, timestamp: float) -> None:
        passed = timestamp - self.seen
        if passed > 0:
            (old_x, old_y), (x, y), (right, down) = self.box.centre, box.centre, self.velocity
            right += NEWEST_MOVEMENT * ((x - old_x) / passed - right)
            down += NEWEST_MOVEMENT * ((y - old_y) / passed - down)
            self.velocity = right, down
        self.box, self.seen = box, timestamp

    def expected(self, timestamp: float) -> tuple[float, float]:
        """Where its centre is then, if it goes on as it did."""
        passed = timestamp - self.seen
        (x, y), (right, down) = self.box.centre, self.velocity
        return x + right * passed, y + down * passed

    def distance(self, box: Box, timestamp: float) -> float:
        """How far a face is from where this one is expected, in parts of the reach; infinite out of it."""
        if not 1 / SIMILAR_SIZE <= box.height / max(self.box.height, 1e-9) <= SIMILAR_SIZE:
            return math.inf
        reach = (REACH + REACH_PER_SECOND * (timestamp - self.seen)) * max(box.height, self.box.height)
        away = math.dist(box.centre, self.expected(timestamp)) / reach
        return away if away <= 1 else math.inf


class Reappearance:
    """The ids of one camera's faces, which outlast those of its tracks.

    Args:
        lifespan: Seconds out of view after which a face is not the same any more.
    """

    def __init__(self, lifespan: float) -> None:
        self._lifespan = lifespan
        self._faces: dict[str, _Known] = {}
        """By id."""
        self._ids: dict[str, tuple[str, float]] = {}
        """By the track's own id: the face's, and when the track was last in view."""

    def update(self, tracks: Sequence[Track], timestamp: float, size: tuple[int, int]) -> list[Track]:
        """The tracks in view in this frame, each under its face's id, in the same order.

        Args:
            tracks: Under the ids that the tracker gave them.
            timestamp: Time of the frame in seconds, never smaller than the last one.
            size: Width and height of the frame in pixels.
        """
        oldest = timestamp - self._lifespan
        self._faces = {face: known for face, known in self._faces.items() if known.seen >= oldest}
        self._ids = {track: (face, seen) for track, (face, seen) in self._ids.items() if seen >= oldest}
        faces = self._assigned(tracks, timestamp, size)
        for track in tracks:
            # A track whose face is in view as another track is a new face, and its own id may be that of the other.
            own = uuid7() if track.id in self._faces else track.id
            face = faces.setdefault(track.id, own)
            self._ids[track.id] = face, timestamp
            self._faces.setdefault(face, _Known(track.box, timestamp)).move(track.box, timestamp)
        return [replace(track, id=faces[track.id]) for track in tracks]

    def _assigned(self, tracks: Sequence[Track], timestamp: float, size: tuple[int, int]) -> dict[str, str]:
        """The known faces by the ids of the tracks that show them, the likeliest pairs first."""
        # Who was on the way out has left; who comes in there now is somebody else.
        left = {
            face
            for face, known in self._faces.items()
            if not all(0 <= at <= side for at, side in zip(known.expected(timestamp), size, strict=True))
        }
        pairs: list[tuple[float, str, str]] = []
        for track in tracks:
            before, _ = self._ids.get(track.id, (None, 0.0))
            for face, known in self._faces.items():
                distance = known.distance(track.box, timestamp)
                if distance < math.inf and (face == before or face not in left):
                    pairs.append((distance - (SAME_TRACK if face == before else 0), track.id, face))
        faces: dict[str, str] = {}
        for _, track_id, face in sorted(pairs):
            if track_id not in faces and face not in faces.values():
                faces[track_id] = face
        return faces
