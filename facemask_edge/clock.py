"""Wall-clock time as it leaves the device, and whether it can be believed.

A Pi has no clock of its own at boot, so durations never run on this; a message says whether its time was synchronized.
"""

import ctypes
import datetime as dt
from functools import cache

TIME_ERROR = 5
"""adjtimex(2) returns it while the kernel's clock is not synchronized."""
TIMEX_BYTES = 512
"""More than sizeof(struct timex) on any Linux (208 on 64-bit); all zero, it only asks and sets nothing."""


def utc_now() -> str:
    """Now in UTC as ISO 8601 with milliseconds and a Z."""
    now = dt.datetime.now(dt.UTC)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock_is_synchronized() -> bool:
    """Whether NTP (chrony, timesyncd, any other) has set the kernel's clock."""
    state: int = _libc().adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return state not in (TIME_ERROR, -1)


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
