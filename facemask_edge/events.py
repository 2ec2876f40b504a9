"""What the outbox holds: events, and how they change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

DAMAGED = "damaged on the disk"
"""Why an event whose checksum is wrong is a dead letter."""
NAMED = ("camera", "event_type", "id", "reason")
"""What of an event the log says."""


class Key(NamedTuple):
    """Names an event: with the device's name, what subscribers remove duplicates by."""

    stream: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be told to the world."""

    topic: str
    payload: Mapping[str, Any]
    """JSON without ``stream`` and ``sequence``, which the outbox gives it; ``id`` is the violation's."""
    ending: Mapping[str, Any] | None = None
    """Of a violation's start: the payload of its end, should the process end first."""

    def __str__(self) -> str:
        """For the log: camera, kind, violation, and the reason of an end."""
        return " ".join(str(self.payload[name]) for name in NAMED if name in self.payload) or self.topic


@dataclass(slots=True)
class Changes:
    """All that one commit does, or does not."""

    events: list[Event] = field(default_factory=list)
    still_open: dict[str, Event] = field(default_factory=dict)
    """By violation: its end, should the process end now."""
    delivered: list[Key] = field(default_factory=list)
    dead: dict[Key, str] = field(default_factory=dict)
    """Events that can never be delivered, and why."""
    revived: list[int] = field(default_factory=list)
    """Positions of dead letters that are to be tried again."""
    sent_up_to: int = 0
    """Position up to which events may be on their way: the last ones to be dropped for want of room."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.events or self.still_open or self.delivered or self.dead or self.revived)


@dataclass(frozen=True, slots=True)
class Message:
    """One event in the outbox."""

    position: int
    """Order of delivery; also the number by which ``facemask-edge outbox`` names it."""
    key: Key
    topic: str
    payload: bytes
    """JSON, UTF-8, complete."""
    recorded: float
    """When it was written, in seconds since 1970 by the device's clock."""
    dead_reason: str | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether what is stored is not what was written; nothing but its position is known then."""
        return self.dead_reason == DAMAGED
