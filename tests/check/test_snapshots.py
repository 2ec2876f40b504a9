from pathlib import Path

from facemask_edge.check.snapshots import check_snapshots
from facemask_edge.config import Config


def found(folder: Path, **settings: object) -> tuple[str, str]:
    outbox = {"path": str(folder / "outbox.sqlite3"), "min_free_bytes": 0, **settings}
    config = Config.model_validate({"outbox": outbox, "snapshots": {"enabled": True}})
    (finding,) = check_snapshots(config)
    return finding.state, finding.says


def test_where_none_are_kept_nothing_is_looked_at() -> None:
    assert list(check_snapshots(Config())) == []
    assert list(check_snapshots(Config.model_validate({"snapshots": {"enabled": True, "retention_days": 0}}))) == []


def test_a_folder_with_room_is_well_also_before_it_is_made(tmp_path: Path) -> None:
    assert found(tmp_path / "new") == ("ok", f"kept for 3 days in {tmp_path}/new/outbox.sqlite3.snapshots")


def test_a_disk_whose_room_events_may_need_is_warned_of(tmp_path: Path) -> None:
    state, says = found(tmp_path, min_free_bytes=10**15)
    assert (state, says) == (
        "warning",
        f"none is kept: too little of the disk of {tmp_path}/outbox.sqlite3.snapshots is free",
    )


def test_a_file_in_its_place_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite3.snapshots").write_text("in the way")
    state, says = found(tmp_path)
    assert (state, says) == ("problem", f"this user may not write {tmp_path}/outbox.sqlite3.snapshots: none is kept")
