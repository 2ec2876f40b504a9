from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rollouts.operator import Operator, operator


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Operator]:
    """An operator whose web server runs; there is no rollout yet."""
    folder = tmp_path / "operator"
    folder.mkdir()
    with operator(folder) as made:
        yield made
