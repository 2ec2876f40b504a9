"""Devices, a cluster and a persistent subscriber for a while; what came, what did not, and how late."""

import itertools
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.fleet.cluster import Cluster, running
from tests.subscriber import wait_until

DEVICES = 30
PROCESSES = 3
"""In which they are: a real device has a processor of its own."""
ARRIVE_TIMEOUT = 60.0
"""Seconds in which what was acknowledged has to arrive, once the last device is done."""
PUBLISHERS_NODE, SUBSCRIBERS_NODE = 0, -1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the messages."""

    decided: int
    unacknowledged: int
    """Still in an outbox at the end."""
    lost: int
    """Nobody got them, those in an outbox with them."""
    duplicates: int
    """Came once more, and are removable by their key."""
    under_two_keys: int
    """Came under another key once more: not removable."""
    gaps_in_sequence: int
    """Numbers of a stream that nobody got."""
    rate: float
    """Messages a second."""
    median_ms: float
    p95_ms: float
    p99_ms: float
    """Milliseconds from the decision to the arrival, of what came first."""
    longest_gap: float
    """Seconds in which nothing arrived."""
    latest: float
    """Seconds from the decision to the arrival of what came latest."""


def play(  # noqa: PLR0913 - a scenario is what it is made of
    kind: Callable[[Path], Cluster],
    folder: Path,
    *,
    rate: float,
    seconds: float,
    devices: int = DEVICES,
    killed: int | None = None,
) -> Outcome:
    """Let it happen.

    Args:
        kind: Of cluster.
        folder: For all files.
        rate: Violations a second, each with a start and an end.
        seconds: How long.
        devices: How many.
        killed: Which node is killed in the middle.
    """
    came = folder / "came.jsonl"
    # The devices begin at the first node, who listens at the last one.
    with running(kind, folder / "brokers") as cluster, recorder(came, cluster.ports[::-1]):
        told = {"rate": rate / PROCESSES, "seconds": seconds, "devices": devices // PROCESSES}
        processes = [
            _devices(folder / "devices", cluster, first=number * devices // PROCESSES, **told)
            for number in range(PROCESSES)
        ]
        if killed is not None:
            time.sleep(seconds / 2)
            cluster.kill(range(len(cluster.ports))[killed])
        said = Counter[str]()
        for process in processes:
            said.update(json.loads(process.communicate()[0]))
        wait_until(lambda: have_come(came, said["decided"]), ARRIVE_TIMEOUT)
    return outcome(read(came), decided=said["decided"], unacknowledged=said["unacknowledged"])


def _devices(folder: Path, cluster: Cluster, **options: float) -> "subprocess.Popen[bytes]":
    told = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tests.fleet.devices", str(folder), *cluster.servers, *told]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@contextmanager
def recorder(file: Path, ports: Sequence[int]) -> Iterator[None]:
    """Somebody who listens, with a session that outlives the connection."""
    command = [sys.executable, "-m", "tests.fleet.recorder", str(file), *map(str, ports)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listens\n"
        yield
        process.communicate()


def read(came: Path) -> list[dict[str, Any]]:
    """What came so far."""
    return [json.loads(line) for line in came.read_text().splitlines() if line.endswith("}")]


def have_come(came: Path, number: int) -> bool:
    """Whether so many different ones have."""
    # Counted first: to read all again and again would take the processor that those on their way need.
    return came.read_bytes().count(b"\n") >= number and len({_event(line["payload"]) for line in read(came)}) >= number


def outcome(came: Sequence[dict[str, Any]], *, decided: int, unacknowledged: int) -> Outcome:
    """Count."""
    first: dict[tuple[str, str, int], dict[str, Any]] = {}
    for line in came:
        first.setdefault(_key(line["payload"]), line)
    events = {_event(line["payload"]) for line in first.values()}
    last_of: dict[tuple[str, str], int] = {}
    for device, stream, sequence in first:
        last_of[device, stream] = max(sequence, last_of.get((device, stream), 0))
    late = sorted(line["at"] - _seconds(line["payload"]["time"]) for line in first.values())
    at = sorted(line["at"] for line in came)
    hundredths = statistics.quantiles(late, n=100)
    return Outcome(
        decided=decided,
        unacknowledged=unacknowledged,
        lost=decided - len(events),
        duplicates=len(came) - len(first),
        under_two_keys=len(first) - len(events),
        gaps_in_sequence=sum(last_of.values()) - len(first),
        rate=len(first) / (at[-1] - at[0]),
        median_ms=1000 * hundredths[49],
        p95_ms=1000 * hundredths[94],
        p99_ms=1000 * hundredths[98],
        longest_gap=max(later - before for before, later in itertools.pairwise(at)),
        latest=late[-1],
    )


def _key(payload: dict[str, Any]) -> tuple[str, str, int]:
    return payload["device"], payload["stream"], payload["sequence"]


def _event(payload: dict[str, Any]) -> tuple[str, str]:
    return payload["id"], payload["event_type"]


def _seconds(time_of_day: str) -> float:
    return datetime.fromisoformat(time_of_day).timestamp()
