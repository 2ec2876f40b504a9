"""What code is in memory, in a process of its own: what this one has called is nobody's measure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facemask_edge import mapped_code

RELEASED = """
import cv2
import numpy as np
from facemask_edge import mapped_code

def judged():
    picture = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    _, jpeg = cv2.imencode(".jpg", cv2.resize(picture, (64, 48), interpolation=cv2.INTER_AREA))
    return cv2.imdecode(jpeg, cv2.IMREAD_COLOR).tobytes()

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

before = judged()
resident_before = resident()
mapped_code.release()
resident_after = resident()
assert judged() == before
print(resident_before - resident_after)
"""

CHANGED = """
import ctypes
import mmap
import sys
from facemask_edge import mapped_code

with open(sys.argv[1], "w+b") as file:
    file.write(bytes(mmap.PAGESIZE))
    file.flush()
    code = mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)
code[0] = 0xCC
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
protect = ctypes.CDLL(None).mprotect
assert protect(ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC) == 0
assert any(line.split()[1] == b"r-xp" for line in open("/proc/self/maps", "rb") if b"ber" in line)
mapped_code.release()
print(code[0])
"""
"""A debugger's breakpoint, in a file whose name is no text."""


def test_what_the_start_called_leaves_memory_and_comes_back_when_called() -> None:
    printed = subprocess.run([sys.executable, "-c", RELEASED], check=True, capture_output=True, text=True).stdout
    # Of OpenCV, NumPy and Python at least, in kB.
    assert int(printed) > 4_000


def test_code_that_somebody_has_changed_stays_changed(tmp_path: Path) -> None:
    command: list[str | bytes] = [sys.executable, "-c", CHANGED, os.fsencode(tmp_path) + b"/\xfcber"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(printed) == 0xCC


def test_nothing_happens_where_mappings_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_code, "MAPS", tmp_path / "none")
    mapped_code.release()
