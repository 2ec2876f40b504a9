"""Decides who wears no mask: weighs the evidence of several frames, so that one person is one violation.

Pure logic: no input, no output and no clock of its own; every duration runs on the frames' timestamps.

Each look adds its log-odds of ``no_mask``, clipped and weighted by how well the face was to be seen (its size, its
sharpness, the detector's score), to the track's evidence (the sum of log-odds is the naive Bayes combination of
independent observations). Above ``+decision`` the face is ``no_mask``, if it is a face at a closer look, too; below
``-decision`` it is ``mask``, and in between it stays what it was: that is the hysteresis. The evidence is capped, so
that a change of mind takes seconds and not as long as the person already stood there.
"""

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

from facemask_edge.config import ComplianceConfig
from facemask_edge.identifiers import uuid7
from facemask_edge.values import Label, Look, Track, Verdict, Violation

CERTAIN_LOG_ODDS = 3.0
"""What one observation counts at the most; reached at a probability of 0.953."""
EVIDENCE_CAP = 1.5
"""The evidence is capped at this many decisions."""
PROBABILITY_CLIP = 1 / 512
"""Half a step of an int8 probability: 0 and 1 only mean nearer than the model can say."""
SMOOTHING = 0.2
"""Weight of the newest observation in a track's probability."""
LARGE = 1.5
"""Height of a face, in heights of the smallest that counts, from which on its size takes no weight away."""
SHARP = 0.15
"""Sharpness from which on a face loses no weight.

Of 947 such looks at plain and blurred faces of 32 px and more 0.8 % are wrong, of 1,507 at less sharp ones 4.6 %, of
those at bare faces 14 % (``python -m tests.measure_sharpness DATA/scenes``).
"""
SURE = 0.8
"""Detector score from which on a face loses no weight: of less, it is often half hidden or turned away."""
TELLING = 1.0
"""Log-odds of a look from which on it tells something: a third of what counts at the most."""
LEAST_TOLD = 0.1
"""Weighted log-odds of less than which a look tells nothing, however certain it is: hardly anything is to be seen."""
WAVERING = 1 / 3
"""The part of all that looks told which is left as evidence, of less than which they contradicted each other."""
PATIENCE = 3
"""An undecided face is looked at in every frame until this many times the observations that a decision needs told
nothing one after the other (a helmet, a poster, the back of a head); then as rarely as decided ones."""
RECHECKS = 1
"""Looks a frame at the most at decided faces, and at those that patience has run out for: a crowd that is decided costs
hardly more than a few people."""
REFUSALS = 3
"""What was no face at so many closer looks is looked at as rarely as decided faces."""
CLOSER_LOOKS = 3
"""Closer looks a frame at the most: each costs as much as finding all faces, and a frame later will do."""
OVERDUE = 2.0
"""Seconds after which a face is looked at again even when there is more urgent work."""


@dataclass(slots=True)
class _Person:
    """What is known of one track."""

    track: Track
    first_seen: float
    last_seen: float
    evidence: float = 0.0
    label: Label = Label.UNDETERMINED
    probability: float | None = None
    observations: int = 0
    last_looked: float = -math.inf
    told: float = 0.0
    """What the newest look added to the evidence."""
    told_in_all: float = 0.0
    """What all looks told, whichever way."""
    told_nothing: int = 0
    """Looks one after the other that told nothing."""
    refusals: int = 0
    """Closer looks at which it was no face, since it was decided about last."""
    violation: Violation | None = None
    quiet_until: float = -math.inf

    @property
    def is_contradicted(self) -> bool:
        """Whether the newest look spoke against the label."""
        against = {Label.MASK: self.told, Label.NO_MASK: -self.told}
        return self.told_nothing == 0 and against.get(self.label, 0.0) > 0

    def verdict(self) -> Verdict:
        return Verdict(self.track, self.label, self.probability, self.observations)


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
        self.is_doubtful = False
        """Whether nobody knows if those in view are the same as before: then no violation starts or ends for what is
        seen. It does when the doubt is over, if the person is in view then."""
        self._decision = CERTAIN_LOG_ODDS * config.min_observations
        self._patience = PATIENCE * config.min_observations
        self._people: dict[str, _Person] = {}
        self._in_view: list[_Person] = []
        self._turn = self._closer_looks = 0

    def worth_classifying(self, tracks: Sequence[Track], timestamp: float, budget: int) -> list[Track]:
        """The tracks to classify in this frame, most urgent first.

        Urgent are those whose last look spoke against the decision, then undecided ones: who was begun with comes
        first, the nearest to a decision, because a few looks at everybody decide about nobody, then who is new, the
        newest first, because who was in view for long will be gone before it is decided, then who is as undecided as
        before, and whose looks contradict a decision but weakly. Then come one of those that many looks told nothing
        about and one of the decided ones, each the one not looked at for longest, the one of both first for which that
        is longer ago. One that was not looked at for long comes before the urgent ones; with a budget of one, every
        third time.

        Args:
            tracks: All that may be classified.
            timestamp: Time of the frame in seconds.
            budget: How many at the most.
        """
        self._turn += budget > 0
        urgent: list[tuple[float, float, Track]] = []
        unclear: list[tuple[float, Track]] = []
        settled: list[tuple[float, Track]] = []
        overdue: list[tuple[float, Track]] = []
        for track in tracks:
            person = self._people.get(track.id)
            is_settled = person is not None and person.label is not Label.UNDETERMINED
            # Who was decided about must not change for what somebody else looks like.
            if track.box.height < self.min_face_height or (self.is_doubtful and is_settled):
                continue
            if person is None or not person.observations:
                first_seen = timestamp if person is None else person.first_seen
                urgent.append((0.0, -first_seen, track))
                if timestamp - first_seen >= OVERDUE:
                    overdue.append((first_seen, track))
                continue
            if timestamp - person.last_looked >= OVERDUE:
                overdue.append((person.last_looked, track))
            if self._is_urgent(person):
                urgent.append((self._rank(person), person.last_looked, track))
            elif timestamp - person.last_looked >= self._config.recheck_interval:
                waiting = unclear if person.label is Label.UNDETERMINED else settled
                waiting.append((person.last_looked, track))
        longest = itemgetter(0)
        # With a budget of one, every third time: neither may starve.
        before = heapq.nsmallest(1, overdue, longest) if budget > 1 or not self._turn % 3 else []
        again = (one for group in (settled, unclear) for one in heapq.nsmallest(RECHECKS, group, longest))
        first = [track for *_, track in sorted(urgent, key=itemgetter(0, 1))]
        in_turn = [*(track for _, track in before), *first, *(track for _, track in sorted(again, key=longest))]
        return list({track.id: track for track in in_turn}.values())[:budget]

    def _is_urgent(self, person: _Person) -> bool:
        is_open = person.label is Label.UNDETERMINED or person.is_contradicted
        is_hopeless = person.told_nothing >= self._patience or person.refusals >= REFUSALS
        return is_open and not is_hopeless

    def _rank(self, person: _Person) -> float:
        """The smaller, the more urgent; that of a new face is 0."""
        if person.label is not Label.UNDETERMINED:
            # Weak looks need many to change a mind.
            return -math.inf if abs(person.told) >= TELLING else 1.0
        evidence = abs(person.evidence)
        left = min(WAVERING * person.told_in_all, self._decision)
        is_wavering = person.observations >= self._patience and evidence < left
        return 1.0 if evidence < LEAST_TOLD or is_wavering else -evidence

    def update(
        self,
        tracks: Sequence[Track],
        looks: Mapping[str, Look],
        timestamp: float,
        is_face: Callable[[Track], bool] = lambda _: True,
    ) -> list[Violation]:
        """Take in one frame.

        Args:
            tracks: All tracks in view in this frame.
            looks: By track id, at those that were classified.
            timestamp: Time of the frame in seconds.
            is_face: A closer look at a track that was classified in this frame: whether it is a face. Asked before it
                becomes ``no_mask``; what is none has to gather its evidence anew.

        Returns:
            The violations that start or end with this frame.
        """
        # First of all: after a long time without frames, nobody is still there.
        events = self._forget_the_gone(timestamp)
        self._in_view = [self._seen(track, timestamp) for track in tracks]
        self._closer_looks = CLOSER_LOOKS
        for person in self._in_view:
            if person.track.id in looks:
                self._observe(person, looks[person.track.id], timestamp)
                self._decide(person, is_face)
            if self.is_doubtful:
                continue
            if person.label is Label.NO_MASK and person.violation is None and timestamp >= person.quiet_until:
                events.append(self._start(person, timestamp))
            elif person.label is Label.MASK and person.violation is not None:
                events.append(self._end(person, timestamp, "mask_on"))
        return events

    def closer_looks_ahead(self, tracks: Sequence[Track]) -> int:
        """How many closer looks this frame may take: at those whom one look more may take there.

        Args:
            tracks: All that may be classified.
        """
        near = self._decision - CERTAIN_LOG_ODDS
        people = [self._people[track.id] for track in tracks if track.id in self._people]
        ahead = (
            person.evidence >= max(near, LEAST_TOLD)
            and person.label is not Label.NO_MASK
            and person.track.box.height >= self.min_face_height
            and self._is_urgent(person)
            for person in people
        )
        return min(sum(ahead), CLOSER_LOOKS)

    def verdicts(self) -> list[Verdict]:
        """What is thought of each track that is in view in the newest frame."""
        return [person.verdict() for person in self._in_view]

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
        return events

    def _seen(self, track: Track, timestamp: float) -> _Person:
        person = self._people.setdefault(track.id, _Person(track, timestamp, timestamp))
        person.track = track
        person.last_seen = timestamp
        return person

    def _observe(self, person: _Person, look: Look, timestamp: float) -> None:
        person.observations += 1
        person.last_looked = timestamp
        previous = look.probability if person.probability is None else person.probability
        # The plain mean at first, so that the first observation does not weigh more than the ones after it.
        newest = max(SMOOTHING, 1 / person.observations)
        person.probability = previous + newest * (look.probability - previous)
        log_odds = _log_odds(look.probability) - _log_odds(self.threshold)
        certainty = max(-CERTAIN_LOG_ODDS, min(CERTAIN_LOG_ODDS, log_odds))
        cap = EVIDENCE_CAP * self._decision
        told = self._weight(person.track, look) * certainty
        is_telling = abs(certainty) >= TELLING and abs(told) >= LEAST_TOLD
        person.evidence = max(-cap, min(cap, person.evidence + told))
        person.told = told
        person.told_in_all += abs(told)
        person.told_nothing = 0 if is_telling else person.told_nothing + 1

    def _decide(self, person: _Person, is_face: Callable[[Track], bool]) -> None:
        if person.evidence >= self._decision and person.label is not Label.NO_MASK:
            if not self._closer_looks:
                return
            self._closer_looks -= 1
            if not is_face(person.track):
                person.evidence = 0.0
                person.refusals += 1
        if abs(person.evidence) >= self._decision:
            person.label = Label.NO_MASK if person.evidence > 0 else Label.MASK
            person.refusals = 0

    def _weight(self, track: Track, look: Look) -> float:
        """How much a look counts, 0..1, by how well the face was to be seen."""
        size = track.box.height / (LARGE * self.min_face_height)
        return min(1.0, size) * min(1.0, look.sharpness / SHARP) * min(1.0, track.score / SURE)

    def _start(self, person: _Person, timestamp: float) -> Violation:
        person.violation = Violation(
            "violation_start",
            self._new_id(),
            person.track,
            person.probability or 0.0,
            person.observations,
            timestamp,
        )
        return person.violation

    def _end(self, person: _Person, timestamp: float, reason: str) -> Violation:
        assert person.violation is not None  # noqa: S101 - for mypy; callers checked it
        ended = _ended(person.violation, person, timestamp, reason)
        person.violation = None
        person.quiet_until = timestamp + self._config.cooldown
        return ended

    def _forget_the_gone(self, timestamp: float) -> list[Violation]:
        gone = [person for person in self._people.values() if timestamp - person.last_seen > self._config.leave_after]
        for person in gone:
            del self._people[person.track.id]
        return [self._end(person, person.last_seen, "left") for person in gone if person.violation is not None]


def _ended(started: Violation, person: _Person, timestamp: float, reason: str) -> Violation:
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


def _log_odds(probability: float) -> float:
    clipped = max(PROBABILITY_CLIP, min(1 - PROBABILITY_CLIP, probability))
    return math.log(clipped / (1 - clipped))
