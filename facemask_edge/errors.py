"""The errors a user can act on, each with the exit code it ends a program with.

Every message is one sentence that says what is wrong and what to do. Exit codes follow sysexits.h and are
documented in docs/cli.md.
"""

from typing import ClassVar


class FacemaskError(Exception):
    """Base of all errors that a user can act on; printed as one sentence, never as a traceback."""

    exit_code: ClassVar[int] = 70


class InputError(FacemaskError):
    """A picture, video, folder or camera that cannot be read."""

    exit_code = 66


class ServiceError(FacemaskError):
    """What this command cannot do without is not there now (a broker for ``demo``, an Edge TPU)."""

    exit_code = 69


class OutputError(FacemaskError):
    """A file or folder that cannot be written."""

    exit_code = 73


class DeliveryError(FacemaskError):
    """A recording was judged, but not every violation was acknowledged in time; they stay in the outbox."""

    exit_code = 75


class ConfigError(FacemaskError):
    """A wrong key or value in the configuration."""

    exit_code = 78


class ModelError(FacemaskError):
    """A model file that is missing, damaged, not in its manifest or not loadable."""

    exit_code = 78
