"""What other threads have the frame loop do, between two frames: only it changes what it works with."""

import queue
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from facemask_edge.errors import OutputError
from facemask_edge.switches import RefusedError

MOST_WAITING = 8
"""One more is refused."""
LONGEST_WAIT = 4.0
"""Seconds for the loop to begin, and to end, it; both are less than a connection may last."""
BUSY = "the device is too busy; try again"
Result = TypeVar("Result")


class LoopCalls:
    """Calls from any thread, carried out by the loop's."""

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue(MOST_WAITING)

    def call(self, function: Callable[[], Result]) -> Result:
        """Have a function called by the frame loop, and return its result.

        Raises:
            RefusedError: The loop is too busy, and the function is not called; or it refuses what is asked.
            OutputError: As the function's; or it was begun, and does not end.
        """
        done: Future[Result] = Future()
        try:
            self._waiting.put_nowait((done, function))
        except queue.Full as error:
            raise RefusedError(BUSY) from error
        # What the loop has begun cannot be called back: then its answer is waited for once more.
        if not wait([done], LONGEST_WAIT).done and done.cancel():
            raise RefusedError(BUSY)
        if not wait([done], LONGEST_WAIT).done:
            raise OutputError("the disk does not answer; look later whether it holds")
        return done.result()

    def carry_out(self) -> None:
        """In the loop: call one of those that wait; each may have to wait for the disk, and frames must not."""
        try:
            done, function = self._waiting.get_nowait()
        except queue.Empty:
            return
        if not done.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except Exception as error:  # noqa: BLE001 - it is whoever called that it belongs to
            done.set_exception(error)
        else:
            done.set_result(result)
