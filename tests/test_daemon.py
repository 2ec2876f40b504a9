import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import jsonschema
import pytest

from facemask_edge.messages import SCHEMA_FILE
from tests.conftest import ROOT, Mosquitto
from tests.subscriber import Subscriber, wait_until

RECORDINGS = [ROOT / "facemask_edge" / "sample" / "sample.mp4", ROOT / "tests" / "recordings" / "second.mp4"]


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_a_subscriber_receives_exactly_what_the_ground_truth_says(
    recording: Path, mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    settings = {
        "cameras": json.dumps([{"name": "door", "source": str(recording)}]),
        "mqtt.servers": json.dumps([mosquitto.url]),
        "outbox.path": str(tmp_path / "outbox.sqlite3"),
        "device.name": "pi",
    }
    command = [sys.executable, "-m", "facemask_edge", "run"]
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    with closing(subscriber):
        assert subprocess.run(command, check=False, timeout=120).returncode == 0
        assert wait_until(lambda: "stopped" in subscriber.payloads("facemask/pi/status"))
    people = json.loads(recording.with_suffix(".json").read_text())["people"]
    expected = sum(not person["mask"] for person in people)
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))
    events = subscriber.events()
    for event in events:
        validator.validate(event)
    starts = [event["id"] for event in events if event["event_type"] == "violation_start"]
    ends = [event["id"] for event in events if event["event_type"] == "violation_end"]
    assert len(starts) == len(set(starts)) == expected
    assert sorted(starts) == sorted(ends)
    assert [event["sequence"] for event in events] == list(range(1, 2 * expected + 1))
