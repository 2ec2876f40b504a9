from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from facemask_edge.rollouts import trial, try_out
from facemask_edge.rollouts.trial import standing
from tests.conftest import Mosquitto
from tests.motion_jpeg import MotionJpeg
from tests.rollouts.device import WELL, Device, NewDevice
from tests.rollouts.operator import Operator, operator
from tests.subscriber import wait_until


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Operator]:
    """An operator whose web server runs; there is no rollout yet."""
    folder = tmp_path / "operator"
    folder.mkdir()
    with operator(folder) as made:
        yield made


def proves_itself_soon(*args: Any, probation: float, **settings: Any) -> str | None:
    """As the real one, in less time than can be configured: all is well sooner here, or never."""
    return trial.proves_itself(*args, probation=0.6 * probation, **settings)


@pytest.fixture
def new_device(
    tmp_path: Path,
    fleet: Operator,
    mosquitto: Mosquitto,
    stream: tuple[str, type[MotionJpeg]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[NewDevice]:
    """Makes a device whose daemon watches a camera and reports to a broker."""
    made: list[Device] = []
    # Nothing here takes longer; tests/system waits as long as a device does.
    monkeypatch.setattr(trial, "QUIET", 3.0)
    monkeypatch.setattr(trial, "SETTLING", 8.0)
    monkeypatch.setattr(try_out, "proves_itself", proves_itself_soon)
    # Those that say so have the second one, too.
    monkeypatch.setattr(try_out, "TRIALS", 1)

    def new(**settings: Any) -> Device:
        made.append(Device(tmp_path, fleet, mosquitto, stream[0], **settings))
        assert made[-1].restart()
        assert wait_until(lambda: standing(made[-1]) == WELL, 30)
        return made[-1]

    yield new
    for device in made:
        device.close()
