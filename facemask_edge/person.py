"""What is known of one person: where they are, and what the looks at their face tell together.

Each look adds its log-odds of ``no_mask``, clipped and weighted by how well the face was to be seen (its size, its
sharpness, the detector's score), to the evidence: the sum of log-odds is the naive Bayes combination of independent
observations. It is capped, so that a change of mind takes some looks and not as long as the person already stood there.
"""

import math
from dataclasses import dataclass

from facemask_edge.values import Label, Look, Track, Verdict, Violation

CERTAIN_LOG_ODDS = 3.0
"""What one look counts at the most; reached at a probability of 0.953."""
EVIDENCE_CAP = 1.5
"""The evidence is capped at this many decisions."""
PROBABILITY_CLIP = 1 / 512
"""Half a step of an int8 probability: 0 and 1 only mean nearer than the model can say."""
SMOOTHING = 0.2
"""Weight of the newest look in the probability."""
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

FADING = 0.7
"""What a look counts of the one after it where it is asked what the next ones will tell: who comes nearer is seen
better."""


@dataclass(slots=True)
class Person:
    """What is known of one track; times in seconds, evidence in log-odds."""

    track: Track
    first_seen: float
    last_seen: float
    last_there: float
    """Later than they were seen where they went to the edge of where faces are ignored."""
    evidence: float = 0.0
    label: Label = Label.UNDETERMINED
    probability: float | None = None
    observations: int = 0
    last_looked: float = -math.inf
    told: float = 0.0
    """What the newest look added to the evidence."""
    telling: float = 0.0
    """Looks of late at which something was to be seen: each counts ``FADING`` of the one after it."""
    told_of_late: float = 0.0
    """What these looks added to the evidence, likewise."""
    told_nothing: int = 0
    """Looks one after the other that told nothing."""
    refusals: int = 0
    """Closer looks at which it was no face, since it was decided about last."""
    violation: Violation | None = None
    quiet_until: float = -math.inf
    """No violation starts before."""

    @property
    def is_decided(self) -> bool:
        """Whether it is known what the person wears."""
        return self.label is not Label.UNDETERMINED

    @property
    def is_contradicted(self) -> bool:
        """Whether the newest look spoke against the label."""
        against = {Label.MASK: self.told, Label.NO_MASK: -self.told}
        return self.told_nothing == 0 and against.get(self.label, 0.0) > 0

    @property
    def is_unreported(self) -> bool:
        """Whether a violation is to start."""
        return self.label is Label.NO_MASK and self.violation is None and self.last_seen >= self.quiet_until

    def take_in(
        self, look: Look, timestamp: float, *, threshold: float, min_face_height: float, decision: float
    ) -> None:
        """Add a look at the face to what is known.

        Args:
            look: What the classifier said, and how sharp the face was.
            timestamp: Time of the frame in seconds.
            threshold: Probability that speaks for neither.
            min_face_height: Of the smallest face that counts, in pixels.
            decision: Evidence that a decision needs, in log-odds.
        """
        self.observations += 1
        self.last_looked = timestamp
        previous = look.probability if self.probability is None else self.probability
        # The plain mean at first, so that the first look does not weigh more than the ones after it.
        newest = max(SMOOTHING, 1 / self.observations)
        self.probability = previous + newest * (look.probability - previous)
        log_odds = _log_odds(look.probability) - _log_odds(threshold)
        certainty = max(-CERTAIN_LOG_ODDS, min(CERTAIN_LOG_ODDS, log_odds))
        cap = EVIDENCE_CAP * decision
        told = _weight(self.track, look, min_face_height) * certainty
        is_telling = abs(certainty) >= TELLING and abs(told) >= LEAST_TOLD
        self.evidence = max(-cap, min(cap, self.evidence + told))
        self.told = told
        is_seen = abs(told) >= LEAST_TOLD
        self.telling = FADING * self.telling + is_seen
        self.told_of_late = FADING * self.told_of_late + told * is_seen
        self.told_nothing = 0 if is_telling else self.told_nothing + 1

    def refuse(self) -> None:
        """A closer look found no face there: the evidence is gathered anew."""
        self.evidence = self.telling = self.told_of_late = 0.0
        self.refusals += 1

    def verdict(self) -> Verdict:
        """What is thought of the person now."""
        return Verdict(self.track, self.label, self.probability, self.observations)


def _weight(track: Track, look: Look, min_face_height: float) -> float:
    """How much a look counts, 0..1, by how well the face was to be seen."""
    size = track.box.height / (LARGE * min_face_height)
    return min(1.0, size) * min(1.0, look.sharpness / SHARP) * min(1.0, track.score / SURE)


def _log_odds(probability: float) -> float:
    clipped = max(PROBABILITY_CLIP, min(1 - PROBABILITY_CLIP, probability))
    return math.log(clipped / (1 - clipped))
