import pytest

from facemask_edge.cameras.status import CameraState
from facemask_edge.check.cameras import check_cameras
from facemask_edge.config import Config
from facemask_edge.pipeline import Models


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (CameraState.OK, "ok"),
        (CameraState.ENDED, "ok"),
        (CameraState.OFF, "warning"),
        (CameraState.LOST, "problem"),
        (CameraState.FROZEN, "problem"),
        ("of another version", "problem"),
    ],
)
def test_what_the_daemon_says_of_its_camera_is_repeated(state: str, found: str) -> None:
    config = Config()
    told = {"camera": {"state": state, "reason": None, "width": 640, "height": 480, "judged": 7}}
    (finding,) = check_cameras(config, Models(config), told)
    assert (finding.subject, finding.state) == ("camera camera", found)
    assert (finding.advice == "") is (found == "ok")
