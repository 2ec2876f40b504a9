"""Tells a thread that waits for something outside, such as a network, from one that works or waits for a processor."""

import time
from pathlib import Path

SCHEDULED = Path("/proc/thread-self/schedstat")
"""Nanoseconds on a processor, and those in which the thread could have run and others did."""


def waiting_time() -> float:
    """Seconds that the calling thread spent on neither, since any beginning; 0 always where the kernel does not tell.

    Source: the kernel's ``Documentation/scheduler/sched-stats.rst``.
    """
    try:
        ran, queued, *_ = map(int, SCHEDULED.read_bytes().split())
    except (OSError, ValueError):
        return 0.0
    # What runs has run: a kernel that does not count says three times 0.
    if not ran:
        return 0.0
    # The first number may be as old as the kernel's tick.
    return time.monotonic() - time.thread_time() - queued / 1e9
