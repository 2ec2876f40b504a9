import json
from typing import Any

import pytest

from facemask_edge.devices import LONGEST, MOST_CAMERAS, MOST_DEVICES, Devices, Row

HEALTH: dict[str, Any] = {
    "cameras": {
        "door": {"state": "ok", "fps": 14.7, "latency_ms": {"p50": 41.0, "p95": 66.8}, "faces": 2},
        "gate": {"state": "lost", "fps": 0, "latency_ms": None, "faces": 0},
    },
    "queued": 3,
    "cpu_temperature_c": 61.3,
    "warnings": [
        {"code": "throttled", "camera": None, "says": "the Pi is slowed down"},
        {"code": "dark", "camera": "gate", "says": "camera gate: it is dark"},
    ],
}


def heard(**said: object) -> list[Row]:
    """The rows after messages on topics of the device pi, ``__`` for a slash."""
    devices = Devices("facemask")
    for topic, payload in said.items():
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        devices.heard(f"facemask/{topic.replace('__', '/')}", content)
    return devices.rows()


def test_each_camera_has_a_row_with_what_was_said_of_it() -> None:
    people = {"mask": 1, "no_mask": 1, "undetermined": 0}
    door, gate = heard(pi__status=b"online", pi__health=HEALTH, pi__door__people=people)
    assert door == Row(
        device="pi",
        status="online",
        camera="door",
        state="ok",
        fps=14.7,
        latency_p95_ms=66.8,
        faces=2,
        mask=1,
        no_mask=1,
        undetermined=0,
        queued=3,
        cpu_temperature_c=61.3,
        warnings=("the Pi is slowed down",),
    )
    assert (gate.camera, gate.state, gate.latency_p95_ms, gate.mask) == ("gate", "lost", None, None)
    assert gate.warnings == ("camera gate: it is dark",)


def test_a_device_that_says_nothing_of_cameras_has_a_row() -> None:
    (row,) = heard(pi__status=b"stopped")
    assert (row.device, row.status, row.camera, row.queued) == ("pi", "stopped", "", None)


def test_only_one_device_is_asked_for() -> None:
    assert Devices("site", "pi").topics == ["site/pi/status", "site/pi/health", "site/pi/+/people"]


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 60_000, b"null"])
def test_a_health_that_is_none_is_said(payload: bytes) -> None:
    (row,) = heard(pi__status=b"online", pi__health=payload)
    assert row.state == "no JSON"


@pytest.mark.parametrize(
    "health",
    [
        {"cameras": []},
        {"cameras": {"door": 7}},
        {"cameras": {"door": {"state": ["ok"], "fps": "fast", "latency_ms": 3, "faces": True}}},
        {"queued": float("nan"), "cpu_temperature_c": float("inf"), "warnings": 3},
        {"queued": 10**400, "warnings": [3, {"says": 7}, {"camera": [], "says": None}]},
        {"cameras": {"a/b": {}, "../..": {}, "": {}, "x" * 65: {}}},
    ],
)
def test_what_is_of_another_kind_is_as_if_it_was_not_said(health: dict[str, Any]) -> None:
    (row,) = heard(pi__health=health)
    assert (row.state, row.fps, row.latency_p95_ms, row.faces, row.queued) == ("", None, None, None, None)
    assert row.cpu_temperature_c is None
    assert row.camera in ("", "door")
    assert not any(row.warnings)


def test_nothing_that_a_terminal_would_obey_is_shown_and_texts_are_cut() -> None:
    says = "\x1b[2J\x07red\n" + 1000 * "x"
    (row,) = heard(pi__status=says.encode(), pi__health={"warnings": [{"says": says}]})
    for text in (row.status, *row.warnings):
        assert text.isprintable()
        assert len(text) == LONGEST
    assert heard(**{"\x1b[2J__status": b"online", "a b__status": b"online", "pi__\x07__people": b"{}"}) == heard(
        pi__nothing=b""
    )


def test_many_devices_and_cameras_are_bounded() -> None:
    devices = Devices("facemask")
    for number in range(2 * MOST_DEVICES):
        devices.heard(f"facemask/pi-{number}/status", b"online")
    assert len(devices.rows()) == MOST_DEVICES
    for number in range(2 * MOST_CAMERAS):
        devices.heard(f"facemask/pi-1/camera-{number}/people", b"{}")
    assert len(devices.rows()) == MOST_DEVICES - 1 + MOST_CAMERAS
    many: dict[str, object] = {"cameras": {f"camera-{number}": {} for number in range(1000)}}
    assert len(heard(pi__health=many)) == MOST_CAMERAS
