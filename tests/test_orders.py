from pathlib import Path

import pytest

from facemask_edge.config import Config
from facemask_edge.orders import LONGEST, Orders, shown
from facemask_edge.switches import RefusedError, Switches


@pytest.fixture
def switches(tmp_path: Path) -> Switches:
    return Switches(Config(), tmp_path / "overrides.json")


def test_a_switch_is_changed(switches: Switches) -> None:
    Orders(switches, {}).carry_out("enabled", b"OFF")
    assert not switches.enabled


def test_an_action_is_done_when_it_is_pressed(switches: Switches) -> None:
    done: list[str] = []
    orders = Orders(switches, {"restart": lambda: done.append("restart")})
    for payload in (b"", b"press", b"OFF"):
        with pytest.raises(RefusedError, match="send PRESS"):
            orders.carry_out("restart", payload)
    assert done == []
    orders.carry_out("restart", b"PRESS")
    assert done == ["restart"]


def test_an_unknown_name_is_told_the_known_ones(switches: Switches) -> None:
    with pytest.raises(RefusedError, match="known are enabled, threshold, min_face_height, restart"):
        Orders(switches, {"restart": lambda: None}).carry_out("treshold", b"0.5")


@pytest.mark.parametrize(
    "payload", [b"O\x00FF", b"OFF\x1b", b"OFF\xff", b"OFF" + b" " * 200, b"0.7" + b"0" * 97 + b"; all"]
)
def test_what_only_looks_like_an_order_is_none(payload: bytes, switches: Switches) -> None:
    for name in ("enabled", "threshold"):
        with pytest.raises(RefusedError):
            Orders(switches, {}).carry_out(name, payload)
    assert switches.shown() == {"enabled": "ON", "threshold": "0.5", "min_face_height": "32"}


def test_what_was_sent_is_shown_in_one_short_line() -> None:
    assert shown(b"0.5 \x1b[2J\n" + b"\xff" * 10_000) == "0.5 [2J" + "\N{REPLACEMENT CHARACTER}" * (LONGEST - 7)
