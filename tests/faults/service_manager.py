"""A service manager that does what systemd does for a unit with ``Restart=always`` and ``WatchdogSec``."""

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.faults.running import Running

WATCHDOG = 3.0
"""Seconds without a sign of life after which a service is killed."""


class ServiceManager:
    """Starts a service, and starts it again when it has ended or gives no sign of life.

    Args:
        folder: For its socket.
        command: As for ``Running``.
        environments: More environment of each start; after the last one the service may run on.
    """

    def __init__(self, folder: Path, *command: str, environments: list[dict[str, str]]) -> None:
        self._address = folder / "notify"
        self._command = command
        self._environments = environments
        self.runs: list[Running] = []
        self.killed = 0
        """Services that gave no sign of life."""
        self.ended = 0
        """Services that ended by themselves."""
        self.slowest = 0.0
        """Seconds from the last sign of life to the end of a service that hung."""
        self._last_sign = time.monotonic()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._address))
        threading.Thread(target=self._listen, daemon=True).start()

    def run(self) -> None:
        """Start the service once for each environment, each time after the one before has ended or was killed."""
        for environment in self._environments:
            told = {"NOTIFY_SOCKET": str(self._address), "WATCHDOG_USEC": str(round(WATCHDOG * 1e6))}
            self.runs.append(Running(*self._command, environment={**os.environ, **told, **environment}))
            # Until it says that it is ready, no sign of life is expected.
            self._last_sign = time.monotonic() + 30
            self._watch(self.runs[-1])

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _watch(self, running: Running) -> None:
        while running.process.poll() is None:
            silence = time.monotonic() - self._last_sign
            if silence > WATCHDOG:
                # As systemd does, so that a core could be kept.
                running.process.send_signal(signal.SIGABRT)
                running.wait(10)
                self.killed += 1
                self.slowest = max(self.slowest, time.monotonic() - self._last_sign)
                return
            time.sleep(0.02)
        running.wait(10)
        self.ended += 1

    def _listen(self) -> None:
        with suppress(OSError):
            while some := self._socket.recv(1000):
                if some in (b"READY=1", b"WATCHDOG=1", b"STOPPING=1"):
                    self._last_sign = time.monotonic()
