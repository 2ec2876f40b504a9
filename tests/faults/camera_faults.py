"""The camera goes away, hangs, comes back with another size, or sends what none should; the daemon is the real one."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peak_memory import mebibytes
from facemask_edge.cameras.recording import Recording
from facemask_edge.demo import SAMPLE
from facemask_edge.video import video_writer
from tests.conftest import Mosquitto, free_port
from tests.faults.broker_faults import MOST_GROWTH, MOST_THREADS, PERSISTENT
from tests.faults.outcome import Outcome, compare
from tests.faults.running import Running, settings
from tests.motion_jpeg import encoded, motion_jpeg_server, part
from tests.subscriber import Subscriber, wait_until

NOTICED = 5.0
"""Seconds in which every fault must be said in ``health``."""
SOMEBODY = slice(45, 165)
"""Frames of the sample in which people come and go, one of them without a mask."""
RATE = 15
SYSTEM_PYTHON = "/usr/bin/python3"
RTSP_PACKAGES = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"
SMALL, LARGE = (640, 480), (960, 720)


class Door:
    """The real daemon behind one camera, and a subscriber that hears what it says."""

    def __init__(self, folder: Path, broker: Mosquitto, source: str) -> None:
        self.witness = Subscriber(broker.port, persistent=True)
        cameras = json.dumps([{"name": "door", "source": source}])
        self.running = Running("facemask_edge", "run", "--set", f"cameras={cameras}", *settings(folder, broker.url))
        self.slowest = 0.0
        """Seconds that it took to notice a fault."""
        self.recovery = 0.0

    def says(self, *states: str, size: tuple[int, int] | None = None, within: float = 60.0) -> float:
        """Wait until the camera is in one of these states; the seconds that took."""
        started = time.monotonic()
        assert wait_until(lambda: self._is(states, size), within), (states, self._health(), self.running.log[-10:])
        return time.monotonic() - started

    def notices(self, *states: str) -> None:
        """A fault that has just begun is said in time."""
        self.slowest = max(self.slowest, self.says(*states, within=NOTICED))

    def recovers(self, size: tuple[int, int] | None = None) -> None:
        """A fault that has just ended is over in time."""
        self.recovery = max(self.recovery, self.says("ok", size=size))

    def finish(self, fault: str, tries: int) -> Outcome:
        """Stop the daemon, and count."""
        assert self.running.stop() < NOTICED
        assert self.running.process.returncode == 0, self.running.log[-20:]
        recorded = self.running.recorded
        wait_until(lambda: len({(one["id"], one["event_type"]) for one in self.witness.events()}) >= len(recorded), 10)
        outcome = compare(fault, self.witness.events(), recorded=recorded, recovery=self.recovery)
        outcome.tries = tries
        outcome.remark = f"noticed within {self.slowest:.1f} s"
        return outcome

    def close(self) -> None:
        self.running.process.kill()
        self.running.wait()
        self.witness.close()

    def _health(self) -> dict[str, object]:
        said = self.witness.healths()
        found: dict[str, object] = said[-1]["cameras"]["door"] if said else {}
        return found

    def _is(self, states: Sequence[str], size: tuple[int, int] | None) -> bool:
        health = self._health()
        return health.get("state") in states and (size is None or (health["width"], health["height"]) == size)


@contextmanager
def _door(folder: Path, source: str) -> Iterator[Door]:
    broker = Mosquitto(folder, *PERSISTENT).start()
    try:
        with closing(Door(folder, broker, source)) as door:
            yield door
    finally:
        broker.stop()


class RtspServer:
    """A real RTSP camera in a process of its own."""

    def __init__(self, video: Path) -> None:
        self._port = free_port()
        self.url = f"rtsp://127.0.0.1:{self._port}/camera"
        self._video = video
        self._process: subprocess.Popen[str] | None = None

    def start(self, size: tuple[int, int]) -> None:
        """Play with this width and height in pixels."""
        program = Path(__file__).with_name("rtsp_server.py")
        command = [SYSTEM_PYTHON, str(program), str(self._port), str(self._video), *map(str, size)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n", "is gir1.2-gst-rtsp-server-1.0 installed?"

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def skip_without_rtsp() -> None:
    """Skip the test where this machine cannot play the RTSP camera, and say what is missing."""
    wanted = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    is_there = (
        Path(SYSTEM_PYTHON).exists()
        and not subprocess.run([SYSTEM_PYTHON, "-c", wanted], check=False, stderr=subprocess.DEVNULL).returncode
    )
    if not is_there:
        pytest.skip(f"the Debian packages {RTSP_PACKAGES} are not installed; run: sudo apt install {RTSP_PACKAGES}")


def _people(folder: Path) -> Path:
    """A video of people who come and go."""
    video = folder / "people.webm"
    with closing(Recording(SAMPLE)) as sample, video_writer(video, RATE) as write:
        for frame in islice(sample, SOMEBODY.start, SOMEBODY.stop):
            write(frame.image)
    return video


@contextmanager
def _rtsp(folder: Path) -> Iterator[tuple[RtspServer, Door]]:
    server = RtspServer(_people(folder))
    server.start(SMALL)
    try:
        with _door(folder, server.url) as door:
            door.says("ok", size=SMALL)
            yield server, door
    finally:
        server.kill()


def rtsp_killed(folder: Path, rounds: int, seed: int) -> Outcome:
    """The RTSP camera is killed, and starts again after a while."""
    return _rtsp_away(
        "RTSP camera killed",
        folder,
        rounds,
        seed,
        break_it=RtspServer.kill,
        mend=lambda server: server.start(SMALL),
        longest=2,
    )


def rtsp_stopped(folder: Path, rounds: int, seed: int) -> Outcome:
    """The RTSP camera hangs (SIGSTOP), and goes on after a while."""
    return _rtsp_away(
        "RTSP camera hangs",
        folder,
        rounds,
        seed,
        break_it=lambda server: server.signal(signal.SIGSTOP),
        mend=lambda server: server.signal(signal.SIGCONT),
        longest=15,
    )


def _rtsp_away(  # noqa: PLR0913 - what a scenario is made of
    fault: str,
    folder: Path,
    rounds: int,
    seed: int,
    *,
    break_it: Callable[[RtspServer], object],
    mend: Callable[[RtspServer], object],
    longest: float,
) -> Outcome:
    """Break the camera again and again, each time for ``longest`` seconds at the most after it was noticed."""
    chance = random.Random(seed)
    with _rtsp(folder) as (server, door):
        for _ in range(rounds):
            time.sleep(chance.uniform(2, 6))
            break_it(server)
            door.notices("lost")
            time.sleep(chance.uniform(0, longest))
            mend(server)
            door.recovers()
        return door.finish(fault, rounds)


def rtsp_replaced(folder: Path, rounds: int, seed: int) -> Outcome:
    """The RTSP camera is replaced by one of another size."""
    chance = random.Random(seed)
    with _rtsp(folder) as (server, door):
        for turn in range(rounds):
            time.sleep(chance.uniform(2, 6))
            server.kill()
            size = SMALL if turn % 2 else LARGE
            server.start(size)
            door.recovers(size)
        outcome = door.finish("RTSP camera replaced by another size", rounds)
        outcome.remark = ""
        return outcome


def _walking() -> Iterator[bytes]:
    """Parts with people who come and go, for ever."""
    while True:
        with closing(Recording(SAMPLE)) as sample:
            for frame in islice(sample, SOMEBODY.start, SOMEBODY.stop):
                yield part(encoded(frame.image))
                time.sleep(1 / RATE)


def _stalls() -> Iterator[bytes]:
    time.sleep(600)
    yield b""


def _ends() -> Iterator[bytes]:
    yield from ()


def _half() -> Iterator[bytes]:
    whole = next(_walking())
    yield whole[: len(whole) // 2]
    time.sleep(600)


def _huge() -> Iterator[bytes]:
    """A picture of 100 megapixels, truly: a few hundred kilobytes on the way."""
    yield part(encoded(np.zeros((10_000, 10_000, 3), np.uint8)))
    time.sleep(600)


def _no_picture() -> Iterator[bytes]:
    yield part(random.Random(0).randbytes(50_000))
    time.sleep(600)


def _frozen() -> Iterator[bytes]:
    same = next(_walking())
    while True:
        yield same
        time.sleep(1 / RATE)


def _black() -> Iterator[bytes]:
    chance = np.random.default_rng(0)
    while True:
        yield part(encoded(chance.integers(0, 6, (480, 640, 3)).astype(np.uint8)))
        time.sleep(1 / RATE)


HTTP_FAULTS: dict[Callable[[], Iterator[bytes]], tuple[str, ...]] = {
    _stalls: ("lost",),
    _ends: ("lost",),
    _half: ("lost",),
    _huge: ("lost",),
    _no_picture: ("lost",),
    _frozen: ("frozen",),
    _black: ("black",),
}
"""What a stream turns into, and what the device must say."""


def http_camera(folder: Path, rounds: int, seed: int) -> Outcome:
    """A motion-JPEG camera stalls, ends, sends half a picture, a huge one, none, the same one, a black one."""
    chance = random.Random(seed)
    with motion_jpeg_server() as (url, handler):
        turned: list[Callable[[], Iterator[bytes]]] = []

        def stream() -> Iterator[bytes]:
            for some in _walking():
                if turned:
                    break
                yield some
            # Those who ask again meanwhile get the same.
            if turned:
                yield from turned[0]()

        handler.stream = staticmethod(stream)
        with _door(folder, url) as door:
            door.says("ok")
            before = mebibytes("VmHWM", door.running.process.pid) or 0.0
            tries = [fault for _ in range(rounds) for fault in HTTP_FAULTS]
            for fault in tries:
                time.sleep(chance.uniform(1, 4))
                turned.append(fault)
                door.notices(*HTTP_FAULTS[fault])
                turned.clear()
                door.recovers()
            grown = (mebibytes("VmHWM", door.running.process.pid) or 0.0) - before
            assert grown < MOST_GROWTH, f"{grown:.0f} MiB more"
            threads = len(list(Path(f"/proc/{door.running.process.pid}/task").iterdir()))
            assert threads < MOST_THREADS, threads
            return door.finish("HTTP camera sends what none should", len(tries))
