"""Decides who wears no mask: weighs the evidence of several frames, so that one person is one violation.

Pure logic: no input, no output and no clock of its own; every duration runs on the frames' timestamps.

Above ``+decision`` of evidence (``person.py``) a face is ``no_mask``, if it is a face at a closer look, too; below
``-decision`` it is ``mask``, and in between it stays what it was: that is the hysteresis.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from facemask_edge.config import ComplianceConfig
from facemask_edge.identifiers import uuid7
from facemask_edge.person import CERTAIN_LOG_ODDS, Person
from facemask_edge.schedule import Schedule
from facemask_edge.values import Label, Look, Track, Verdict, Violation

LONGEST_ASIDE = 10.0
"""Seconds out of view after which somebody has left who is thought to be at the edge of where faces are ignored: a
poster that was taken for them must not keep a violation open."""


class Compliance:
    """The judgement of one camera.

    Args:
        config: The section ``compliance``.
        new_id: Makes the id of a violation.
    """

    def __init__(self, config: ComplianceConfig, *, new_id: Callable[[], str] = uuid7) -> None:
        self._config = config
        self._new_id = new_id
        self.threshold = config.threshold
        """As in the configuration; may be changed, and holds for the looks from then on."""
        self.min_face_height: float = config.min_face_height
        """Likewise."""
        self.leave_after = config.leave_after
        """Seconds; likewise."""
        self.is_doubtful = False
        """Whether nobody knows if those in view are the same as before: then no violation starts or ends for what is
        seen. It does when the doubt is over."""
        self._decision = CERTAIN_LOG_ODDS * config.min_observations
        self._schedule = Schedule(min_observations=config.min_observations, recheck_interval=config.recheck_interval)
        self._people: dict[str, Person] = {}
        self._in_view: list[Person] = []
        self._quiet: dict[str, float] = {}
        """Until when no violation starts of those that were forgotten, by track id."""

    def worth_classifying(self, tracks: Sequence[Track], timestamp: float, budget: int) -> list[Track]:
        """The tracks to classify in this frame, most urgent first.

        Args:
            tracks: All whose face is to be seen.
            timestamp: Time of the frame in seconds.
            budget: How many at the most.
        """
        return self._schedule.next(self._judged(tracks), self._people, timestamp, budget)

    def closer_looks_ahead(self, tracks: Sequence[Track]) -> int:
        """How many closer looks this frame may take.

        Args:
            tracks: All whose face is to be seen.
        """
        return self._schedule.closer_looks_ahead(self._judged(tracks), self._people)

    def update(
        self,
        tracks: Sequence[Track],
        looks: Mapping[str, Look],
        timestamp: float,
        is_face: Callable[[Track], bool] = lambda _: True,
        aside: Collection[str] = (),
    ) -> list[Violation]:
        """Take in one frame.

        Args:
            tracks: All tracks in view in this frame.
            looks: By track id, at those that were classified.
            timestamp: Time of the frame in seconds.
            is_face: A closer look at a track that was classified in this frame: whether it is a face. Asked before it
                becomes ``no_mask``; what is none has to gather its evidence anew.
            aside: Ids of those that are at the edge of where faces are ignored: out of view, but they have not left.

        Returns:
            The violations that start or end with this frame.
        """
        # First of all: after a long time without frames, nobody is still there.
        events = self._forget_the_gone(timestamp)
        self._in_view = [self._seen(track, timestamp) for track in tracks]
        for person in filter(None, map(self._people.get, aside)):
            if timestamp - person.last_seen <= LONGEST_ASIDE:
                person.last_there = timestamp
        for person in self._in_view:
            if person.track.id in looks:
                person.take_in(
                    looks[person.track.id],
                    timestamp,
                    threshold=self.threshold,
                    min_face_height=self.min_face_height,
                    decision=self._decision,
                )
                self._decide(person, is_face)
        if self.is_doubtful:
            return events
        # Also who was decided about in doubt, and is out of view when it is over.
        for person in self._people.values():
            if person.is_unreported:
                events.append(self._start(person, person.last_seen))
            elif person.label is Label.MASK and person.violation is not None:
                events.append(self._end(person, person.last_seen, "mask_on"))
        return events

    def verdicts(self) -> list[Verdict]:
        """What is thought of each track that is in view in the newest frame."""
        return [person.verdict() for person in self._in_view]

    def labels(self) -> list[Label]:
        """Of each of them; to make the verdicts takes longer."""
        return [person.label for person in self._in_view]

    @property
    def open_violations(self) -> int:
        """How many violations have started and not ended."""
        return sum(person.violation is not None for person in self._people.values())

    def ends_now(self, reason: str) -> list[Violation]:
        """How the violations that are open would end now; they stay open."""
        return [
            _ended(person.violation, person, person.last_seen, reason)
            for person in self._people.values()
            if person.violation is not None
        ]

    def finish(self, reason: str) -> list[Violation]:
        """End all violations that are open, for ``reason``, at the time the person was last seen."""
        events = self.ends_now(reason)
        self._people.clear()
        self._in_view.clear()
        self._quiet.clear()
        return events

    def _judged(self, tracks: Sequence[Track]) -> list[Track]:
        """Those that are judged now: large enough, and in doubt nobody who is decided about already.

        Who was decided about must not change for what somebody else looks like.
        """
        large = [track for track in tracks if track.box.height >= self.min_face_height]
        if not self.is_doubtful:
            return large
        return [track for track in large if not (track.id in self._people and self._people[track.id].is_decided)]

    def _seen(self, track: Track, timestamp: float) -> Person:
        if track.id not in self._people:
            quiet_until = self._quiet.pop(track.id, -math.inf)
            self._people[track.id] = Person(track, timestamp, timestamp, timestamp, quiet_until=quiet_until)
        person = self._people[track.id]
        person.track = track
        person.last_seen = person.last_there = timestamp
        return person

    def _decide(self, person: Person, is_face: Callable[[Track], bool]) -> None:
        is_bare = person.evidence >= self._decision and person.label is not Label.NO_MASK
        if is_bare and not is_face(person.track):
            person.refuse()
        if abs(person.evidence) >= self._decision:
            person.label = Label.NO_MASK if person.evidence > 0 else Label.MASK
            person.refusals = 0

    def _start(self, person: Person, timestamp: float) -> Violation:
        person.violation = Violation(
            "violation_start",
            self._new_id(),
            person.track,
            person.probability or 0.0,
            person.observations,
            timestamp,
        )
        return person.violation

    def _end(self, person: Person, timestamp: float, reason: str) -> Violation:
        assert person.violation is not None  # noqa: S101 - for mypy; callers checked it
        ended = _ended(person.violation, person, timestamp, reason)
        person.violation = None
        person.quiet_until = timestamp + self._config.cooldown
        return ended

    def _forget_the_gone(self, timestamp: float) -> list[Violation]:
        gone = [
            person
            for person in self._people.values()
            if timestamp - person.last_there > self.leave_after
            # Whether it was the same scene, and so a violation, is not known yet.
            and not (self.is_doubtful and person.is_unreported)
        ]
        if not (gone or self._quiet):
            return []
        for person in gone:
            del self._people[person.track.id]
        started = [self._start(person, person.last_seen) for person in gone if person.is_unreported]
        ended = [self._end(person, person.last_seen, "left") for person in gone if person.violation is not None]
        # Who went beyond a zone comes back under the same id.
        quiet = self._quiet | {person.track.id: person.quiet_until for person in gone}
        self._quiet = {track: until for track, until in quiet.items() if until > timestamp}
        return started + ended


def _ended(started: Violation, person: Person, timestamp: float, reason: str) -> Violation:
    return Violation(
        "violation_end",
        started.id,
        person.track,
        person.probability or 0.0,
        person.observations,
        timestamp,
        timestamp - started.timestamp,
        reason,
    )
