"""Gives a track that starts where a face was lost shortly before the id of that face.

A tracker that goes by overlap loses whoever moves by more than a face between two frames, as people close to a slow
camera do, and whoever walks on while somebody else hides them. For the judgement they would be new people, each with a
violation of their own.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from facemask_edge.identifiers import uuid7
from facemask_edge.values import Box, Track

REACH = 1.0
"""How far from where it is expected a face may be, in heights of the face, to be taken for the one that was lost."""
REACH_PER_SECOND, LONGEST_REACH = 1.0, 1.5
"""What each second of absence adds to that, and the seconds up to which it does: after that somebody is elsewhere."""
AT_ONCE, FARTHER_PER_SECOND = 0.3, 3.0
"""How far from where it is expected a face may show as another track at once, and what each second of absence adds, in
parts of the reach: who appears a face beside somebody who is missed in one frame is another one."""
LEAVING_SECONDS, LEAVING = 0.2, 0.7
"""Who is on the way out has left when they are expected outside of the frame; if they were to be, so many seconds after
they were seen last, within so many heights of their face from its edge. Others stop, or bend down."""
STOPPED = 0.5
"""How far, in parts of the reach, a face on the way counts that is not where it is expected."""
SIMILAR_SIZE = 1.6
"""The largest factor by which the heights of one face differ before and after an absence."""
SAME_TRACK = 0.25
"""How much nearer, in parts of the reach, another face must be than the one that the tracker says it is."""
CROSSING_PER_SECOND, LONGEST_CROSSING = 1.0, 0.35
"""What each second adds to that for who goes to where faces are ignored or comes out of there, and the most of it, in
parts of the reach: who starts to walk is not where they are expected."""
COUNTED_BEFORE = 0.06
"""How much nearer, in parts of the reach, a face that was ignored all the time must be than one that was not."""
CONTINUOUS = 0.1
"""Seconds between two frames up to which a face is where it was."""
STEADY_SECONDS = 0.15
"""Over how long the velocity is averaged: the frames of a network camera come in bursts."""
STEADY_SIZE_SECONDS = 0.5
"""Over how long the height is averaged."""


@dataclass(slots=True)
class _Known:
    """A face that is in view, or was shortly before."""

    box: Box
    seen: float
    height: float
    """In pixels, averaged: what hides a face in part cuts its box off in a moment."""
    velocity: tuple[float, float] = (0.0, 0.0)
    """Pixels a second, to the right and down."""
    has_velocity: bool = False
    """Whether that is known: it was seen twice."""
    is_ignored: bool = False
    """Whether it was seen last where faces are ignored."""

    def move(self, box: Box, timestamp: float) -> None:
        passed = timestamp - self.seen
        if passed > 0:
            newest, (right, down) = 1 - math.exp(-passed / STEADY_SECONDS), self.velocity
            right += newest * (_moved(self.box.x, self.box.width, box.x, box.width) / passed - right)
            down += newest * (_moved(self.box.y, self.box.height, box.y, box.height) / passed - down)
            self.velocity, self.has_velocity = (right, down), True
            self.height += (1 - math.exp(-passed / STEADY_SIZE_SECONDS)) * (box.height - self.height)
        self.box, self.seen = box, timestamp

    def expected(self, timestamp: float) -> tuple[float, float]:
        """Where its centre is then, if it goes on as it did; not for longer than somebody is known to be there."""
        passed = min(timestamp - self.seen, LONGEST_REACH)
        (x, y), (right, down) = self.box.centre, self.velocity
        return x + right * passed, y + down * passed

    def distance(self, box: Box, timestamp: float) -> float:
        """How far a face is from where this one may be, in parts of the reach; infinite out of it.

        Likeliest is where it is expected; but people stop, and turn their heads then: it may be anywhere on the way.
        """
        (x, y), there, at = self.box.centre, self.expected(timestamp), box.centre
        passed = min(timestamp - self.seen, LONGEST_REACH)
        reach = (REACH + REACH_PER_SECOND * passed) * max(box.height, self.height)
        way = there[0] - x, there[1] - y
        # Of a crowd, most: it is told at once.
        if abs(at[0] - x) > reach + abs(way[0]) or abs(at[1] - y) > reach + abs(way[1]):
            return math.inf
        # Who comes nearer was smaller on average; of whom hardly anything was seen last, larger.
        if not any(_is_similar(box.height, height) for height in (self.height, self.box.height)):
            return math.inf
        squared = way[0] ** 2 + way[1] ** 2
        part = min(max(((at[0] - x) * way[0] + (at[1] - y) * way[1]) / squared, 0), 1) if squared else 0.0
        on_the_way = x + part * way[0], y + part * way[1]
        away = min(math.dist(at, there), STOPPED * reach + (1 - STOPPED) * math.dist(at, on_the_way)) / max(reach, 1e-9)
        return away if away <= 1 else math.inf


class Reappearance:
    """The ids of one camera's faces, which outlast those of its tracks."""

    def __init__(self) -> None:
        self._faces: dict[str, _Known] = {}
        """By id."""
        self._ids: dict[str, tuple[str, float]] = {}
        """By the track's own id: the face's, and when the track was last in view."""
        self._last = -math.inf
        """Timestamp of the frame before."""
        self.ignored_ids: list[str] = []
        """Of what is seen in the newest frame where faces are ignored, in its order."""

    def update(
        self, tracks: Sequence[Track], timestamp: float, size: tuple[int, int], ignored: Sequence[Box], lifespan: float
    ) -> list[Track]:
        """The tracks in view in this frame, each under its face's id, in the same order.

        Args:
            tracks: Under the ids that the tracker gave them.
            timestamp: Time of the frame in seconds, never smaller than the last one.
            size: Width and height of the frame in pixels.
            ignored: What is seen where faces are ignored, such as posters. It has no track; but who went in there is
                followed, or who comes out would be taken for them.
            lifespan: Seconds out of view after which a face is not the same any more.
        """
        oldest = timestamp - lifespan
        self._faces = {face: known for face, known in self._faces.items() if known.seen >= oldest}
        self._ids = {track: (face, seen) for track, (face, seen) in self._ids.items() if seen >= oldest}
        faces = self._assigned(tracks, timestamp, size, ignored)
        for track in tracks:
            # A track whose face is in view as another track is a new face, and its own id may be that of the other.
            if track.id not in faces:
                faces[track.id] = uuid7() if track.id in self._faces else track.id
            face = faces[track.id]
            self._ids[track.id] = face, timestamp
            known = self._faces.setdefault(face, _Known(track.box, timestamp, track.box.height))
            known.move(track.box, timestamp)
            known.is_ignored = False
        self.ignored_ids = self._followed(ignored, timestamp, set(faces.values())) if ignored else []
        self._last = timestamp
        # Mostly the tracker is right, and what it said is passed on as it is.
        return [track if (face := faces[track.id]) == track.id else replace(track, id=face) for track in tracks]

    def _assigned(
        self, tracks: Sequence[Track], timestamp: float, size: tuple[int, int], ignored: Sequence[Box]
    ) -> dict[str, str]:
        """The known faces by the ids of the tracks that show them, the likeliest pairs first."""
        followed = [track for track in tracks if track.id in self._ids and self._ids[track.id][0] in self._faces]
        own = [(self._own_distance(track, timestamp, size), track.id, self._ids[track.id][0]) for track in followed]
        # No other face can be that much nearer: in a crowd, nearly everybody is done with here. Whose track comes back
        # after an absence is not: it may show the one who hid that face, and was in view the whole time.
        faces = _nearest_pairs(pair for pair in own if pair[0] <= SAME_TRACK and self._ids[pair[1]][1] == self._last)
        if len(faces) == len(tracks):
            return faces
        taken = set(faces.values())
        lost = [face for face in self._faces if face not in taken and self._may_be_there(face, timestamp, size)]
        others = [
            (distance - self._bonus(face, distance, timestamp), track.id, face)
            for track in tracks
            if track.id not in faces
            for face in lost
            if (distance := self._distance(face, track.box, timestamp)) < math.inf
        ]
        # Who still is in view where faces are ignored is nobody who appears beside it.
        there = [
            (self._faces[face].distance(box, timestamp) - SAME_TRACK, _name(number), face)
            for number, box in enumerate(ignored)
            for face in lost
            if self._faces[face].is_ignored
        ]
        left = [(distance - SAME_TRACK, track, face) for distance, track, face in own if track not in faces]
        pairs = _nearest_pairs(pair for pair in [*left, *others, *there] if pair[0] < math.inf and pair[2] not in taken)
        return faces | {track.id: pairs[track.id] for track in tracks if track.id in pairs}

    def _followed(self, ignored: Sequence[Box], timestamp: float, in_view: Collection[str]) -> list[str]:
        """Take in what is seen where faces are ignored, those that went in there and others; their ids."""
        out_of_view = [face for face in self._faces if face not in in_view]
        counted = {face for face, _ in self._ids.values()}
        pairs = [
            (
                self._distance(face, box, timestamp, is_ignored=True) - (COUNTED_BEFORE if face in counted else 0.0),
                _name(number),
                face,
            )
            for number, box in enumerate(ignored)
            for face in out_of_view
        ]
        faces = _nearest_pairs(pair for pair in pairs if pair[0] < math.inf)
        ids = [faces.get(_name(number)) or uuid7() for number in range(len(ignored))]
        for face, box in zip(ids, ignored, strict=True):
            known = self._faces.setdefault(face, _Known(box, timestamp, box.height))
            known.move(box, timestamp)
            known.is_ignored = True
        return ids

    def _distance(self, face: str, box: Box, timestamp: float, *, is_ignored: bool = False) -> float:
        """Of a face in this frame, where faces are ignored or not, to a known one; infinite where it is another one."""
        known = self._faces[face]
        distance = known.distance(box, timestamp)
        passed = timestamp - known.seen
        if known.is_ignored is not is_ignored:
            # Who was missed just now goes in only where expected: a screen's face is nobody who turns away beside it.
            counted = passed if known.is_ignored or known.seen == self._last else 0.0
            most = SAME_TRACK + min(CROSSING_PER_SECOND * counted, LONGEST_CROSSING)
        elif is_ignored or not known.has_velocity:
            # The first step of somebody who walks quickly by is a long one.
            most = 1.0
        else:
            most = AT_ONCE + FARTHER_PER_SECOND * passed
        return distance if distance <= most else math.inf

    def _bonus(self, face: str, distance: float, timestamp: float) -> float:
        """What speaks for a face that was in view just now and whose track is gone, and not for one that was hidden.

        Args:
            face: Which one.
            distance: Of another track's box to it.
            timestamp: Of the frame.
        """
        known = self._faces[face]
        # Soon after, it is where it was; later, only who is where they are expected is the one who was in view.
        is_there = timestamp - self._last <= CONTINUOUS or (distance <= SAME_TRACK and not known.is_ignored)
        return 2 * SAME_TRACK if is_there and known.seen == self._last else 0.0

    def _may_be_there(self, face: str, timestamp: float, size: tuple[int, int]) -> bool:
        """Whether a face is to be expected in the frame: who was on the way out has left, who comes in is another."""
        known = self._faces[face]
        then, soon = known.expected(timestamp), known.expected(min(timestamp, known.seen + LEAVING_SECONDS))
        margin = LEAVING * known.box.height
        return all(
            0 <= at <= side or margin <= near <= side - margin for at, near, side in zip(then, soon, size, strict=True)
        )

    def _own_distance(self, track: Track, timestamp: float, size: tuple[int, int]) -> float:
        """Of a track to the face that it was before."""
        face, seen = self._ids[track.id]
        distance = self._faces[face].distance(track.box, timestamp)
        # Without an absence the tracker is right, however the box changed; after one it only goes by overlap.
        if seen == self._last:
            return min(distance, 1.0)
        return distance if self._may_be_there(face, timestamp, size) else math.inf


def _is_similar(one: float, other: float) -> bool:
    return 1 / SIMILAR_SIZE <= one / max(other, 1e-9) <= SIMILAR_SIZE


def _moved(start: float, length: float, new_start: float, new_length: float) -> float:
    """How far a face moved along one axis: as the edge that moved less. What hides the other one is no movement."""
    first, last = new_start - start, new_start + new_length - start - length
    return min(first, last, key=abs) if first * last > 0 else 0.0


def _name(ignored: int) -> str:
    """What an ignored face goes by among the tracks' ids, by its place in the frame's list."""
    return f"ignored {ignored}"


def _nearest_pairs(pairs: Iterable[tuple[float, str, str]]) -> dict[str, str]:
    """Faces by tracks, each at most once: the pairs of a distance, a track and a face, the nearest first."""
    faces: dict[str, str] = {}
    taken: set[str] = set()
    for _, track, face in sorted(pairs):
        if track not in faces and face not in taken:
            faces[track] = face
            taken.add(face)
    return faces
