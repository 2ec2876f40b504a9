"""A device as a process, seen from outside: what it says it decided and recorded, and signals."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

DECIDED = re.compile(r"^decided (?P<id>[0-9a-f-]{36}) (?P<kind>\w+)")
RECORDED = re.compile(r"(?:recorded|kept in memory) \S+ (?P<kind>\w+) (?P<id>[0-9a-f-]{36})")


class Happening(NamedTuple):
    """A violation's start or end."""

    id: str
    kind: str
    """``violation_start`` or ``violation_end``."""


def settings(folder: Path, *servers: str, **more: object) -> list[str]:
    """``--set`` options of a device whose outbox is in ``folder``; ``mqtt__protocol="5"`` and the like add to them."""
    values: dict[str, object] = {
        "device.name": "pi",
        "outbox.path": str(folder / "outbox.sqlite3"),
        "outbox.min_free_bytes": 0,
        "mqtt.servers": list(servers),
        **{key.replace("__", "."): value for key, value in more.items()},
    }
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


class Running:
    """One process; ``module`` is ``tests.faults.device`` or ``facemask_edge``, followed by its options."""

    def __init__(self, *command: str, environment: dict[str, str] | None = None) -> None:
        self.decided: list[Happening] = []
        self.longest_pause = 0.0
        """Seconds between two events that were decided."""
        self.recorded: list[Happening] = []
        """What the process says is on disk (or, where the disk fails, in memory)."""
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout
        assert self.process.stderr
        self._threads = [
            threading.Thread(target=self._read, args=(stream, pattern, found), daemon=True)
            for stream, pattern, found in (
                (self.process.stdout, DECIDED, self.decided),
                (self.process.stderr, RECORDED, self.recorded),
            )
        ]
        for thread in self._threads:
            thread.start()

    def kill(self) -> None:
        """As a power cut does, but for the disk."""
        self.process.kill()
        self.wait()

    def stop(self, timeout: float = 20) -> float:
        """SIGTERM; seconds until it has ended."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.wait(timeout)
        return time.monotonic() - started

    def wait(self, timeout: float = 60) -> int:
        """Its exit code, once all that it said was read."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            # Says what each of its threads does, or ends it at once.
            self.process.send_signal(signal.SIGUSR1)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
            self.process.kill()
            raise AssertionError("the device does not end:\n" + "\n".join(self.log[-100:])) from None
        for thread in self._threads:
            thread.join(10)
        return code

    def has_said(self, text: str) -> bool:
        """Whether a line of its log holds ``text``."""
        return any(text in line for line in list(self.log))

    def _read(self, stream: IO[str], pattern: re.Pattern[str], found: list[Happening]) -> None:
        newest = 0.0
        for line in stream:
            self.log.append(line.rstrip())
            match = pattern.search(line)
            if not match:
                continue
            if found is self.decided:
                now = time.monotonic()
                self.longest_pause = max(self.longest_pause, now - newest if found else 0.0)
                newest = now
            found.append(Happening(match["id"], match["kind"]))


def device(options: Sequence[str], *, environment: dict[str, str] | None = None, **more: object) -> Running:
    """A running ``tests.faults.device``; ``rate=50`` and the like are its own options."""
    own = [part for key, value in more.items() for part in (f"--{key}", str(value))]
    return Running("tests.faults.device", *own, *options, environment=environment)
