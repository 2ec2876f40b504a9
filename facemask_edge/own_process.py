"""Runs Python in a process of its own, for what may end the process or never come back: the Edge TPU's library."""

import subprocess
import sys
from collections.abc import Sequence


class OwnProcessError(Exception):
    """It did not do what it was to do; the text says why, without a full stop."""


def in_own_process(arguments: Sequence[str], *, patience: float, told: str = "") -> str:
    """What the interpreter prints that runs this.

    Args:
        arguments: Of the interpreter: ``-c`` or ``-m``, and so on.
        patience: Seconds it may take.
        told: Its standard input.

    Raises:
        OwnProcessError: It ended badly, or not at all.
    """
    # -P: what lies in the current folder is not ours.
    command = [sys.executable, "-P", *arguments]
    try:
        done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=patience, check=False)  # noqa: S603 - our own code
    except subprocess.TimeoutExpired as error:
        raise OwnProcessError(f"it does not answer within {patience:.0f} s") from error
    if done.returncode < 0:
        raise OwnProcessError(f"its library ended the program (signal {-done.returncode})")
    if done.returncode > 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise OwnProcessError(last[0].rpartition("Error: ")[2])
    return done.stdout
