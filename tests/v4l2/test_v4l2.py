"""A real V4L2 device: Debian's kernel with its driver ``vivid``, in a virtual machine."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.v4l2.virtual_machine import fetch_kernel, run, why_not

TIMEOUT = 400.0


@pytest.mark.timeout(TIMEOUT + 120)
def test_what_is_tried_in_the_virtual_machine(tmp_path: Path) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    try:
        kernel = fetch_kernel(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"Debian's kernel cannot be fetched: {error.stderr.strip()}")
    python = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color", "no"]
    python.append("tests/v4l2/guest.py")
    # The root is read only there.
    command = f"cd {shlex.quote(str(ROOT))} && TMPDIR=/dev/shm HOME=/dev/shm {shlex.join(python)}"
    code, console = run(kernel, command, timeout=TIMEOUT)
    print(console)
    assert code == 0
