"""UUIDv7: identifiers that sort by the time they were made (RFC 9562, section 5.7)."""

import secrets
import time
import uuid


def uuid7() -> str:
    """A new UUIDv7 as text; Python has one of its own only from 3.14 on."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=value))
