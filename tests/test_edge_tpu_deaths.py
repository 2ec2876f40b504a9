import stat
from pathlib import Path

import pytest

from facemask_edge.edge_tpu_deaths import MOST, EdgeTpuDeaths


def test_deaths_in_a_row_are_counted_until_an_orderly_end(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "deaths"
    for count in range(MOST):
        deaths = EdgeTpuDeaths(file)
        assert (deaths.count, deaths.are_too_many) == (count, False)
        deaths.begin()
        deaths.begin()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    on_cpu = EdgeTpuDeaths(file)
    assert on_cpu.are_too_many
    on_cpu.end()
    assert EdgeTpuDeaths(file).count == 0


def test_after_a_while_of_work_earlier_deaths_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.edge_tpu_deaths.WELL", 0.0)
    (tmp_path / "deaths").write_text("2")
    deaths = EdgeTpuDeaths(tmp_path / "deaths")
    deaths.begin()
    deaths.go_on()
    assert EdgeTpuDeaths(tmp_path / "deaths").count == 1


def test_a_short_work_forgets_nothing(tmp_path: Path) -> None:
    deaths = EdgeTpuDeaths(tmp_path / "deaths")
    deaths.begin()
    deaths.go_on()
    deaths.go_on()
    assert EdgeTpuDeaths(tmp_path / "deaths").count == 1


@pytest.mark.parametrize("content", [b"", b"many", b"-7", b"\xff\xfe", b"9" * 100])
def test_a_file_that_says_nothing_counts_nothing_and_never_too_much(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "deaths").write_bytes(content)
    assert EdgeTpuDeaths(tmp_path / "deaths").count in (0, 9_999_999_999)


def test_a_disk_that_refuses_is_said_and_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    deaths = EdgeTpuDeaths(tmp_path / "file" / "deaths")
    deaths.begin()
    deaths.end()
    assert "nobody counts it" in caplog.text
