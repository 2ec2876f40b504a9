import json
from pathlib import Path

import pytest

from facemask_edge.config import Config
from facemask_edge.errors import OutputError
from facemask_edge.switches import RefusedError, Switches

CONFIG = Config.model_validate({"compliance": {"threshold": 0.4}})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "overrides.json"


def test_as_long_as_nothing_is_sent_the_configuration_holds(file: Path) -> None:
    switches = Switches(CONFIG, file)
    assert (switches.enabled, switches.threshold) == (True, 0.4)
    assert switches.shown() == {"enabled": "ON", "threshold": "0.4", "min_face_height": "32"}
    assert not file.exists()


def test_what_is_sent_holds_now_and_after_the_next_start(file: Path) -> None:
    switches = Switches(CONFIG, file)
    switches.set("enabled", "off")
    switches.set("threshold", "0.85")
    for each in (switches, Switches(CONFIG, file)):
        assert (each.enabled, each.threshold) == (False, 0.85)
        assert each.shown() == {"enabled": "OFF", "threshold": "0.85", "min_face_height": "32"}


def test_default_gives_way_to_the_configuration(file: Path) -> None:
    switches = Switches(CONFIG, file)
    switches.set("threshold", "0.85")
    switches.set("threshold", "default")
    assert switches.threshold == Switches(CONFIG, file).threshold == 0.4


@pytest.mark.parametrize("text", ["", "1", "0", "-0.5", "nan", "inf", "much", "0,5", "ON", "0.5 or so", "[0.5]"])
def test_a_threshold_that_is_none_changes_nothing(text: str, file: Path) -> None:
    switches = Switches(CONFIG, file)
    with pytest.raises(RefusedError, match=r"send a number from 0\.01 to 0\.99"):
        switches.set("threshold", text)
    assert switches.threshold == 0.4
    assert not file.exists()


@pytest.mark.parametrize("text", ["", "1", "true", "ONN", "yes"])
def test_a_switch_is_on_or_off(text: str, file: Path) -> None:
    switches = Switches(CONFIG, file)
    with pytest.raises(RefusedError, match="send ON or OFF"):
        switches.set("enabled", text)
    assert switches.enabled


def test_what_cannot_be_kept_holds_until_the_end(tmp_path: Path) -> None:
    in_the_way = tmp_path / "state"
    in_the_way.write_text("")
    switches = Switches(CONFIG, in_the_way / "overrides.json")
    with pytest.raises(OutputError, match="it holds until the daemon ends"):
        switches.set("threshold", "0.9")
    assert switches.threshold == 0.9


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b'"x"', b'{"threshold": "7", "other": "ON"}', b'{"threshold": 0.7}', b"[" * 9_000, b"\xff"],
)
def test_a_damaged_file_is_no_reason_not_to_start(content: bytes, file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(content)
    switches = Switches(CONFIG, file)
    assert (switches.enabled, switches.threshold) == (True, 0.4)
    switches.set("threshold", "0.6")
    assert json.loads(file.read_text()) == {"threshold": "0.6"}


def test_what_holds_already_is_not_written_again(file: Path) -> None:
    switches = Switches(CONFIG, file)
    switches.set("enabled", "OFF")
    before = file.stat().st_mtime_ns, file.stat().st_ino
    switches.set("enabled", "OFF")
    switches.set("threshold", "default")
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


def test_where_no_orders_are_taken_those_of_before_are_forgotten(file: Path) -> None:
    Switches(CONFIG, file).set("enabled", "OFF")
    assert Switches(CONFIG, None).enabled


def test_nobody_else_may_read_it(file: Path) -> None:
    Switches(CONFIG, file).set("enabled", "OFF")
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in file.parent.iterdir()}
    assert modes == {"overrides.json": 0o600, "overrides.json.copy": 0o600}
