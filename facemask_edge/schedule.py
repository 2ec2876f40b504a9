"""Chooses whom to look at in each frame, so that the cost does not grow with the crowd and nobody is forgotten."""

import math
from collections.abc import Mapping, Sequence
from operator import itemgetter

from facemask_edge.person import CERTAIN_LOG_ODDS, LEAST_TOLD, TELLING, Person
from facemask_edge.values import Label, Track

PATIENCE = 3
"""An undecided face is looked at in every frame until this many times the looks that a decision needs told nothing one
after the other (a helmet, a poster, the back of a head); then as rarely as decided ones."""
RECHECKS = 1
"""Looks a frame at the most at decided faces, and at those that patience has run out for: a crowd that is decided costs
hardly more than a few people."""
REFUSALS = 3
"""What was no face at so many closer looks is looked at as rarely as decided faces."""
OVERDUE = 2.0
"""Seconds after which a face is looked at again even when there is more urgent work."""
NEW = 2
"""A new face is as urgent as one that needs this many times the certain looks of a decision: some will be blurred."""


class Schedule:
    """The order of looks of one camera.

    Args:
        min_observations: Certain looks that a decision needs.
        recheck_interval: Seconds after which a decided face is looked at again.
    """

    def __init__(self, *, min_observations: int, recheck_interval: float) -> None:
        self._decision = CERTAIN_LOG_ODDS * min_observations
        self._patience = PATIENCE * min_observations
        self._new = NEW * min_observations
        self._recheck_interval = recheck_interval
        self._turn = 0

    def next(self, tracks: Sequence[Track], people: Mapping[str, Person], timestamp: float, budget: int) -> list[Track]:
        """The tracks to classify in this frame, most urgent first.

        Urgent are those whose last look spoke clearly against the decision, then undecided ones. Of both, who is
        nearest to a decision comes first, because a few looks at everybody decide about nobody: who needs the fewest
        looks like those of late. Of new faces the newest comes first, because who was in view for long will be gone
        before it is decided. Then come, urgent as well, those whose looks of late tell nothing together, and whose
        looks contradict a decision but weakly; after them one of those that many looks told nothing about and one of
        the decided ones, each the one not looked at for longest, the one of both first for which that is longer ago.
        One that was not looked at for long comes before the urgent ones; with a budget of one, every third time.

        Args:
            tracks: All that may be classified.
            people: By track id, what is known of whoever was seen before.
            timestamp: Time of the frame in seconds.
            budget: How many at the most.
        """
        self._turn += budget > 0
        urgent: list[tuple[tuple[int, float], float, Track]] = []
        unclear: list[tuple[float, Track]] = []
        settled: list[tuple[float, Track]] = []
        overdue: list[tuple[float, Track]] = []
        for track in tracks:
            person = people.get(track.id)
            if person is None or not person.observations:
                first_seen = timestamp if person is None else person.first_seen
                urgent.append(((1, self._new), -first_seen, track))
                if timestamp - first_seen >= OVERDUE:
                    overdue.append((first_seen, track))
                continue
            if timestamp - person.last_looked >= OVERDUE:
                overdue.append((person.last_looked, track))
            if self._is_urgent(person):
                urgent.append((self._rank(person), person.last_looked, track))
            elif timestamp - person.last_looked >= self._recheck_interval:
                waiting = settled if person.is_decided else unclear
                waiting.append((person.last_looked, track))
        longest = itemgetter(0)
        # With a budget of one, every third time: neither may starve.
        before = sorted(overdue, key=longest)[:1] if budget > 1 or not self._turn % 3 else []
        again = [*sorted(settled, key=longest)[:RECHECKS], *sorted(unclear, key=longest)[:RECHECKS]]
        first = [track for *_, track in sorted(urgent, key=itemgetter(0, 1))]
        in_turn = [*(track for _, track in before), *first, *(track for _, track in sorted(again, key=longest))]
        return list({track.id: track for track in in_turn}.values())[:budget]

    def closer_looks_ahead(self, tracks: Sequence[Track], people: Mapping[str, Person]) -> int:
        """How many faces one look more may take to a closer look.

        Args:
            tracks: All that may be classified.
            people: By track id, what is known of whoever was seen before.
        """
        near = self._decision - CERTAIN_LOG_ODDS
        known = [people.get(track.id) for track in tracks]
        return sum(
            near <= 0
            if person is None
            else person.evidence >= near and person.label is not Label.NO_MASK and self._is_urgent(person)
            for person in known
        )

    def _is_urgent(self, person: Person) -> bool:
        is_open = not person.is_decided or person.is_contradicted
        is_hopeless = person.told_nothing >= self._patience or person.refusals >= REFUSALS
        return is_open and not is_hopeless

    def _rank(self, person: Person) -> tuple[int, float]:
        """The smaller, the more urgent."""
        if person.is_decided:
            # What is left of the evidence for the label is what still has to be undone; weak looks need many for it.
            left = person.evidence if person.label is Label.NO_MASK else -person.evidence
            return (0, left) if abs(person.told) >= TELLING else (2, 0.0)
        if abs(person.told_of_late) < LEAST_TOLD * person.telling or not person.telling:
            return 2, 0.0
        # Looks like those of late bring the evidence to the decision that they speak for.
        left = self._decision - math.copysign(1, person.told_of_late) * person.evidence
        return 1, left * person.telling / abs(person.told_of_late)
