"""What TensorFlow has to say stays off the user's terminal."""

import subprocess
import sys

import pytest

pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")
pytestmark = pytest.mark.converter

TRACED_OFTEN = """
from converter.tensorflow_quietly import tf
for size in range(9):
    tf.function(lambda values: values + 1)(tf.zeros(size + 1))
"""


def test_hints_for_programmers_are_not_shown() -> None:
    run = subprocess.run([sys.executable, "-c", TRACED_OFTEN], capture_output=True, text=True, check=True, timeout=120)
    assert (run.stdout, run.stderr) == ("", "")
