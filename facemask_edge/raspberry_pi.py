"""What only a Raspberry Pi's firmware knows: whether it slows the processor down, and why."""

import fcntl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

MAILBOX = Path("/dev/vcio")
PROPERTY = 0xC0086400
"""The mailbox' ioctl on 64-bit: _IOWR(100, 0, char *)."""
GET_THROTTLED = 0x00030046
"""As in Linux' include/soc/bcm2835/raspberrypi-firmware.h."""
RESPONSE = 0x80000000
MESSAGE = struct.Struct("=7I")
"""Bytes in all, code, then one tag (id, bytes of its value, code, value), and a zero at the end."""
REASONS = {
    0: "its voltage is too low",
    1: "its clock is capped",
    2: "it is slowed down",
    3: "it is too hot",
}
"""By bit, as vcgencmd's ``get_throttled`` has them; 16 bits further: what was so since the start."""
SINCE_START = 16
Ioctl = Callable[[int, int, bytearray], Any]


def throttled(mailbox: Path = MAILBOX, ioctl: Ioctl = fcntl.ioctl) -> int | None:
    """The bits of ``get_throttled``; None where there is no such firmware, or this user may not ask it.

    Never tried on a real Pi; https://github.com/raspberrypi/firmware/wiki/Mailbox-property-interface describes it.
    """
    message = bytearray(MESSAGE.pack(MESSAGE.size, 0, GET_THROTTLED, 4, 0, 0, 0))
    try:
        with mailbox.open("rb") as opened:
            ioctl(opened.fileno(), PROPERTY, message)
    except OSError:
        return None
    _, code, _, _, _, value, _ = MESSAGE.unpack(message)
    return int(value) if code == RESPONSE else None


def reasons(bits: int, shift: int = 0) -> list[str]:
    """What the bits mean now, or, with ``SINCE_START``, what was so since the start."""
    return [reason for bit, reason in REASONS.items() if bits >> shift & 1 << bit]
