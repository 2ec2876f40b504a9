"""``facemask-edge demo``: the whole way of a frame beside a broker of its own, seen by a separate subscriber."""

import json
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from rich.console import Console

from facemask_edge.annotate import annotate
from facemask_edge.broker_address import parse_address
from facemask_edge.config_file import load_config
from facemask_edge.errors import ConfigError, FacemaskError, OutputError, ServiceError
from facemask_edge.local_broker import local_broker
from facemask_edge.video import VIDEO_SUFFIX, contact_sheet

SAMPLE = Path(__file__).parent / "sample" / "sample.mp4"
DEVICE, CAMERA = "demo", "door"
STATUS = f"facemask/{DEVICE}/status"
VIOLATIONS = f"facemask/{DEVICE}/+/violation"
CONNECT_TIMEOUT = 5.0
RUN_TIMEOUT = 120.0
Received = queue.SimpleQueue[tuple[str, bytes]]
SHEET_FRAMES = 12
COLUMNS = "{:<13} {:<16} {:>6}  {:<10} {:>9}  {}"


def demo(output: Path, server: str | None) -> None:
    """Run the demo.

    Args:
        output: Folder for the annotated video and its contact sheet; made when missing.
        server: ``mqtt://host:port`` of a broker to use; None starts one on a free port of 127.0.0.1.

    Raises:
        ServiceError: The broker cannot be started or reached.
        OutputError: The folder cannot be written.
        FacemaskError: The violations received are not the ones the sample holds.
    """
    # Soft wrapped: a narrow terminal breaks lines where it likes, a file keeps them whole.
    console = Console(highlight=False, soft_wrap=True)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: {error.strerror}; choose another --output") from error
    with tempfile.TemporaryDirectory(prefix="facemask-edge-") as folder:
        if server is None:
            with local_broker(Path(folder)) as own:
                events = _play(own, Path(folder), console)
        else:
            events = _play(server, Path(folder), console)
    console.print("\nThe first one as it was received:")
    console.print_json(json.dumps(events[0]) if events else "null")
    _compare(events, console)
    video, sheet = output / f"{SAMPLE.stem}{VIDEO_SUFFIX}", output / "contact-sheet.png"
    results = annotate([SAMPLE], output, load_config(None))
    contact_sheet(video, sheet, _telling_frames(results))
    console.print(f"What the camera saw: [bold]{video}[/bold], at a glance: [bold]{sheet}[/bold]")


def _play(server: str, folder: Path, console: Console) -> list[dict[str, Any]]:
    """Run the daemon on the sample and print what a subscriber receives meanwhile."""
    with _subscriber(server) as received:
        console.print(f"facemask-edge run plays {SAMPLE.name}; a subscriber at {server} receives:\n")
        console.print(COLUMNS.format("time", "event", "camera", "violation", "no mask", ""), style="bold")
        command = [sys.executable, "-m", "facemask_edge", "run"]
        settings = {
            "device.name": DEVICE,
            "cameras": json.dumps([{"name": CAMERA, "source": str(SAMPLE)}]),
            "mqtt.servers": json.dumps([server]),
            "outbox.path": json.dumps(str(folder / "outbox.sqlite3")),
        }
        command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        daemon = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603 - our own command
        events: list[dict[str, Any]] = []
        try:
            for event in _until_stopped(received, daemon):
                events.append(event)
                console.print(_row(event))
            errors = daemon.communicate(timeout=CONNECT_TIMEOUT)[1]
        finally:
            daemon.kill()
    if daemon.returncode:
        raise FacemaskError(f"the daemon ended with exit code {daemon.returncode}:\n{errors}")
    return events


def _until_stopped(received: Received, daemon: "subprocess.Popen[str]") -> Iterator[dict[str, Any]]:
    """The violations up to the daemon's own ``stopped``: a broker keeps one client's messages in order."""
    give_up = time.monotonic() + RUN_TIMEOUT
    while time.monotonic() < give_up:
        try:
            topic, payload = received.get(timeout=1.0)
        except queue.Empty:
            if daemon.poll() is not None:
                return
            continue
        if topic != STATUS:
            yield json.loads(payload)
        elif payload == b"stopped":
            return
    raise FacemaskError(f"the daemon did not end within {RUN_TIMEOUT:g} s; please report this")


@contextmanager
def _subscriber(server: str) -> Iterator[Received]:
    """A client that has subscribed to the demo's status and violations; yields the queue of what it receives."""
    try:
        address = parse_address(server)
    except ValueError as error:
        raise ConfigError(f"--server: {error}") from error
    if address.scheme != "mqtt":
        raise ConfigError(f"--server {address}: the demo speaks mqtt:// only")
    received: Received = queue.SimpleQueue()
    ready: queue.SimpleQueue[str] = queue.SimpleQueue()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, reconnect_on_failure=False)

    def on_message(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        # What the broker retained is from an earlier demo.
        if not message.retain:
            received.put((message.topic, bytes(message.payload)))

    def on_connect(_client: object, _data: object, _flags: object, reason: ReasonCode, _properties: object) -> None:
        if reason.is_failure:
            ready.put(str(reason))
        else:
            client.subscribe([(STATUS, 1), (VIOLATIONS, 1)])

    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = lambda _client, _data, _mid, _reasons, _properties: ready.put("")
    try:
        client.connect(address.host, address.port)
        client.loop_start()
        refused = ready.get(timeout=CONNECT_TIMEOUT)
    except OSError as error:
        raise ServiceError(f"no broker answers at {server}: {error.strerror or error}") from error
    except queue.Empty as error:
        raise ServiceError(f"the broker at {server} does not answer within {CONNECT_TIMEOUT:g} s") from error
    if refused:
        client.loop_stop()
        raise ServiceError(f"the broker at {server} refused the connection: {refused}")
    try:
        yield received
    finally:
        client.disconnect()
        client.loop_stop()


def _row(event: dict[str, Any]) -> str:
    more = f"{event['reason']} after {event['duration_s']:.1f} s" if "reason" in event else ""
    return COLUMNS.format(
        event["time"][11:23],
        event["event_type"],
        event["camera"],
        event["id"][-8:],
        f"{100 * event['probability']:.0f} %",
        more,
    )


def _telling_frames(results: Path) -> list[int]:
    """Frames for a sheet at a glance, evenly spaced among those in which a face is seen."""
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    frames = [line["frame"] for line in lines if line["faces"]]
    step = max(len(frames) // SHEET_FRAMES, 1)
    return frames[step // 2 :: step][:SHEET_FRAMES]


def _compare(events: list[dict[str, Any]], console: Console) -> None:
    """Hold what was received against the ground truth that was written with the sample."""
    truth = json.loads(SAMPLE.with_suffix(".json").read_text())
    people = truth["people"]
    bare = sum(not person["mask"] for person in people)
    started = {event["id"] for event in events if event["event_type"] == "violation_start"}
    ended = {event["id"] for event in events if event["event_type"] == "violation_end"}
    console.print(
        f"\n{len(people)} people walked through, {bare} without a mask; "
        f"{len(started)} violations started and {len(ended)} ended."
    )
    if not len(events) == 2 * bare == 2 * len(started & ended):
        raise FacemaskError("this is not what the sample shows; please report it")
