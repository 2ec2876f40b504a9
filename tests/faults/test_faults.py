import shutil
from pathlib import Path

import pytest

from tests.faults.camera_faults import skip_without_rtsp
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_and_nothing_invented(scenario: Scenario, tmp_path: Path) -> None:
    if scenario.name.startswith("rtsp"):
        skip_without_rtsp()
    if scenario.name.startswith(("model", "edge_tpu")) and not shutil.which("gcc"):
        pytest.skip("the Debian package gcc is not installed; run: sudo apt install gcc libc6-dev")
    outcome = scenario.inject(tmp_path, scenario.short, 0)
    assert outcome.is_good, outcome
