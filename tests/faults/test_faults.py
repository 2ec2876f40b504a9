import shutil
from pathlib import Path

import pytest

from tests.faults.camera_faults import RTSP_PACKAGES, rtsp_is_there
from tests.faults.scenarios import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_and_nothing_invented(scenario: Scenario, tmp_path: Path) -> None:
    if scenario.name.startswith("rtsp") and not rtsp_is_there():
        pytest.skip(f"the Debian packages {RTSP_PACKAGES} are not installed; run: sudo apt install {RTSP_PACKAGES}")
    if scenario.name.startswith(("model", "edge_tpu")) and not shutil.which("gcc"):
        pytest.skip("the Debian package gcc is not installed; run: sudo apt install gcc libc6-dev")
    outcome = scenario.inject(tmp_path, scenario.short, 0)
    assert outcome.is_good, outcome
