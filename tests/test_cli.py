import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from facemask_edge import __version__
from facemask_edge.cameras.recording import Recording
from facemask_edge.demo import SAMPLE
from facemask_edge.manifest import packaged_models
from facemask_edge.video import video_writer, write_picture
from tests.conftest import Mosquitto, free_port

CLASSIFIER = "mask_classifier_int8.tflite"
TWO_BARE_FACES = slice(205, 230)
"""Frames of the sample in which two people without a mask are fully in view."""
Ended = subprocess.CompletedProcess[str]


def facemask_edge(*arguments: str | Path, memory_is_limited: bool = False) -> Ended:
    """Run the command to its end."""
    command = [sys.executable, "-m", "facemask_edge", *map(str, arguments)]
    if memory_is_limited:
        # Some truncated models make the TFLite runtime take all memory there is; one OpenBLAS thread a processor
        # would reserve much of what is allowed.
        command = ["/bin/sh", "-c", 'ulimit -v 4000000; export OPENBLAS_NUM_THREADS=1; exec "$@"', "sh", *command]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def settings(**values: object) -> list[str]:
    """``section__key=value`` as options."""
    pairs = ((key.replace("__", "."), json.dumps(value)) for key, value in values.items())
    return [part for key, value in pairs for part in ("--set", f"{key}={value}")]


def recorded(source: Path, outbox: Path, *servers: str) -> list[str]:
    """The options of a run on one recording."""
    cameras = [{"name": "door", "source": str(source)}]
    return settings(cameras=cameras, outbox__path=str(outbox), device__name="pi", mqtt__servers=list(servers))


def assert_explained(ended: Ended, code: int, *parts: str) -> None:
    """The command ended with ``code`` and one sentence on stderr that has all ``parts``."""
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    (sentence,) = ended.stderr.splitlines()
    assert sentence.startswith("facemask-edge: ")
    for part in parts:
        assert part in sentence


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    write_picture(path, np.full((240, 320, 3), 128, np.uint8))
    return path


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second and a half of the sample, with two violations."""
    path = tmp_path_factory.mktemp("recording") / "door.webm"
    sample = Recording(SAMPLE)
    with video_writer(path, sample.fps) as write:
        for frame in islice(sample, TWO_BARE_FACES.start, TWO_BARE_FACES.stop):
            write(frame.image)
    sample.close()
    return path


def test_the_version_is_printed() -> None:
    ended = facemask_edge("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{__version__}\n", "")


WITH_A_BUSY_DRIVER = """
import sys, threading
import cv2, numpy as np
from facemask_edge.cli import main

def work():
    picture = np.zeros((1500, 1500, 3), np.uint8)
    while True:
        cv2.GaussianBlur(picture, (31, 31), 5)
        has_begun.set()

has_begun = threading.Event()
threading.Thread(target=work, daemon=True).start()
has_begun.wait()
sys.argv = ["facemask-edge", "--version"]
main()
"""


def test_it_ends_in_order_while_a_thread_is_in_opencv() -> None:
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", WITH_A_BUSY_DRIVER], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize("command", ["config", "--version", "--help", "outbox"])
def test_what_cannot_be_printed_is_explained(command: str) -> None:
    program = [sys.executable, "-m", "facemask_edge", command]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 73
    place = "the disk of what it prints or writes"
    assert ended.stderr == f"facemask-edge: {place}: No space left on device; make room there\n"


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_closed_streams_change_no_exit_code(tmp_path: Path, closed: tuple[int, ...]) -> None:
    closing = f"import os, sys; [os.close(number) for number in {closed}]; os.execv(sys.executable, sys.argv[1:])"
    missing = ["annotate", str(tmp_path / "missing.jpg"), "--output", str(tmp_path)]
    for command, code in ((["config"], 0), (missing, 66)):
        program = [sys.executable, "-c", closing, sys.executable, "-m", "facemask_edge", *command]
        assert subprocess.run(program, capture_output=True, check=False).returncode == code


def test_a_reader_that_ends_is_no_full_disk() -> None:
    # Without this variable Python keeps what is printed until the end, which test runners may not want.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = [sys.executable, "-m", "facemask_edge", "config"]
    command = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert command.stdout is not None
    command.stdout.close()
    assert command.stderr is not None
    assert (command.stderr.read(), command.wait()) == ("", 1)
    command.stderr.close()


@pytest.mark.parametrize("command", [[], ["run"], ["annotate"], ["demo"]])
def test_every_command_has_a_help(command: list[str]) -> None:
    ended = facemask_edge(*command, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Usage:" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["run", "--no-such-option"], "--no-such-option"),
        (["run", "--drain-timeout", "soon"], "--drain-timeout"),
        (["run", "--drain-timeout=-1"], "--drain-timeout"),
        (["annotate", "--output", "out"], "SOURCE"),
        (["annotate", "picture.jpg"], "--output"),
        (["no-such-command"], "no-such-command"),
        ([], "Usage:"),
    ],
)
def test_wrong_usage_ends_with_64(arguments: list[str], part: str) -> None:
    ended = facemask_edge(*arguments)
    assert ended.returncode == 64
    assert part in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("command", [["run"], ["annotate", "picture.png", "--output", "out"]])
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mqtt:\n  prefix: facemask\n  sever: [mqtt://a]\n", ["c.yaml:3", "mqtt.sever", "did you mean servers?"]),
        ("compliance:\n  threshold: high\n", ["c.yaml:2", "compliance.threshold", "'high'"]),
        ("cameras:\n  - name: door\n    width: wide\n", ["c.yaml:3", "cameras.0.width", "'wide'"]),
        ("compliance: {threshold: 0.5\n", ["c.yaml:", "not valid YAML"]),
    ],
)
def test_a_wrong_configuration_file_is_explained_by_line_and_key(
    command: list[str], text: str, parts: list[str], picture: Path
) -> None:
    file = picture.parent / "c.yaml"
    file.write_text(text)
    arguments = [str(picture.parent / part) if part in {"picture.png", "out"} else part for part in command]
    assert_explained(facemask_edge(*arguments, "--config", file), 78, *parts)


def test_a_missing_configuration_file_is_explained(tmp_path: Path) -> None:
    ended = facemask_edge("run", "--config", tmp_path / "missing.yaml")
    assert_explained(ended, 78, "missing.yaml: No such file or directory", "--config")


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("compliance.threshhold=0.5", "did you mean threshold?"),
        ("compliance.threshold=2", "less than or equal to 0.99"),
        ("compliance.threshold", "write it as section.key=value"),
        ("mqtt.servers=[localhost]", "write mqtt://host:port"),
    ],
)
def test_a_wrong_override_is_explained(override: str, part: str) -> None:
    assert_explained(facemask_edge("run", "--set", override), 78, f"--set {override}", part)


def test_a_missing_model_is_explained(picture: Path, tmp_path: Path) -> None:
    model = settings(classifier__model=str(tmp_path / "missing.tflite"))
    ended = facemask_edge("annotate", picture, "--output", tmp_path / "out", *model)
    assert_explained(ended, 78, "missing.tflite does not exist")
    ended = facemask_edge("run", *recorded(SAMPLE, tmp_path / "outbox.sqlite3", "mqtt://127.0.0.1"), *model)
    assert_explained(ended, 78, "missing.tflite does not exist")


def copied_model(folder: Path) -> Path:
    folder.mkdir()
    shutil.copy(packaged_models() / "manifest.json", folder)
    return Path(shutil.copy(packaged_models() / CLASSIFIER, folder))


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_model_is_explained_and_never_loaded(kept: float, picture: Path, tmp_path: Path) -> None:
    model = copied_model(tmp_path / "models")
    content = model.read_bytes()
    model.write_bytes(content[: int(kept * len(content))])
    options = settings(classifier__model=str(model))
    ended = facemask_edge("annotate", picture, "--output", tmp_path / "out", *options, memory_is_limited=True)
    assert_explained(ended, 78, f"model {model} is damaged or was changed", "copy or convert it again")


def test_a_model_that_is_not_the_one_of_its_manifest_is_explained(picture: Path, tmp_path: Path) -> None:
    model = copied_model(tmp_path / "models")
    manifest = model.parent / "manifest.json"
    content = json.loads(manifest.read_text())
    for entry in content["models"]:
        entry["sha256"] = "0" * 64
    manifest.write_text(json.dumps(content))
    ended = facemask_edge("annotate", picture, "--output", tmp_path / "out", *settings(classifier__model=str(model)))
    assert_explained(ended, 78, "its SHA-256 is", "the manifest says 000000000000")


def test_a_model_without_a_manifest_is_explained(picture: Path, tmp_path: Path) -> None:
    model = copied_model(tmp_path / "models")
    (model.parent / "manifest.json").unlink()
    ended = facemask_edge("annotate", picture, "--output", tmp_path / "out", *settings(classifier__model=str(model)))
    assert_explained(ended, 78, "manifest.json: No such file or directory")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("no-video.mp4", "no-video.mp4: not a video"),
        ("missing.mp4", "missing.mp4: no such file"),
        ("empty", "empty: no picture in this folder"),
    ],
)
@pytest.mark.parametrize("command", ["run", "annotate"])
def test_a_source_that_cannot_be_read_is_explained(command: str, name: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "no-video.mp4").write_text("no video\n" * 100)
    (tmp_path / "empty").mkdir()
    source = tmp_path / name
    if command == "annotate":
        ended = facemask_edge("annotate", source, "--output", tmp_path / "out")
    else:
        ended = facemask_edge("run", *recorded(source, tmp_path / "outbox.sqlite3", "mqtt://127.0.0.1"))
    assert_explained(ended, 66, part)


def test_a_name_that_is_too_long_is_explained(picture: Path, tmp_path: Path) -> None:
    # Unlike a missing file this makes Path.is_file() raise before Python 3.14; so does a folder without permission.
    name = tmp_path / ("a" * 300)
    assert_explained(facemask_edge("annotate", name, "--output", tmp_path / "out"), 66, str(name))
    assert_explained(facemask_edge("annotate", picture, "--output", name), 73, "File name too long")
    assert_explained(facemask_edge("run", *recorded(name, tmp_path / "o", "mqtt://a")), 66, str(name))
    ended = facemask_edge("run", *settings(classifier__model=str(name)))
    assert_explained(ended, 78, str(name))


def test_an_output_that_cannot_be_written_is_explained(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in its place")
    assert_explained(facemask_edge("annotate", picture, "--output", tmp_path / "out"), 73, "out: File exists")
    inside = tmp_path / "out" / "inside"
    assert_explained(facemask_edge("annotate", picture, "--output", inside), 73, "Not a directory")


def test_an_outbox_that_cannot_be_written_is_explained(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in its place")
    outbox = tmp_path / "folder" / "outbox.sqlite3"
    ended = facemask_edge("run", *recorded(recording, outbox, "mqtt://127.0.0.1"))
    assert_explained(ended, 73, f"outbox {outbox}", "outbox.path")


def test_annotate_prints_where_the_results_are(picture: Path, tmp_path: Path) -> None:
    ended = facemask_edge("annotate", picture, "--output", tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{tmp_path / 'out' / 'results.jsonl'}\n"


def waiting_events(outbox: Path) -> list[str]:
    """The types of the events that are in an outbox."""
    with closing(sqlite3.connect(outbox)) as database:
        rows = database.execute("SELECT payload FROM events WHERE dead_reason IS NULL ORDER BY sequence").fetchall()
    return [json.loads(payload)["event_type"] for (payload,) in rows]


def assert_events_wait(ended: Ended, outbox: Path) -> None:
    assert ended.returncode == 75, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "trying again in" in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("facemask-edge: not every event was acknowledged within 1 s")
    assert str(outbox) in last
    assert waiting_events(outbox) == ["violation_start"] * 2 + ["violation_end"] * 2


def test_without_a_broker_events_wait_in_the_outbox(recording: Path, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    server = f"mqtt://127.0.0.1:{free_port()}"
    ended = facemask_edge("run", *recorded(recording, outbox, server), "--drain-timeout", "1")
    assert_events_wait(ended, outbox)
    assert f"{server} refused the connection: Connection refused" in ended.stderr


def test_a_broker_that_lets_nobody_in_is_explained(
    recording: Path, new_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    broker = new_mosquitto("allow_anonymous false").start()
    ended = facemask_edge("run", *recorded(recording, outbox, broker.url), "--drain-timeout", "1")
    assert_events_wait(ended, outbox)
    assert f"{broker.url} refused the connection: Not authorized; check mqtt.username" in ended.stderr
    assert "mqtt.password_file" in ended.stderr


def test_the_next_run_delivers_what_the_outbox_kept(recording: Path, mosquitto: Mosquitto, tmp_path: Path) -> None:
    outbox = tmp_path / "outbox.sqlite3"
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    facemask_edge("run", *recorded(recording, outbox, nowhere), "--drain-timeout", "0")
    assert waiting_events(outbox)
    assert facemask_edge("run", *recorded(recording, outbox, mosquitto.url)).returncode == 0
    assert waiting_events(outbox) == []


def test_a_demo_without_its_broker_fails_at_once(tmp_path: Path) -> None:
    server = f"mqtt://127.0.0.1:{free_port()}"
    started = time.monotonic()
    ended = facemask_edge("demo", "--server", server, "--output", tmp_path / "out")
    assert time.monotonic() - started < 10
    assert_explained(ended, 69, f"no broker answers at {server}: Connection refused")


def test_a_demo_s_broker_that_lets_nobody_in_is_explained(
    new_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker = new_mosquitto("allow_anonymous false").start()
    ended = facemask_edge("demo", "--server", broker.url, "--output", tmp_path / "out")
    assert_explained(ended, 69, f"the broker at {broker.url} refused the connection: Not authorized")
