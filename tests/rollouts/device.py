"""A device of a fleet: the real daemon, kept running by as much of a service manager as a rollout needs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from facemask_edge.config_origins import shown_with_origins
from facemask_edge.health_file import HEALTH_FILE
from facemask_edge.rollouts.shelf import Standing
from facemask_edge.rollouts.update import update
from tests.conftest import Mosquitto
from tests.rollouts.operator import Operator
from tests.subscriber import wait_until

WELL = Standing(broker=True, cameras={"door": True})
START_TIMEOUT = 30
WRONG_CONFIG = 78


class Device:
    """A device that belongs to a fleet, and its daemon as ``update`` sees it.

    Args:
        folder: For all of it.
        fleet: Whose it is.
        broker: Where it reports to.
        camera: What it looks at.
        probation: Seconds in which a rollout has to prove itself.
    """

    def __init__(self, folder: Path, fleet: Operator, broker: Mosquitto, camera: str, probation: float = 30) -> None:
        self.config = folder / "config.yaml"
        self.shelf = folder / "rollouts"
        self.log = folder / "log"
        self._run = folder / "run"
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = self._signs = 0
        self._is_ready = False
        self._address = str(folder / "notify")
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(self._address)
        self._told.setblocking(False)  # noqa: FBT003 - the standard library's own signature
        values = {
            "device": {"name": "gate"},
            "outbox": {"path": str(folder / "outbox.sqlite3")},
        }
        self.config.write_text(yaml.safe_dump(values))
        # What a fleet's first image says, for a rollout to say otherwise.
        (folder / "config.d").mkdir()
        site = {
            "mqtt": {"servers": [broker.url]},
            "cameras": [{"name": "door", "source": camera}],
            "rollout": fleet.configuration(self.shelf) | {"site": "t1", "probation": probation},
        }
        (folder / "config.d" / "10-image.yaml").write_text(yaml.safe_dump(site))

    def update(self) -> None:
        update(self.config, self)

    def shown_with_origins(self) -> str:
        return shown_with_origins(self.config)

    def restart(self) -> bool:
        """As systemd does with the unit: whether it is ready."""
        self.stop()
        self._deaths = 0
        return self._start()

    def is_stopped(self) -> bool:
        return self._process is None

    def deaths(self) -> int | None:
        if self._process is None:
            return None
        code = self._process.poll()
        if code is None:
            return self._deaths
        if code != WRONG_CONFIG:
            self._deaths += 1
            self._start()
        return None

    def sign_of_life(self) -> str:
        self._listen()
        return str(self._signs)

    def rollout(self) -> dict[str, Any]:
        """What it says of its rollout, once it is started again."""
        assert self.restart()
        rollout: dict[str, Any] = self.said("rollout")
        return rollout

    def said(self, key: str) -> Any:
        """What is at a key of what it said last about itself; it says something soon after its start."""
        assert wait_until(lambda: self.health() is not None, 10)
        return json.loads(self.health() or b"{}")[key]

    def starts(self) -> int:
        """How often the daemon was started so far."""
        return self.log.read_text().count("watches door")

    def kill(self) -> None:
        """It dies, and is started again."""
        assert self._process is not None
        self._process.kill()

    def hang(self) -> None:
        """It does nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def health(self) -> bytes | None:
        try:
            return (self._run / HEALTH_FILE).read_bytes()
        except FileNotFoundError:
            return None

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait(20)
        self._process = None
        # The folder goes with the service.
        (self._run / HEALTH_FILE).unlink(missing_ok=True)

    def close(self) -> None:
        self.stop()
        self._told.close()

    def _start(self) -> bool:
        self._run.mkdir(exist_ok=True)
        (self._run / HEALTH_FILE).unlink(missing_ok=True)
        self._is_ready = False
        told = {"RUNTIME_DIRECTORY": str(self._run), "NOTIFY_SOCKET": self._address, "WATCHDOG_USEC": "2000000"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "facemask_edge", "run", "--config", str(self.config)],
                stderr=log,
                env=os.environ | told,
            )
        give_up = time.monotonic() + START_TIMEOUT
        while time.monotonic() < give_up and self._process.poll() is None:
            self._listen()
            if self._is_ready:
                return True
            time.sleep(0.05)
        return False

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            while True:
                said = self._told.recv(4096)
                self._is_ready |= b"READY=1" in said
                self._signs += b"WATCHDOG=1" in said


NewDevice = Callable[..., Device]
"""Makes one that runs and is well; arguments are those of ``Device`` that have a default."""


def in_use(version: int, *, repairs: int = 0) -> dict[str, Any]:
    """What a device says of a rollout that has proved itself."""
    said = {"version": version, "state": "good", "refused": None, "postponed": None, "reason": None}
    return said | {"repairs": repairs, "damaged": None}


def cut(*_: object, **__: object) -> None:
    """The power is gone."""
    raise KeyboardInterrupt
