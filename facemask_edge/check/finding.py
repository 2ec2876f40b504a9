"""What the doctor found out about one thing."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """The daemon works, perhaps not as well as it could."""
    PROBLEM = "problem"
    """The daemon does not work, or not for long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's table."""

    subject: str
    state: State
    says: str
    """What was found, without any password."""
    advice: str = ""
    """What to do about it; empty where all is well."""


def plain(text: str) -> str:
    """A text, parts of which a broker or a camera may have written, without what a terminal would obey."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def ok(subject: str, says: str) -> Finding:
    """All is well."""
    return Finding(subject, State.OK, plain(says))


def warning(subject: str, says: str, advice: str) -> Finding:
    """It could be better."""
    return Finding(subject, State.WARNING, plain(says), plain(advice))


def problem(subject: str, says: str, advice: str) -> Finding:
    """It cannot stay so."""
    return Finding(subject, State.PROBLEM, plain(says), plain(advice))
