"""What the doctor found out about one thing."""

from dataclasses import dataclass
from enum import StrEnum

from facemask_edge.errors import ConfigError
from facemask_edge.redaction import printable


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


def ok(subject: str, says: str) -> Finding:
    """All is well."""
    return Finding(subject, State.OK, printable(says))


def warning(subject: str, says: str, advice: str) -> Finding:
    """It could be better."""
    return Finding(subject, State.WARNING, printable(says), printable(advice))


def problem(subject: str, says: str, advice: str) -> Finding:
    """It cannot stay so."""
    return Finding(subject, State.PROBLEM, printable(says), printable(advice))


def secret_or_configuration(error: ConfigError) -> Finding:
    """A secret that only the daemon may read, or else a mistake in the configuration."""
    if isinstance(error.__cause__, PermissionError):
        # systemd hands it to the daemon all the same.
        return warning("permissions", str(error), "chown root:facemask-edge and chmod 640: this wants to try it")
    return problem("configuration", str(error), "correct it")
