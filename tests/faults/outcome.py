"""What a subscriber got, held against what a device decided."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema

from facemask_edge.messages import SCHEMA_FILE
from tests.faults.running import Happening

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


@dataclass(slots=True)
class Outcome:
    """One line of the table."""

    fault: str
    tries: int = 0
    decided: int = 0
    """Starts and ends that a device said it had recorded."""
    delivered: int = 0
    """Different ones that arrived."""
    lost: int = 0
    """Recorded but not delivered, or started but never ended."""
    invented: int = 0
    """Delivered but never decided, under two keys, unordered, or not as the schema says."""
    duplicates: int = 0
    """Delivered more than once under the same key."""
    recovery: float | None = None
    """The longest time in seconds from the fault's end to the delivery of all."""
    remark: str = ""
    details: str = ""
    """What of the invented is what."""

    def add(self, other: "Outcome") -> None:
        """Add another try of the same fault."""
        self.tries += other.tries
        self.decided += other.decided
        self.delivered += other.delivered
        self.lost += other.lost
        self.invented += other.invented
        self.duplicates += other.duplicates
        self.recovery = max(
            (seconds for seconds in (self.recovery, other.recovery) if seconds is not None), default=None
        )
        self.remark = other.remark or self.remark
        self.details = "; ".join(filter(None, (self.details, other.details)))

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost and nothing invented."""
        return self.decided > 0 and self.lost == 0 and self.invented == 0


def compare(  # noqa: PLR0913 - one for each column of the table
    fault: str,
    events: Sequence[dict[str, Any]],
    *,
    recorded: Iterable[Happening],
    decided: Iterable[Happening] | None = None,
    are_open: Iterable[str] = (),
    recovery: float | None = None,
) -> Outcome:
    """Hold what arrived against what should have.

    Args:
        fault: Its name.
        events: Payloads in the order they arrived, duplicates included.
        recorded: What devices said was recorded.
        decided: What devices said they decided; None where they do not say: then only recorded starts count.
        are_open: Ids of violations that are not expected to have ended.
        recovery: See ``Outcome``.
    """
    recorded = set(recorded)
    keys: dict[Happening, set[tuple[str, int]]] = {}
    counted: Counter[tuple[str, int]] = Counter()
    malformed = 0
    order: dict[str, int] = {}
    disordered = 0
    for event in events:
        malformed += not VALIDATOR.is_valid(event)
        key = event["stream"], event["sequence"]
        counted[key] += 1
        happening = Happening(event["id"], event["event_type"])
        is_new = key not in keys.get(happening, ())
        keys.setdefault(happening, set()).add(key)
        if is_new:
            disordered += event["sequence"] < order.get(event["stream"], 0)
            order[event["stream"]] = event["sequence"]
    started = {happening.id for happening in keys if happening.kind == "violation_start"}
    ended = {happening.id for happening in keys if happening.kind == "violation_end"}
    lost = recorded - keys.keys()
    never_ended = started - ended - set(are_open)
    unknown = ended - started
    if decided is not None:
        # A violation that was recorded is ended by the next start of the program, without being decided again.
        known = {happening.id for happening in decided}
        unknown |= {happening.id for happening in keys if happening.id not in known}
    twice = sum(len(found) - 1 for found in keys.values())
    kinds = {"unknown": len(unknown), "under two keys": twice, "malformed": malformed, "out of order": disordered}
    return Outcome(
        fault,
        tries=1,
        decided=len(recorded),
        delivered=len(keys),
        lost=len(lost) + len(never_ended),
        invented=len(unknown) + twice + malformed + disordered,
        duplicates=sum(times - 1 for times in counted.values()),
        recovery=recovery,
        details=", ".join(f"{number} {kind}" for kind, number in kinds.items() if number),
    )


def arrived(events: Iterable[dict[str, Any]]) -> set[Happening]:
    """What is in events that a subscriber got."""
    return {Happening(event["id"], event["event_type"]) for event in events}
