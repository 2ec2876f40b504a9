"""Keeps CPython from asking the system for memory, and giving it back, at every call.

CPython (3.11 and later) puts the frames of Python functions into chunks of 16 KiB (``DATA_STACK_CHUNK_SIZE`` in
``Python/pystate.c``). A call that does not fit into the rest of a chunk gets a new one from ``mmap``, and the return
from it gives that back with ``munmap``; so a loop that happens to run at the end of a chunk does both at each call,
which takes ten times as long as the call. Imports within imports within the command line's parser go that deep.
"""

from collections.abc import Callable

FRAME_SLOTS = 32_768
"""Of eight bytes: with as much again behind it, the chunk that CPython takes for such a frame is one of 512 KiB."""


def with_room_for_calls(function):
    """Let all that ``function`` calls, in its thread, find room for some thousand frames in one chunk.

    It says to need a large frame itself, which is never touched and thus no memory: a chunk is as large as the next
    power of two, and what is left of it is for the calls.
    """
    function.__code__ = function.__code__.replace(co_stacksize=FRAME_SLOTS)
    return function
