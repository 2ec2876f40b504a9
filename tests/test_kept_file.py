import subprocess
import sys
from pathlib import Path

import pytest

from facemask_edge.kept_file import read_kept, write_kept


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "new" / "kept.json"
    assert read_kept(file) == {}
    write_kept(file, {"a": "1", "b": "ü"})
    assert read_kept(file) == {"a": "1", "b": "ü"}


def test_of_a_damaged_file_nothing_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "kept.json"
    file.write_bytes(b'{"a": "1"')
    assert read_kept(file) == {}
    assert f"{file} is damaged, and is taken for empty" in caplog.text


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"[1]", b"\xff\x00"])
def test_where_it_is_damaged_its_copy_holds(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "kept.json"
    write_kept(file, {"a": "1"})
    file.write_bytes(content)
    assert read_kept(file) == {"a": "1"}
    assert f"{file} is damaged; its copy holds" in caplog.text
    write_kept(file, {"a": "1"})
    assert file.read_text() == '{"a": "1"}', "it is mended"


def test_what_its_owner_deletes_does_not_come_back(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    write_kept(file, {"a": "1"})
    file.unlink()
    assert read_kept(file) == {}
    write_kept(file, {"a": "2"})
    file.write_bytes(b"")
    assert read_kept(file) == {"a": "2"}


def test_only_texts_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    file.write_text('{"a": "1", "b": 2, "c": null}')
    assert read_kept(file) == {"a": "1"}


def test_a_death_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    write_kept(file, {"a": "1"})
    dies = "import os, pathlib, sys; os.fsync = lambda _: os._exit(9); from facemask_edge.kept_file import write_kept; "
    dies += "write_kept(pathlib.Path(sys.argv[1]), {'a': '2'})"
    assert subprocess.run([sys.executable, "-c", dies, str(file)], check=False).returncode == 9
    assert read_kept(file) == {"a": "1"}
