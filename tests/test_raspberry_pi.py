import struct
from pathlib import Path

import pytest

from facemask_edge import raspberry_pi


def test_the_firmware_is_asked_as_its_mailbox_wants_it(tmp_path: Path) -> None:
    mailbox = tmp_path / "vcio"
    mailbox.touch()
    asked: list[tuple[int, ...]] = []

    def answers(_file: int, request: int, message: bytearray) -> None:
        assert request == 0xC0086400
        asked.append(struct.unpack("=7I", message))
        message[:] = struct.pack("=7I", 28, 0x80000000, 0x30046, 4, 0x80000004, 0x50005, 0)

    assert raspberry_pi.throttled(mailbox, answers) == 0x50005
    assert asked == [(28, 0, 0x30046, 4, 0, 0, 0)]


@pytest.mark.parametrize("fault", [OSError("not permitted"), None])
def test_where_it_does_not_answer_nothing_is_known(fault: OSError | None, tmp_path: Path) -> None:
    mailbox = tmp_path / "vcio"
    mailbox.touch()

    def refuses(_file: int, _request: int, _message: bytearray) -> None:
        if fault:
            raise fault

    assert raspberry_pi.throttled(mailbox, refuses) is None
    assert raspberry_pi.throttled(tmp_path / "none") is None


def test_bits_are_told_as_sentences() -> None:
    assert raspberry_pi.reasons(0x50005) == ["its voltage is too low", "it is slowed down"]
    assert raspberry_pi.reasons(0x80000) == []
    assert raspberry_pi.reasons(0x80000, raspberry_pi.SINCE_START) == ["it is too hot"]
