"""Work for a processor."""

import time


def work(seconds: float) -> None:
    """Need this much of a processor's time."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
