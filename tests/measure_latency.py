"""Compares the latency that the daemon says it has with the one it has: ``python -m tests.measure_latency``.

A motion-JPEG camera sends pictures with the time in each; the models take as long as on a slow computer. Prints JSON:
milliseconds, the part of the judged pictures that was late, and counts of pictures.
"""

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np

from facemask_edge.config import ComplianceConfig
from facemask_edge.config_file import load_config
from facemask_edge.daemon import Daemon
from facemask_edge.inference import Model
from facemask_edge.local_broker import local_broker
from facemask_edge.pipeline import Pipeline
from facemask_edge.values import Frame, Violation
from tests.fakes import slow_model
from tests.motion_jpeg import encoded, motion_jpeg_server, part
from tests.subscriber import Subscriber
from tests.test_pace import crowd
from tests.transport_stream import sent, stamped

FPS, SECONDS = 15, 12
TARGET = ComplianceConfig().latency_target
SECONDS_A_DETECTION, SECONDS_A_LOOK = 0.12, 0.04


def pictures() -> Iterator[bytes]:
    """Parts of a stream, each when it is time for it."""
    # Faces so few that all closer looks are done after some frames.
    scene, started = crowd(2, 2)[:480, :640], time.monotonic()
    for index in range(100_000):
        time.sleep(max(started + index / FPS - time.monotonic(), 0))
        yield part(encoded(stamped(scene.copy(), time.monotonic())))


def main() -> None:
    """Print them."""
    latencies: list[float] = []
    process = Pipeline.process

    def timed(pipeline: Pipeline, frame: Frame) -> list[Violation]:
        violations = process(pipeline, frame)
        latencies.append(time.monotonic() - sent(frame.image))
        return violations

    load = Model.__init__

    def slowly(model: Model, name: str, **how: object) -> None:
        load(model, name, **how)  # type: ignore[arg-type] # handed through
        slow_model(model, SECONDS_A_DETECTION if "detector" in name else SECONDS_A_LOOK)

    with ExitStack() as house:
        house.enter_context(patch.object(Pipeline, "process", timed))
        house.enter_context(patch.object(Model, "__init__", slowly))
        url, camera = house.enter_context(motion_jpeg_server())
        camera.stream = staticmethod(pictures)
        folder = Path(house.enter_context(tempfile.TemporaryDirectory()))
        broker = house.enter_context(local_broker(folder))
        subscriber = Subscriber(int(broker.rpartition(":")[2]))
        settings = [f"cameras=[{{name: door, source: '{url}'}}]", f"mqtt.servers=['{broker}']", "health.interval=1"]
        daemon = Daemon(load_config(None, [*settings, f"outbox.path={folder / 'outbox'}", "outbox.min_free_bytes=0"]))
        threading.Timer(SECONDS, daemon.stop).start()
        daemon.run(drain_timeout=5)
        door = subscriber.healths()[-1]["cameras"]["door"]
    # Until it is known how long a look takes, nobody can be in time.
    known = np.array(latencies[5:]) * 1000
    figures = {
        "p50": float(np.percentile(known, 50)),
        "p95": float(np.percentile(known, 95)),
        "late": float(np.mean(known > 1000 * TARGET)),
        "said_p50": door["latency_ms"]["p50"],
        "said_p95": door["latency_ms"]["p95"],
        "frames": door["frames"],
        "judged": door["judged"],
        **door["dropped"],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
