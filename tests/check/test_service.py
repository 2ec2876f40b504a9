from contextlib import closing
from pathlib import Path

import pytest

from facemask_edge.check.service import check_daemon, check_places, is_running
from facemask_edge.config import Config
from facemask_edge.store import Store


def outbox_config(folder: Path) -> Config:
    return Config.model_validate({"outbox": {"path": folder / "outbox.sqlite3"}})


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a system on which the service is installed; prints what it is told to."""
    program = tmp_path / "systemctl"
    said = tmp_path / "said"
    said.touch()
    program.write_text(f'#!/bin/sh\nsed -n "s/^$3=//p" {said}\n')
    program.chmod(0o755)
    unit = tmp_path / "facemask-edge.service"
    unit.touch()
    monkeypatch.setattr("facemask_edge.check.service.SYSTEMCTL", str(program))
    monkeypatch.setattr("facemask_edge.check.service.UNIT", unit)
    return said


def test_a_running_daemon_is_seen_by_its_lock(tmp_path: Path) -> None:
    config = outbox_config(tmp_path)
    assert not is_running(config)
    with closing(Store(config.outbox.path, max_bytes=1_000_000)):
        assert is_running(config)
        # Looking does not keep another one from starting.
    assert not is_running(config)
    with closing(Store(config.outbox.path, max_bytes=1_000_000)):
        assert is_running(config)


def test_the_service_is_seen_without_a_lock(systemctl: Path, tmp_path: Path) -> None:
    config = outbox_config(tmp_path / "read-only")
    systemctl.write_text("MainPID=0\n")
    assert not is_running(config)
    systemctl.write_text("MainPID=713\n")
    assert is_running(config)


def test_where_systemd_does_not_answer_the_lock_is_believed(
    systemctl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = outbox_config(tmp_path)
    monkeypatch.setattr("facemask_edge.check.service.PATIENCE", 0.5)
    program = systemctl.with_name("systemctl")
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    assert not is_running(config)
    program.unlink()
    assert not is_running(config)


def test_an_installed_service_that_does_not_run_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_daemon(is_used=False).state == "ok"
    monkeypatch.setattr("facemask_edge.check.service.UNIT", tmp_path)
    found = check_daemon(is_used=False)
    assert (found.state, found.says) == ("problem", "does not run")
    assert "journalctl -u facemask-edge" in found.advice
    assert check_daemon(is_used=True).state == "ok"


def test_what_the_service_does_not_see_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["/home/pi/door.mp4", "/var/tmp/yard.mp4"]  # noqa: S108 - nothing is made there
    sources = [*files, "0", "gate.mp4"]
    config = Config.model_validate(
        {
            "cameras": [{"name": f"camera-{number}", "source": source} for number, source in enumerate(sources)],
            "mqtt": {"ca": "/etc/facemask-edge/ca.pem"},
        }
    )
    assert list(check_places(config)) == []
    monkeypatch.setattr("facemask_edge.check.service.UNIT", tmp_path)
    assert [finding.says for finding in check_places(config)] == [f"the service does not see {file}" for file in files]


def test_an_outbox_that_the_service_may_not_write_is_a_warning(systemctl: Path) -> None:
    config = outbox_config(Path("/mnt/ssd/events"))
    (found,) = check_places(config)
    assert (found.subject, found.state) == ("outbox", "warning")
    assert r"printf '[Service]\nReadWritePaths=/mnt/ssd/events\n'" in found.advice
    systemctl.write_text("ReadWritePaths=/srv -/mnt/ssd\n")
    assert list(check_places(config)) == []
    # Nothing helps there, and it is said once.
    (found,) = check_places(outbox_config(Path("/home/pi")))
    assert found.subject == "permissions"


def test_a_folder_of_snapshots_that_the_service_may_not_write_is_a_warning(systemctl: Path) -> None:
    snapshots = {"enabled": True, "path": "/mnt/ssd/pictures"}
    (found,) = check_places(Config.model_validate({"snapshots": snapshots}))
    assert (found.subject, found.state) == ("snapshots", "warning")
    assert r"printf '[Service]\nReadWritePaths=/mnt/ssd\n'" in found.advice
    systemctl.write_text("ReadWritePaths=/mnt/ssd\n")
    assert list(check_places(Config.model_validate({"snapshots": snapshots}))) == []
    systemctl.write_text("")
    # Nobody writes there.
    for harmless in ({"enabled": False}, {"retention_days": 0}):
        assert list(check_places(Config.model_validate({"snapshots": snapshots | harmless}))) == []
