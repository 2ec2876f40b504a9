"""Gives back what a start has brought into memory of the libraries, and the loop does not need.

The system maps the code of a library in pieces of 64 KiB around whatever is called, and most of what a start calls is
never called again: a third of the resident memory. What the loop needs is mapped again, from the page cache.
"""

import ctypes
import re
import sys
from contextlib import suppress
from pathlib import Path

MAPS = Path("/proc/self/smaps")
"""Each mapping with a line of its addresses, permissions and file and some of its sizes, see proc_pid_smaps(5)."""
MADV_DONTNEED = 4
"""As in Linux' asm-generic/mman-common.h; the module mmap knows it, too, but nothing else needs that module."""
CODE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \S+ +/.*\n"
    rb"(?:[A-Z].*\n)*?Anonymous: +0 kB\n(?:[A-Z].*\n)*?Swap: +0 kB$",
    re.MULTILINE,
)
"""Executable, of a file, and as it is in that file. What a linker or a debugger has changed would be lost; it counts as
anonymous memory."""


def release() -> None:
    """Let go of the pages that hold code; to be called while no other thread loads or unloads a library.

    Where the system is another one, nothing happens.
    """
    if sys.platform != "linux":
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with suppress(OSError):
        for mapping in CODE.finditer(MAPS.read_bytes()):
            start, end = (int(address, 16) for address in mapping.groups())
            madvise(start, end - start, MADV_DONTNEED)
