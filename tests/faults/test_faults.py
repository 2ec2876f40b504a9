from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_and_nothing_invented(scenario: Scenario, tmp_path: Path) -> None:
    outcome = scenario.inject(tmp_path, scenario.short, 0)
    assert outcome.is_good, outcome
