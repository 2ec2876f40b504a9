"""What the running daemon last said about itself on the topic ``health``, as far as it can be believed."""

import datetime as dt
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

LATE = 2
"""Intervals after which a message is too old."""
MARGIN = 30.0
"""Seconds more, for a broker that was away."""


def newest(messages: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Of what several brokers keep, the newest; a broker that the device has left keeps an old one for ever."""
    return max(messages, key=lambda message: _time(message) or dt.datetime.min.replace(tzinfo=dt.UTC), default=None)


def is_current(message: dict[str, Any], interval: float, now: dt.datetime | None = None) -> bool:
    """Whether it is from this device's present.

    Args:
        message: As it came.
        interval: Seconds between two messages.
        now: The time, which the daemon's clock has, too.
    """
    told = _time(message)
    age = None if told is None else ((now or dt.datetime.now(dt.UTC)) - told).total_seconds()
    return age is not None and abs(age) <= LATE * interval + MARGIN


def part(message: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of it; empty where there is none."""
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def _time(message: dict[str, Any]) -> dt.datetime | None:
    try:
        time = dt.datetime.fromisoformat(str(message.get("time")))
    except ValueError:
        return None
    return time if time.tzinfo else None


def object_of(payload: object) -> dict[str, Any] | None:
    """What a message holds, if it is a JSON object."""
    with suppress(ValueError, RecursionError):
        found = json.loads(payload) if isinstance(payload, bytes) else None
        return found if isinstance(found, dict) else None
    return None
