"""A short version of ``python -m tests.fuzz``, and every input that was once too much."""

from pathlib import Path

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.targets import TARGETS, Target, target_of

REGRESSIONS = sorted(Path(__file__).parent.glob("regressions/*/*"))
INPUTS = 300


@pytest.mark.parametrize("file", REGRESSIONS, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_was_once_too_much_is_not(file: Path, tmp_path: Path) -> None:
    target_of(file.parent.name).read(file.read_bytes(), tmp_path)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutated_inputs_are_survived(target: Target) -> None:
    pytest.importorskip("atheris", reason="atheris has no wheel for this machine")
    result = fuzz(target, inputs=INPUTS, seed=0)
    assert result.fault is None, result.fault
    assert result.inputs >= INPUTS
    assert result.reached > 0.3
