"""A device whose clock, service and server are simulated, and whose disk fails when it is told to.

So thousands of sequences of what may go wrong take minutes: every one of the code's writes may be the last before a
power cut. The code is the real one, down to python-tuf and the files; what a real daemon, systemd, HTTPS and file
system add to that, the other tests have.
"""

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient import FetcherInterface

from facemask_edge.config_file import load_config
from facemask_edge.errors import ConfigError, FacemaskError
from facemask_edge.rollouts import fetch, shelf, trial, try_out, update
from facemask_edge.rollouts.publish import make_keys, publish
from facemask_edge.rollouts.shelf import Shelf, Standing, link_in
from facemask_edge.rollouts.trial import ServiceLike

HOUR = 3600.0
LOOK = 1100.0
"""Seconds between two looks."""
READY = 1.0
"""Seconds after its start in which a daemon works."""
GOOD_BROKER = "mqtt://broker"
WRITES = ["replace", "rename", "unlink", "symlink", "mkdir", "rmdir"]
NO_ROOM = {"open", "symlink", "mkdir", "sync"}
"""What fails on a full disk."""


class PowerCutError(BaseException):
    """Nothing more is done."""


class Clock:
    """Stands for the module ``time``; time passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.since_1970 = 1.79e9
        self.coming: list[tuple[float, Callable[[], object]]] = []
        """What happens when."""

    def time(self) -> float:
        return self.since_1970 + self.now

    def time_ns(self) -> int:
        # Each is another one, as real ones are.
        self.now += 1e-6
        return round(self.time() * 1e9)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for entry in [entry for entry in self.coming if entry[0] <= self.now]:
            self.coming.remove(entry)
            entry[1]()


class Disk:
    """Counts what is written, and fails where it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.writes = 0
        self.is_counting = False
        self.fails: Callable[[int, str], None] = lambda _number, _name: None
        for name in WRITES:
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))
        monkeypatch.setattr(os, "remove", os.unlink)
        monkeypatch.setattr(os, "sync", lambda: self.count("sync"))
        monkeypatch.setattr(os, "fsync", lambda _file: self.count("sync"))
        real_open = os.open

        def counted_open(path: Any, flags: int, *args: Any, **settings: Any) -> int:
            if flags & os.O_CREAT:
                self.count("open")
            return real_open(path, flags, *args, **settings)

        monkeypatch.setattr(os, "open", counted_open)

    def cut(self, at: int) -> None:
        """The power goes at a write."""

        def fails(number: int, _name: str) -> None:
            if number == at:
                raise PowerCutError

        self.fails = fails

    def fail(self, at: int) -> None:
        """One write fails."""

        def fails(number: int, name: str) -> None:
            if number == at:
                raise OSError(errno.EIO, "simulated", name)

        self.fails = fails

    def fill(self, at: int, count: int = 1_000_000) -> None:
        """There is no room from a write on, for that many writes."""

        def fails(number: int, name: str) -> None:
            if at <= number < at + count and name in NO_ROOM:
                raise OSError(errno.ENOSPC, "simulated", name)

        self.fails = fails

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **settings: Any) -> Any:
            self.count(name)
            return real(*args, **settings)

        return call

    def count(self, name: str) -> None:
        """Something is written, or fetched."""
        if self.is_counting:
            self.writes += 1
            self.fails(self.writes, name)


class _Read(NamedTuple):
    """What a daemon has read."""

    prefix: str
    has_good_broker: bool
    cameras: dict[str, bool]
    """By name, whether it is the one that is there."""


class Daemon:
    """The service: it runs with what it has read when it was started.

    Args:
        config: Its file.
        clock: Its clock.
    """

    def __init__(self, config: Path, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self.read: _Read | None = None
        self.is_stopped_by_somebody = False
        self.has_broker = self.has_camera = True
        """Whether those that are there work."""
        self.starts = 0
        self._started = 0.0
        self.restart()

    def restart(self) -> bool:
        self.starts += 1
        self._started = self._clock.now
        self.is_stopped_by_somebody = False
        try:
            config = load_config(self._config)
            cameras = {camera.name: camera.source == "0" for camera in config.cameras}
            self.read = _Read(config.mqtt.prefix, config.mqtt.servers == [GOOD_BROKER], cameras)
        except ConfigError:
            self.read = None
        if self.prefix == "down":
            raise PowerCutError
        return self.read is not None

    @property
    def prefix(self) -> str | None:
        """By which it is known what it has read; None of one that does not run."""
        return None if self.read is None else self.read.prefix

    def is_stopped(self) -> bool:
        return self.is_stopped_by_somebody

    def deaths(self) -> int | None:
        if self.read is None or self.is_stopped_by_somebody:
            return None
        return int((self._clock.now - self._started) // 3) if self.prefix == "crash" else 0

    def sign_of_life(self) -> str:
        return str(self._clock.now)

    def health(self) -> bytes | None:
        """Nothing: what works is asked for directly, see ``standing``."""
        return None

    def standing(self) -> Standing:
        """What works now."""
        if self.read is None or self.is_stopped_by_somebody or self._clock.now < self._started + READY:
            return Standing()
        cameras = {name: self.has_camera and is_there for name, is_there in self.read.cameras.items()}
        return Standing(broker=self.has_broker and self.read.has_good_broker, cameras=cameras)


class Simulation:
    """A device and its fleet's operator.

    Args:
        folder: For all of it.
        monkeypatch: Puts what is simulated in the place of what is real.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        for module in (shelf, trial, try_out, update):
            monkeypatch.setattr(module, "time", self.clock)
        self.is_server_there = True
        self._web, self._keys, self._source = folder / "web", folder / "keys", folder / "source"
        monkeypatch.setattr(fetch, "_Fetcher", lambda _context: _Fetcher(self))
        monkeypatch.setattr(fetch, "tls_context", lambda *_: None)
        folder.mkdir()
        trust = folder / "trust.json"
        shutil.copy(make_keys(self._keys), trust)
        self.config = folder / "config.yaml"
        (folder / "config.d").mkdir()
        self.shelf = Shelf(folder / "shelf")
        self._outbox = folder / "outbox.sqlite3"
        self.own({})
        image = {
            "mqtt": {"servers": [GOOD_BROKER], "prefix": "image"},
            "cameras": [{"name": "door", "source": "0"}],
            "rollout": {"url": "https://fleet.example", "trust": f"{trust}", "path": f"{self.shelf.folder}"},
        }
        (folder / "config.d" / "10-image.yaml").write_text(yaml.safe_dump(image))
        self.daemon = Daemon(self.config, self.clock)
        monkeypatch.setattr(trial, "standing", _standing)
        self.disk = Disk(monkeypatch)

    def own(self, values: dict[str, Any]) -> None:
        """What the device's own file says."""
        always = {"device": {"name": "gate"}, "outbox": {"path": f"{self._outbox}"}}
        self.config.write_text(yaml.safe_dump(always | values))

    def publish(self, text: str) -> None:
        """The operator has a rollout that says this."""
        counting, self.disk.is_counting = self.disk.is_counting, False
        shutil.rmtree(self._source, ignore_errors=True)
        (self._source / "fleet").mkdir(parents=True)
        (self._source / "fleet" / "10.yaml").write_text(text)
        (self._source / "fleet" / "note.txt").write_text(text)
        publish(self._source, self._keys, self._web, days=3650)
        self.disk.is_counting = counting

    def answer(self, path: str) -> bytes:
        """Of the server."""
        self.disk.count("fetch")
        if not self.is_server_there:
            raise DownloadError("the server is away")
        file = self._web / path
        if not file.is_file():
            raise DownloadHTTPError("404", 404)
        return file.read_bytes()

    def look(self, after: float = LOOK) -> str:
        """Look for a newer rollout; how that ends, for people."""
        self.clock.now += after
        self.disk.writes, self.disk.is_counting = 0, True
        try:
            update.update(self.config, self.daemon)
        except FacemaskError as error:
            return f"{type(error).__name__}: {error}"
        except PowerCutError:
            self.disk.is_counting = False
            self.boot()
            return "the power was cut"
        finally:
            self.disk.is_counting = False
            self.disk.fails = lambda _number, _name: None
            self.clock.coming.clear()
        return "well"

    def boot(self) -> None:
        """The computer starts again."""
        self.clock.now += 60
        if self.shelf.is_in_trial:
            update.settle(self.config)
        try:
            self.daemon.restart()
        except PowerCutError:
            # It would, until somebody takes the rollout away.
            self.daemon.read = None

    @property
    def rollout_file(self) -> Path:
        """The configuration in the rollout in use."""
        return self.shelf.folder / (self.shelf.current or "none") / "1-fleet" / "10.yaml"

    @property
    def link(self) -> Path:
        """From the configuration to the rollout in use."""
        return link_in(self.config)

    def expected(self) -> str | None:
        """The prefix of a daemon that was started now; None of one that could not be."""
        try:
            return load_config(self.config).mqtt.prefix
        except ConfigError:
            return None


def _standing(service: ServiceLike) -> Standing:
    assert isinstance(service, Daemon)
    return service.standing()


class _Fetcher(FetcherInterface):
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def _fetch(self, url: str) -> Iterator[bytes]:
        yield self._simulation.answer(url.split("/", 3)[3])


GOOD, BAD_BROKER, BAD_CAMERA, CRASH, DOWN = "good", "bad broker", "bad camera", "crash", "down"
ROLLOUTS = {
    GOOD: "mqtt: {{prefix: good{}}}\n",
    BAD_BROKER: "mqtt: {{prefix: bad{}, servers: ['mqtt://elsewhere']}}\n",
    BAD_CAMERA: "mqtt: {{prefix: bad{}}}\ncameras: [{{name: door, source: /dev/none}}]\n",
    CRASH: "mqtt: {{prefix: crash}}\ncompliance: {{cooldown: {}}}\n",
    DOWN: "mqtt: {{prefix: down}}\ncompliance: {{cooldown: {}}}\n",
}


class Walk:
    """A sequence of events at random, of which every one is written down."""

    def __init__(self, simulation: Simulation, seed: int) -> None:
        self.simulation = simulation
        self.random = random.Random(seed)
        self.told: list[str] = []
        self.published = 0
        self.has_had_outage = False
        """Whether broker or camera were away at some time."""

    def take(self, steps: int) -> None:
        """Go that many steps."""
        events = [self._publish, self._damage, self._lose_link, self._cut, self._break, self._toggle, self._somebody]
        for _ in range(steps):
            self.random.choice(events)()
            if self.random.random() < 0.7:
                self.look(self.random.choice([60, LOOK, LOOK, 14 * HOUR]))

    def look(self, after: float = LOOK) -> int:
        """Look, and tell how often the daemon was started."""
        before = self.simulation.daemon.starts
        self.told.append(f"look: {self.simulation.look(after)}; {self.simulation.shelf.known_state}")
        return self.simulation.daemon.starts - before

    def publish(self, kind: str) -> None:
        """A rollout of a kind."""
        self.published += 1
        self.told.append(f"publish {self.published}: {kind}")
        self.simulation.publish(ROLLOUTS[kind].format(self.published))

    def _publish(self) -> None:
        self.publish(self.random.choices(list(ROLLOUTS), [6, 2, 1, 2, 1])[0])

    def _damage(self) -> None:
        folder = self.simulation.shelf.folder
        files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != "lock")
        if not files:
            return
        file, content = self.random.choice(files), self.random.choice([b"", b"{}", b"\x00" * 9, b"mqtt: {pre", None])
        self.told.append(f"damage {file.relative_to(folder)}: {content!r}")
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

    def _lose_link(self) -> None:
        lost = self.random.choice([self.simulation.link, self.simulation.shelf.folder / "current"])
        self.told.append(f"lose {lost.name}")
        lost.unlink(missing_ok=True)

    def _cut(self) -> None:
        self.told.append("cut")
        if self.random.random() < 0.5:
            self._at_some_time(cut_the_power)
        else:
            self.simulation.disk.cut(self.random.randint(1, 100))
        self.look()

    def _break(self) -> None:
        disk, at = self.simulation.disk, self.random.randint(1, 90)
        self.told.append("a disk that fails")
        if self.random.random() < 0.5:
            disk.fail(at)
        else:
            disk.fill(at, self.random.choice([3, 1_000_000]))
        self.look()

    def _toggle(self) -> None:
        what = self.random.choice(["server", "broker", "camera"])
        self.told.append(f"toggle {what}")
        if self.random.random() < 0.5:
            self._turn(what)
        else:
            self._at_some_time(lambda: self._turn(what))
            self.look()

    def _turn(self, what: str) -> None:
        simulation = self.simulation
        if what == "server":
            simulation.is_server_there = not simulation.is_server_there
        elif what == "broker":
            simulation.daemon.has_broker = not simulation.daemon.has_broker
            self.has_had_outage = True
        else:
            simulation.daemon.has_camera = not simulation.daemon.has_camera
            self.has_had_outage = True

    def _somebody(self) -> None:
        simulation = self.simulation
        done = self.random.choice(["stops", "stops in a look", "starts", "boots", "sets the clock"])
        self.told.append(f"somebody {done}")
        if done == "stops":
            simulation.daemon.is_stopped_by_somebody = True
        elif done == "stops in a look":
            self._at_some_time(self._stop)
            self.look()
        elif done == "sets the clock":
            simulation.clock.since_1970 += self.random.choice([-1, 1]) * 30 * 24 * HOUR
        else:
            simulation.boot()

    def _stop(self) -> None:
        self.simulation.daemon.is_stopped_by_somebody = True

    def _at_some_time(self, function: Callable[[], None]) -> None:
        clock = self.simulation.clock
        clock.coming.append((clock.now + LOOK + 60 * self.random.random(), function))


def cut_the_power() -> None:
    """Wherever the code is."""
    raise PowerCutError
