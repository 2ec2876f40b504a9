import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from facemask_edge.config import Config
from facemask_edge.snapshot_folder import DAY, SnapshotFolder
from tests.faults.small_disk import fill, small_disk


def name(number: int) -> str:
    """As violations are named."""
    return f"0199d2c6-7a31-7c3e-9d0a-{number:012x}"


OLD, NEW, A, B = map(name, range(4))


def folder(tmp_path: Path, *, min_free_bytes: int = 0, **settings: object) -> SnapshotFolder:
    outbox = {"path": str(tmp_path / "outbox.sqlite3"), "min_free_bytes": min_free_bytes, "max_bytes": 100_000}
    return SnapshotFolder(Config.model_validate({"outbox": outbox, "snapshots": settings}))


def kept(folder: SnapshotFolder) -> list[str]:
    return sorted(f"{path.relative_to(folder.path)}" for path in folder.path.glob("**/*") if path.is_file())


def age(folder: SnapshotFolder, name: str, days: float) -> None:
    os.utime(folder.path / name, (time.time() - days * DAY,) * 2)


def test_what_is_too_old_is_deleted_also_after_a_reboot(tmp_path: Path) -> None:
    before = folder(tmp_path, retention_days=2)
    for violation in (OLD, NEW):
        assert before.keep("door", violation, b"jpeg")
    age(before, f"door/{OLD}.jpg", 2.001)
    age(before, f"door/{NEW}.jpg", 1.999)
    after = folder(tmp_path, retention_days=2)
    assert after.clean() == 1
    assert kept(after) == [f"door/{NEW}.jpg"]


def test_only_its_owner_can_read_what_is_kept(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    pictures.keep("door", A, b"jpeg")
    assert (pictures.path / "door" / f"{A}.jpg").read_bytes() == b"jpeg"
    modes = [path.stat().st_mode & 0o777 for path in (pictures.path, pictures.path / "door")]
    assert modes == [0o700, 0o700]
    assert (pictures.path / "door" / f"{A}.jpg").stat().st_mode & 0o777 == 0o600


def test_of_too_much_the_oldest_are_deleted(tmp_path: Path) -> None:
    pictures = folder(tmp_path, max_bytes=1_000_000)
    for number in range(10):
        pictures.keep(f"camera{number % 2}", name(number), bytes(100_000))
        age(pictures, f"camera{number % 2}/{name(number)}.jpg", 1 - number / 10)
    pictures.keep("camera0", name(10), bytes(150_000))
    assert kept(pictures) == sorted(f"camera{number % 2}/{name(number)}.jpg" for number in range(2, 11))


def test_a_time_in_the_future_is_no_reason_to_keep_it_for_longer(tmp_path: Path) -> None:
    pictures = folder(tmp_path, retention_days=2)
    pictures.keep("door", A, b"jpeg")
    age(pictures, f"door/{A}.jpg", -400)
    assert pictures.clean() == 0
    assert abs((pictures.path / "door" / f"{A}.jpg").stat().st_mtime - time.time()) < 10


def test_what_a_power_cut_left_is_deleted_and_what_is_not_its_own_stays(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    pictures.keep("door", A, b"jpeg")
    (pictures.path / "door" / f"{B}.new").write_bytes(b"jp")
    (pictures.path / "door" / "notes.txt").write_text("of somebody")
    (pictures.path / "README").write_text("of somebody")
    age(pictures, "door/notes.txt", 1_000)
    assert pictures.clean() == 1
    assert kept(pictures) == ["README", f"door/{A}.jpg", "door/notes.txt"]


def test_photos_of_somebody_stay_however_old(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    pictures.keep("door", A, b"jpeg")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{B}.jpg").write_bytes(b"of somebody")
    (pictures.path / "link").symlink_to(elsewhere)
    (pictures.path / "door" / f"{B}.jpg").symlink_to(elsewhere / f"{B}.jpg")
    (pictures.path / "door" / "holiday.jpg").write_bytes(b"of somebody")
    for old in ("link/" + f"{B}.jpg", "door/holiday.jpg", f"door/{A}.jpg"):
        age(pictures, old, 1_000)
    assert pictures.clean() == 1
    assert kept(pictures) == [f"door/{B}.jpg", "door/holiday.jpg"]
    assert (elsewhere / f"{B}.jpg").exists()


def test_one_that_cannot_be_deleted_keeps_no_other(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    for violation in (A, B):
        pictures.keep("door", violation, b"jpeg")
    stuck = pictures.path / "door" / f"{A}.jpg"
    for violation, days in ((A, 1_001.0), (B, 1_000.0)):
        age(pictures, f"door/{violation}.jpg", days)
    mounted = subprocess.run(["mount", "--bind", stuck, stuck], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a file can only be mounted by root, in a container with --privileged: {mounted.stderr}")
    try:
        with pytest.raises(OSError, match="busy"):
            pictures.clean()
        assert kept(pictures) == [f"door/{A}.jpg"]
        assert pictures.keep("door", NEW, b"jpeg")
    finally:
        subprocess.run(["umount", stuck], check=True)


def test_nothing_is_kept_for_no_days(tmp_path: Path) -> None:
    pictures = folder(tmp_path, retention_days=0)
    assert pictures.keep("door", A, b"jpeg")
    assert not pictures.path.exists()


def test_nobody_has_to_make_the_folder(tmp_path: Path) -> None:
    assert folder(tmp_path).clean() == 0


def test_events_have_the_room_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        free = shutil.disk_usage(disk).free
        pictures = folder(disk, min_free_bytes=free - 1_100_000)
        assert all(pictures.keep("door", name(number), bytes(100_000)) for number in range(12))
        assert 7 <= len(kept(pictures)) <= 10
        (disk / "of somebody").write_bytes(bytes(1_000_000))
        # Pictures give way, until there is nothing more that could.
        assert not pictures.keep("door", name(12), bytes(100_000))
        assert kept(pictures) == []
        (disk / "of somebody").unlink()
        assert pictures.keep("door", name(13), bytes(100_000))
        fill(disk)
        assert not pictures.keep("door", name(14), bytes(100_000))


def test_a_picture_is_found_by_its_violation_and_by_nothing_else(tmp_path: Path) -> None:
    pictures = folder(tmp_path)
    assert pictures.find("door", A) is None
    pictures.keep("door", A, b"jpeg")
    (pictures.path / "x.jpg").write_bytes(b"of somebody")
    (pictures.path / "door" / f"{B}.jpg").mkdir()
    assert pictures.find("door", A) == pictures.path / "door" / f"{A}.jpg"
    others = [B, f"../door/{A}", "../x", f"{pictures.path / 'x'}", f"{A}\n", "\0", "", "x" * 5_000]
    assert [pictures.find("door", other) for other in others] == [None] * len(others)
