"""The owner's report, against the delegate in C that does what the Edge TPU's library does; loaded by its real name."""

import json
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from facemask_edge import __version__
from facemask_edge.config import Config
from facemask_edge.edge_tpu import LIBRARY
from facemask_edge.edge_tpu_report import SCHEMA, Comparison, compare, coral_report
from facemask_edge.errors import ServiceError
from facemask_edge.inference import runtime
from facemask_edge.manifest import packaged_models, sha256_of
from facemask_edge.store import Store
from tests.faults.process_faults import CLASSIFIER, DETECTOR, stub_delegate, with_compiled_models

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="the Debian package gcc is not installed")
SPEED = ["first", "p50", "p95"]


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of a device with compiled models and a camera that has a password."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
    models = with_compiled_models(tmp_path)
    values = {
        "classifier.model": str(models / CLASSIFIER),
        "detector.model": str(models / DETECTOR),
        "cameras": [{"name": "door", "source": "rtsp://user:hidden@192.0.2.1/stream"}],
        "outbox.path": str(tmp_path / "outbox.sqlite3"),
    }
    return [part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")]


def run(options: list[str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "facemask_edge", "coral-report", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def test_the_sample_is_judged_alike_and_the_report_is_made_to_be_shared(options: list[str], tmp_path: Path) -> None:
    stub_delegate(tmp_path, LIBRARY)
    done = run(options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["schema"], report["version"]) == (SCHEMA, __version__)
    assert report["comparison"].pop("largest_difference_of_probability") <= 1 / 256
    assert report["comparison"].pop("largest_difference_of_score") <= 1 / 256
    assert report["comparison"] == {
        "same_events": True,
        "events": 8,
        "looks": 60,
        "other_labels": 0,
        "frames": 49,
        "frames_with_other_faces": 0,
        "largest_shift": 0.0,
    }
    for place in ("edgetpu", "cpu"):
        trial = report[place.replace("edgetpu", "edge_tpu")]
        assert trial["accelerator"] == {"classifier": place, "detector": place}
        assert [list(speed) for speed in trial["speed"].values()] == [SPEED, SPEED]
        assert 0 < trial["speed"]["classifier"]["p50"] <= trial["speed"]["classifier"]["p95"]
        assert trial["frames_per_second"] > 1
    assert report["cpu"]["models"] == {name: sha256_of(packaged_models() / name) for name in (CLASSIFIER, DETECTOR)}
    assert report["hardware"]["runtime"] == runtime()
    assert report["hardware"]["edge_tpus"] == report["edge_tpus_before"]
    for secret in ("hidden", str(tmp_path), socket.gethostname()):
        assert secret not in done.stdout
    assert "On the Edge TPU the same 8 events as on the CPU; 0 of 60 faces got another label" in done.stderr


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        ("none", f"{LIBRARY} is not installed"),
        ("absent", "no Edge TPU was found; is it plugged in"),
        ("aborts:30", "its library ended the program (signal 6)"),
        ("raises:30", "the stub failed as it was told to"),
    ],
)
def test_what_goes_wrong_is_reported_and_explained(
    stub: str, reason: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if stub != "none":
        stub_delegate(tmp_path, LIBRARY)
        monkeypatch.setenv("STUB_DELEGATE", stub)
    done = run(options)
    assert done.returncode == 69
    assert done.stderr.splitlines()[-1].startswith("facemask-edge: the Edge TPU was not compared with the CPU: ")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert reason in report["error"]
    assert report["hardware"]["python"]
    assert "comparison" not in report


def test_without_compiled_models_it_says_how_to_make_them() -> None:
    done = run([])
    assert done.returncode == 69
    assert "make it with convert-model --edgetpu" in done.stderr.splitlines()[-1]


def test_the_daemon_has_to_be_stopped_first(tmp_path: Path) -> None:
    config = Config.model_validate({"outbox": {"path": tmp_path / "outbox.sqlite3"}})
    outbox = config.outbox
    with (
        closing(Store(outbox.path, max_bytes=outbox.max_bytes, min_free_bytes=0)),
        pytest.raises(ServiceError, match="sudo systemctl stop facemask-edge"),
    ):
        coral_report(config)


def test_what_is_different_is_found() -> None:
    cpu = {
        "events": [[3.5, "violation_start", None]],
        "probabilities": [0.9, 0.4, 0.1],
        "faces": [[[10.0, 20.0, 30.0, 40.0, 0.9]], [], [[1.0, 2.0, 3.0, 4.0, 0.7]]],
    }
    edge_tpu = {
        "events": [[3.6, "violation_start", None]],
        "probabilities": [0.8, 0.55, 0.1],
        "faces": [[[10.0, 22.5, 30.0, 40.0, 0.87]], [[5.0, 5.0, 5.0, 5.0, 0.6]], [[1.0, 2.0, 3.0, 4.0, 0.7]]],
    }
    assert compare(edge_tpu, cpu) == Comparison(
        same_events=False,
        events=1,
        looks=3,
        other_labels=1,
        largest_difference_of_probability=0.15,
        frames=3,
        frames_with_other_faces=1,
        largest_difference_of_score=0.03,
        largest_shift=2.5,
    )
    assert compare(cpu, cpu).same_events
