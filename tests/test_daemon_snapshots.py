"""Pictures of violations, through a real broker and the real daemon."""

import json
import subprocess
from contextlib import closing
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from tests.conftest import Mosquitto
from tests.subscriber import Subscriber, wait_until
from tests.test_daemon import RECORDINGS, facemask_edge_run
from tests.test_remote_control import PREFIX, Stream, refused, running, somebody_stays, state

ENABLED = ["--set", "snapshots.enabled=true", "--set", "outbox.min_free_bytes=0"]


def pictures(subscriber: Subscriber) -> list[paho.MQTTMessage]:
    return [message for message in subscriber.messages if message.topic == f"{PREFIX}/door/snapshot"]


def about(message: paho.MQTTMessage) -> dict[str, str]:
    properties = message.properties
    assert properties is not None
    assert properties.ContentType == "image/jpeg"  # type: ignore[attr-defined] # set by name
    return dict(properties.UserProperty)  # type: ignore[attr-defined]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_each_violation_has_its_picture(
    protocol: str, mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    cameras = json.dumps([{"name": "door", "source": str(RECORDINGS[0])}])
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={cameras}", *ENABLED]
    with closing(subscriber):
        subprocess.run([*command, "--set", f"mqtt.protocol='{protocol}'"], check=True, timeout=120)
        assert wait_until(lambda: "stopped" in subscriber.payloads(f"{PREFIX}/status"))
    starts = [event["id"] for event in subscriber.events() if event["event_type"] == "violation_start"]
    assert len(starts) >= 3
    assert all(
        not message.retain and bytes(message.payload).startswith(b"\xff\xd8") for message in pictures(subscriber)
    )
    kept = {path.stem: path.read_bytes() for path in (tmp_path / "outbox.sqlite3.snapshots" / "door").iterdir()}
    assert sorted(kept) == sorted(starts)
    assert sorted(kept.values()) == sorted(bytes(message.payload) for message in pictures(subscriber))
    if protocol == "5":
        assert [about(message)["id"] for message in pictures(subscriber)] == starts
        assert all(bytes(message.payload) == kept[about(message)["id"]] for message in pictures(subscriber))


def test_nobody_gets_pictures_whose_owner_wants_none(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    url, handler = stream
    handler.stream = staticmethod(somebody_stays)
    # Of a time when they were wanted.
    subscriber.publish(f"{PREFIX}/snapshots/state", "ON", retain=True)
    with running(mosquitto, tmp_path, url):
        assert wait_until(lambda: len(subscriber.events()) == 1, 30)
        subscriber.publish(f"{PREFIX}/snapshots/set", "ON")
        subscriber.publish(f"{PREFIX}/take_snapshot/set", "PRESS")
        assert wait_until(lambda: len(refused(subscriber)) == 2)
        assert [name for name, _, _ in refused(subscriber)] == ["snapshots/set", "take_snapshot/set"]
        assert "snapshots.enabled is false" in refused(subscriber)[0][2]
        assert pictures(subscriber) == []
        assert state(subscriber, "snapshots") == ""


def test_somebody_may_ask_for_one_and_switch_them_off(
    mosquitto: Mosquitto, subscriber: Subscriber, stream: Stream, tmp_path: Path
) -> None:
    url, handler = stream
    handler.stream = staticmethod(somebody_stays)
    with running(mosquitto, tmp_path, url, *ENABLED):
        assert wait_until(lambda: len(pictures(subscriber)) == 1, 30)
        assert about(pictures(subscriber)[0])["id"] == subscriber.events()[0]["id"]
        for _ in range(2):
            subscriber.publish(f"{PREFIX}/take_snapshot/set", "PRESS")
        assert wait_until(lambda: len(pictures(subscriber)) == 2, 30)
        assert set(about(pictures(subscriber)[1])) == {"time"}
        assert wait_until(lambda: len(refused(subscriber)) == 1)
        assert refused(subscriber)[0][2] == "one was taken moments ago; wait 5 s"
        subscriber.publish(f"{PREFIX}/snapshots/set", "OFF")
        assert wait_until(lambda: state(subscriber, "snapshots") == "OFF")
        subscriber.publish(f"{PREFIX}/take_snapshot/set", "PRESS")
        assert wait_until(lambda: len(refused(subscriber)) == 2)
        assert refused(subscriber)[1][2] == "snapshots are switched off"
        assert len(pictures(subscriber)) == 2
    # Only pictures of violations are kept.
    kept = [path.stem for path in (tmp_path / "outbox.sqlite3.snapshots" / "door").iterdir()]
    assert kept == [subscriber.events()[0]["id"]]


def test_a_face_behind_a_privacy_mask_is_not_judged(
    mosquitto: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    everywhere = [[[0, 0], [1, 0], [1, 1], [0, 1]]]
    cameras = json.dumps([{"name": "door", "source": str(RECORDINGS[0]), "privacy_masks": everywhere}])
    command = [*facemask_edge_run(mosquitto, tmp_path), "--set", f"cameras={cameras}", *ENABLED]
    with closing(subscriber):
        subprocess.run(command, check=True, timeout=120)
        assert wait_until(lambda: "stopped" in subscriber.payloads(f"{PREFIX}/status"))
    assert subscriber.events() == []
    assert pictures(subscriber) == []
