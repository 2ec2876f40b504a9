"""The peak resident memory of another process."""

import threading
from pathlib import Path


class PeakMemory:
    """Watches the peak resident memory of a process.

    What ``wait4`` reports would do if it did not count the memory of this process too, from before the child's exec.
    """

    def __init__(self, process: int) -> None:
        self._status = Path(f"/proc/{process}/status")
        self._kibibytes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """End watching; the peak in MiB."""
        self._stopped.set()
        self._thread.join()
        return self._kibibytes / 1024

    def _watch(self) -> None:
        while not self._stopped.wait(0.02):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            peak = next((line for line in lines if line.startswith("VmHWM")), None)
            # A process that has ended but was not waited for has no memory any more.
            if peak is not None:
                self._kibibytes = max(self._kibibytes, int(peak.split()[1]))
