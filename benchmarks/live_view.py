"""Shows what the page costs the frame loop: while somebody looks at the live picture, and while nobody does.

    python -m benchmarks.live_view [--rounds 60] [--width 640] [--json live_view.json]

The sample, scaled to a width, is judged over and over as fast as it can be, by the daemon's own objects; who looks is a
process of its own that asks for one picture after the other over HTTP, as a browser does. Three in turn: without a page
or its server, with one that nobody looks at, with one that somebody looks at.
"""

import argparse
import http.client
import json
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

import cv2
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.bars import Bar, add_json_option, finish
from facemask_edge.areas import AREAS, Areas
from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.faces.thorough import ThoroughDetector
from facemask_edge.http_server import HttpServer
from facemask_edge.page.desk import Desk, Loop
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.pulse import Pulse
from facemask_edge.values import Frame, Image
from tests.conftest import free_port
from tests.make_recordings import RECORDINGS

FRAMES = 100
"""Of each turn."""
PASSWORD = "of the benchmark"  # noqa: S105 - nobody else is let in for as long as it runs
MOST_LOOKED_AT, MOST_ALONE = 1.05, 1.01
"""Times what a frame costs without a page."""


@dataclass(frozen=True, slots=True)
class Turn:
    """So many frames that were judged."""

    kind: str
    milliseconds: float
    """A frame."""
    shown: int
    """Pictures that somebody got meanwhile."""


class Bench:
    """A loop with a page."""

    def __init__(self, folder: Path, width: int) -> None:
        self.port = free_port()
        self.config = Config.model_validate(
            {"http": {"enabled": True, "port": self.port}, "outbox": {"path": str(folder / "outbox.sqlite3")}}
        )
        self.models = Models(self.config)
        self.find = ThoroughDetector().boxes
        with closing(Recording(RECORDINGS[0][0])) as sample:
            self.frames = [scaled(frame, width) for frame in sample]
        self._viewer = Viewer()

    def close(self) -> None:
        """Nobody is to look any more."""
        self._viewer.close()

    @contextmanager
    def page(self) -> Iterator[Desk]:
        """A page, and its server."""
        loop = Loop(
            cameras=lambda: {"camera": {"state": "ok", "judged": 0}},
            switches=dict,
            health=lambda: None,
            fault=str,
            order=lambda _name, _payload: None,
            redraw=lambda _: None,
        )
        areas = Areas(self.config.cameras, self.config.outbox.beside(AREAS))
        desk = Desk(self.config, self.models, areas, loop, self.find)
        server = HttpServer(self.config.http, Pulse(), lambda: None, desk=desk, password=PASSWORD)
        server.start()
        # Its beginning is no part of what a frame costs.
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        yield desk
        server.stop()

    def turn(self, kind: str) -> Turn:
        """Judge, with or without a page, and with or without somebody who looks."""
        with self.page() if kind != "no page" else nullcontext() as desk:
            with self._viewer.looking(self.port) if kind == "looked at" else nullcontext(list[int]()) as seen:
                pipeline = Pipeline(self.config, self.config.cameras[0], self.models)
                start = time.perf_counter()
                for frame in islice(endless(self.frames), FRAMES):
                    violations = pipeline.process(frame)
                    if desk is not None:
                        desk.judged("camera", frame, pipeline.verdicts(), violations)
                seconds = time.perf_counter() - start
            return Turn(kind, 1000 * seconds / FRAMES, sum(seen))


def endless(frames: list[Frame]) -> Iterator[Frame]:
    """The same again and again, each later than the one before."""
    length = frames[-1].timestamp + 1.0
    for number, frame in enumerate(cycle(frames)):
        yield Frame(frame.image, frame.timestamp + number // len(frames) * length, number)


def scaled(frame: Frame, width: int) -> Frame:
    """The same, so many pixels wide."""
    size = width, round(frame.height * width / frame.width)
    image: Image = cv2.resize(frame.image, size)  # type: ignore[assignment] # always uint8
    return Frame(image, frame.timestamp, frame.index)


class Viewer:
    """Somebody who looks, in a process of their own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.live_view", "--look"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this program

    @contextmanager
    def looking(self, port: int) -> Iterator[list[int]]:
        """They look from the first picture on; how many they got."""
        seen: list[int] = []
        self._tell(port)
        yield seen
        seen.append(self._tell(port))

    def close(self) -> None:
        """They go."""
        self._process.communicate()

    def _tell(self, port: int) -> int:
        assert self._process.stdin is not None  # noqa: S101 - for mypy
        assert self._process.stdout is not None  # noqa: S101 - likewise
        print(port, file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def look() -> None:
    """Each first line of the standard input is a port that is looked at until the next line; both are answered."""
    while line := sys.stdin.readline():
        with closing(http.client.HTTPConnection("127.0.0.1", int(line), timeout=10)) as connection:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/login", json.dumps({"password": PASSWORD}), headers)
            answer = connection.getresponse()
            answer.read()
            cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
            print(0, flush=True)  # noqa: T201 - to who waits for it
            print(_pictures_until_told(connection, cookie), flush=True)  # noqa: T201 - likewise


def _pictures_until_told(connection: http.client.HTTPConnection, cookie: dict[str, str]) -> int:
    """One after the other, and the state each second, as the page's script asks for them."""
    known, count, next_state = "0", 0, 0.0
    while not select.select([sys.stdin], [], [], 0)[0]:
        connection.request("GET", f"/api/live/camera?known={known}", headers=cookie)
        answer = connection.getresponse()
        count += bool(answer.read())
        known = answer.headers.get("X-Number", known)
        if time.monotonic() >= next_state:
            next_state = time.monotonic() + 1.0
            connection.request("GET", "/api/state", headers=cookie)
            connection.getresponse().read()
    sys.stdin.readline()
    return count


def median_with_interval(values: list[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval, by order statistics: no shape of the noise is assumed."""
    ordered = sorted(values)
    reach = max(int((len(ordered) - 1.96 * len(ordered) ** 0.5) / 2), 0)
    return statistics.median(ordered), ordered[reach], ordered[-1 - reach]


def main() -> None:
    """Print a table; exit code 1 when something asked for is not reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60, help="how often all are timed")
    parser.add_argument("--width", type=int, default=640, help="of the frames, in pixels")
    add_json_option(parser)
    parser.add_argument("--look", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        look()
        return
    console = Console(highlight=False)
    turns: list[Turn] = []
    kinds = ("no page", "nobody looks", "looked at")
    with tempfile.TemporaryDirectory() as folder, closing(Bench(Path(folder), options.width)) as bench:
        for number in track(range(options.rounds), "rounds", console=Console(stderr=True), transient=True):
            # Each comes first as often as the others.
            first = number % len(kinds)
            turns += [bench.turn(kind) for kind in (*kinds[first:], *kinds[:first])]
    costs = {kind: [turn.milliseconds for turn in turns if turn.kind == kind] for kind in kinds}
    shown = statistics.median(turn.shown / (turn.milliseconds * FRAMES / 1000) for turn in turns if turn.shown)
    table = Table("", "ms a frame", "times no page", "95 %", "asked for")
    table.title = f"{FRAMES} frames of {options.width} pixels a turn, {options.rounds} turns of each, medians"
    bars = []
    for kind, most in zip(kinds, (None, MOST_ALONE, MOST_LOOKED_AT), strict=True):
        ratios = [cost / alone for cost, alone in zip(costs[kind], costs["no page"], strict=True)]
        ratio, low, high = median_with_interval(ratios)
        bar = Bar(f"times no page, {kind}", ratio, at_most=most)
        if most is not None:
            bars.append(bar)
        asked = "" if most is None else bar.asked
        table.add_row(kind, f"{statistics.median(costs[kind]):.2f}", f"{ratio:.3f}", f"{low:.3f} to {high:.3f}", asked)
    console.print(table)
    console.print(f"{shown:.1f} pictures a second were shown")
    finish(options.json, bars, [asdict(turn) for turn in turns])


if __name__ == "__main__":
    main()
