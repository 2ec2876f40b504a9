"""The doctor, of what a fleet's operator delivers."""

from pathlib import Path

import pytest

from facemask_edge.check.finding import State
from facemask_edge.check.rollout import check_rollout
from facemask_edge.config import Config
from tests.rollouts.operator import Operator, operator


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({"rollout": {"url": "https://127.0.0.1:1", "trust": str(tmp_path / "trust.json")}})


def test_who_belongs_to_no_fleet_hears_nothing_of_it() -> None:
    assert list(check_rollout(Config())) == []


def test_it_says_what_is_there(tmp_path: Path) -> None:
    with operator(tmp_path) as fleet:
        fleet.write("fleet/10.yaml", "device: {}\n")
        fleet.publish()
        (finding,) = check_rollout(_config(fleet, tmp_path))
        assert (finding.state, finding.says) == (State.OK, f"{fleet.url} vouches for rollout 1")
        fleet.publish(days=-1)
        (finding,) = check_rollout(_config(fleet, tmp_path))
        assert finding.state is State.WARNING
        assert "its operator has to publish again" in finding.says
        assert not (tmp_path / "shelf").exists(), "a look leaves nothing behind"


def test_without_a_root_of_trust_it_says_where_it_comes_from(config: Config) -> None:
    (finding,) = check_rollout(config)
    assert finding.state is State.PROBLEM
    assert "put the trust.json there that facemask-edge rollout keys has made" in finding.says


def _config(fleet: Operator, folder: Path) -> Config:
    return Config.model_validate({"rollout": fleet.configuration(folder / "shelf")})
