"""Keeps CPython from asking the system for memory, and giving it back, at every call.

CPython puts the frames of Python functions into chunks of 16 KiB (from 3.11 on, ``DATA_STACK_CHUNK_SIZE``). A call that
does not fit into the rest of a chunk gets a new one from ``mmap``, and its return gives that back with ``munmap``: a
loop that happens to run at the end of a chunk does both at each call, which takes many times as long as the call.
Imports within imports, within the parser of the command line, go that deep. CPython mended it in the spring of 2026
(its issue 142183), after what Debian 12 and 13 bring.
"""

from collections.abc import Callable
from typing import Any, TypeVar

FRAME_SLOTS = 32_768
"""Of a pointer's size; the chunk that CPython takes for such a frame is one of 512 KiB."""
Function = TypeVar("Function", bound=Callable[..., Any])


def with_room_for_calls(function: Function) -> Function:
    """A decorator: what a function calls, in its thread, finds room for some thousand frames in one chunk.

    The function says that it needs a large frame itself, which is never touched and thus takes no memory. A chunk is as
    large as the next power of two, and what is left of it is for the calls.
    """
    function.__code__ = function.__code__.replace(co_stacksize=FRAME_SLOTS)
    return function
