"""A house with a device in it: a Debian that is booted, the camera at its door, and the broker of the house."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facemask_edge.demo import SAMPLE
from tests.conftest import ROOT, Mosquitto
from tests.motion_jpeg import encoded, motion_jpeg_server, part
from tests.subscriber import Subscriber, wait_until
from tests.system.container import Container, booted, make_root
from tests.system.release import bundle

UNIT = "facemask-edge.service"
ARCHIVE = "/root/release"
CONFIG = "/etc/facemask-edge/config.yaml"
SUITES = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian's suites that Raspberry Pi OS is made of, and their Python."""


@dataclass(frozen=True)
class Site:
    """Where the device is installed: the machine, the camera at the door and the broker in the house."""

    machine: Container
    camera: str
    broker: Mosquitto
    witness: Subscriber
    python: str

    def install(self, *options: str, check: bool = True, umask: str = "022") -> subprocess.CompletedProcess[str]:
        command = f"umask {umask}; cd {ARCHIVE} && ./systemd/install.sh {' '.join(options)}"
        return self.machine.run(command, timeout=400, check=check)

    @property
    def archive(self) -> Path:
        """As the host sees it."""
        return self.machine.root / ARCHIVE.removeprefix("/")

    @property
    def process(self) -> int:
        return int(self.machine.shown(UNIT, "MainPID"))

    def is_active(self) -> bool:
        return self.machine.shown(UNIT, "ActiveState") == "active"

    def is_seen(self) -> bool:
        """Whether a violation arrives that starts from now on."""
        before = len(self.witness.events())
        return wait_until(lambda: any(is_start(event) for event in self.witness.events()[before:]), 30)

    @contextmanager
    def drop_in(self, *lines: str) -> Iterator[None]:
        """The unit with other lines in its section Service, from its next start on."""
        folder = self.machine.root / f"etc/systemd/system/{UNIT}.d"
        folder.mkdir()
        (folder / "test.conf").write_text("\n".join(["[Service]", *lines, ""]))
        self.machine.run("systemctl daemon-reload")
        try:
            yield
        finally:
            shutil.rmtree(folder)
            self.machine.run("systemctl daemon-reload")

    def version(self) -> str:
        return self.machine.run("facemask-edge --version").stdout.strip()


def is_start(event: dict[str, object]) -> bool:
    return event["event_type"] == "violation_start"


def walking_by() -> Iterator[bytes]:
    """The sample recording, again and again, 15 pictures a second."""
    while True:
        recording = cv2.VideoCapture(str(SAMPLE))
        while (read := recording.read())[0]:
            yield part(encoded(read[1].astype(np.uint8)))
            time.sleep(1 / 15)


@contextmanager
def built(suite: str, folder: Path, *, port: int | None = None) -> Iterator[Site]:
    """A clean Debian with a release archive in it.

    Args:
        suite: Of Debian.
        folder: Holds all of it.
        port: Of the broker; None takes a free one.
    """
    with ThreadPoolExecutor() as threads:
        making = threads.submit(make_root, suite, folder)
        archive = bundle(folder, "x86_64", SUITES[suite])
        root = making.result()
    shutil.copytree(archive, root / ARCHIVE.removeprefix("/"))
    # As in a clone: what lies there is not to be taken for what is installed.
    shutil.copytree(ROOT / "facemask_edge", root / ARCHIVE.removeprefix("/") / "facemask_edge")
    broker = Mosquitto(folder, "allow_anonymous true", port=port).start()
    try:
        with (
            closing(Subscriber(broker.port, persistent=True)) as witness,
            motion_jpeg_server() as (camera, handler),
            booted(root) as machine,
        ):
            handler.stream = staticmethod(walking_by)
            yield Site(machine, camera, broker, witness, SUITES[suite])
    finally:
        broker.stop()
        shutil.rmtree(root)
