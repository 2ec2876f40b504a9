"""The resident memory of a process, and its peak."""

import threading
from pathlib import Path


def mebibytes(field: str, process: int | str = "self") -> float | None:
    """A field of a process' status, such as ``VmRSS``, in MiB; None when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    # A process that has ended but was not waited for has no memory any more.
    line = next((line for line in lines if line.startswith(f"{field}:")), None)
    return int(line.split()[1]) / 1024 if line else None


class PeakMemory:
    """Watches the peak resident memory of a process.

    What ``wait4`` reports would do if it did not count the memory of this process too, from before the child's exec.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._peak = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End watching; the peak in MiB."""
        self._stopped.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            self._peak = max(self._peak, mebibytes("VmHWM", self._process) or 0.0)
