"""Gives back what a start has brought into memory of the libraries, and the loop does not need.

The system maps the code of a library in pieces of 64 KiB around whatever is called, and most of what a start calls is
never called again: a third of the resident memory. What the loop needs is mapped again, from the page cache.
"""

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

MAPS = Path("/proc/self/maps")
"""One line a mapping, see proc_pid_maps(5): its addresses, permissions, offset, device, inode, and file."""
MADV_DONTNEED = 4
"""As in Linux' asm-generic/mman-common.h; the module mmap knows it, too, but nothing else needs that module."""
CODE = "r-xp"
"""Never written to: what a linker changes lies elsewhere, but on some 32-bit systems, where this is left alone."""


def release() -> None:
    """Let go of the pages that hold code; where the system is another one, nothing happens."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with suppress(OSError):
        for mapping in MAPS.read_text().splitlines():
            addresses, permissions, *_, file = mapping.split(maxsplit=5)
            if permissions == CODE and file.startswith("/"):
                start, end = (int(address, 16) for address in addresses.split("-"))
                madvise(start, end - start, MADV_DONTNEED)
