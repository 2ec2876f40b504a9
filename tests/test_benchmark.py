"""``facemask-edge benchmark``: what it measures holds together, and mistakes are explained."""

import json
import time
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from facemask_edge.benchmark import LEAST_FRAMES, SCHEMA, WARM_UP, benchmark, measure
from facemask_edge.cameras.recording import PictureFolder
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import InputError, OutputError
from facemask_edge.inference import Model
from facemask_edge.manifest import packaged_models, sha256_of
from facemask_edge.video import write_picture
from tests.converter.portraits import astronaut
from tests.motion_jpeg import MotionJpeg, lighter

QUIET = Console(quiet=True)
SECONDS = 6
"""In which the slowest runtime, too, comes to frames with a new face."""
STAGES = ["camera", "detection", "scene", "tracking", "classification", "judgement", "other"]


def test_a_recording_is_measured_and_the_result_is_made_to_be_shared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "result.json"
    benchmark(str(SAMPLE), Config(), seconds=SECONDS, json_file=file)
    result = json.loads(file.read_text())
    assert result["schema"] == SCHEMA
    assert list(result["stages"]) == STAGES
    assert sum(stage["share"] for stage in result["stages"].values()) == pytest.approx(1, abs=0.001)
    assert result["stages"]["camera"]["share"] < 0.5
    assert all(stage["p50"] <= stage["p95"] for stage in result["stages"].values())
    assert result["frame"]["p50"] * result["frames_per_second"] <= 1100
    assert result["frames"] >= LEAST_FRAMES
    assert (result["width"], result["height"], result["threads"]) == (640, 480, 1)
    assert 0 < result["closer_looks_a_frame"] < 0.1
    assert 0.1 < result["looks_a_frame"] < 1
    assert result["latency"] is None
    assert {file: sha256_of(packaged_models() / file) for file in result["models"]} == result["models"]
    assert len(result["models"]) == 2
    assert result["hardware"]["accelerator"] == {"classifier": "cpu", "detector": "cpu"}
    assert result["source"] == "sample.mp4"
    told = capsys.readouterr().out
    for wanted in (*STAGES, "whole frame", "frames a second of sample.mp4", "classifier cpu, detector cpu"):
        assert wanted in told


def test_a_live_camera_also_has_a_latency(stream: tuple[str, type[MotionJpeg]]) -> None:
    # So few that the slowest runtime waits for them.
    stream[1].stream = staticmethod(partial(lighter, pause=0.2))
    measured = measure(stream[0], Config(), SECONDS, QUIET)
    assert measured.source == "live camera"
    # The stream's own rate, not what the device could do.
    assert 2 < measured.frames_per_second < 6
    camera = measured.stages["camera"].share
    assert camera is not None
    assert camera > 0.5
    assert measured.latency is not None
    assert 0 < measured.latency.p50 <= measured.latency.p95
    assert measured.latency.share is None
    assert measured.milliseconds_a_look is None


def test_what_cannot_be_measured_is_explained(tmp_path: Path, stream: tuple[str, type[MotionJpeg]]) -> None:
    with pytest.raises(InputError, match="no such file"):
        measure(str(tmp_path / "absent.mp4"), Config(), 1, QUIET)
    stream[1].stream = staticmethod(partial(lighter, WARM_UP // 2))
    with pytest.raises(InputError, match=r"too few to measure.*give more --seconds"):
        measure(stream[0], Config(), 1, QUIET)
    with pytest.raises(OutputError, match="choose another --json"):
        benchmark(str(SAMPLE), Config(), seconds=1, json_file=tmp_path / "absent" / "result.json")


def test_a_password_is_not_told_and_an_old_result_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text("old")
    with pytest.raises(InputError, match="gave 0 frames") as raised:
        benchmark("http://user:secret@127.0.0.1:9/stream", Config(), seconds=1, json_file=file)
    assert "secret" not in str(raised.value)
    assert file.read_text() == "old"


def test_what_cannot_be_measured_leaves_no_empty_result(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError):
        benchmark(str(tmp_path), Config(), seconds=1, json_file=tmp_path / "result.json")
    assert [file.name for file in tmp_path.iterdir()] == ["broken.jpg"]


def test_a_few_frames_are_not_measured(stream: tuple[str, type[MotionJpeg]]) -> None:
    stream[1].stream = staticmethod(partial(lighter, pause=0.2))
    with pytest.raises(InputError, match="frames after the first 10, too few"):
        measure(stream[0], Config(), 1, QUIET)
    # Where it gets there at last, it is waited for.
    assert measure(stream[0], Config(), 3, QUIET).frames >= LEAST_FRAMES


@pytest.mark.parametrize("source", ["door", str(SAMPLE)])
def test_a_camera_of_the_configuration_is_opened_as_configured(source: str) -> None:
    config = Config.model_validate({"cameras": [{"name": "door", "source": str(SAMPLE), "rotation": 90}]})
    measured = measure(source, config, 2, QUIET)
    assert (measured.width, measured.height) == (480, 640)
    # Turning the pictures is not waiting for them.
    assert list(measured.stages) == ["camera", "preparation", *STAGES[1:]]
    assert measured.stages["preparation"].p50 > 0
    assert sum(stage.share or 0.0 for stage in measured.stages.values()) == pytest.approx(1, abs=0.001)
    assert measured.source == "sample.mp4"


def test_a_slow_device_is_told_what_a_camera_would_have_it_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = []
    run = Model.run
    for pause in (0.0, 0.1):

        def slow(model: Model, pause: float = pause) -> None:
            time.sleep(pause)
            run(model)

        monkeypatch.setattr(Model, "run", slow)
        rates.append(measure(str(SAMPLE), Config(), SECONDS, QUIET).looks_a_frame)
    # Of a camera's 15 frames a second it would judge seven, and look at more faces in each.
    assert rates[1] > 1.3 * rates[0]


def test_a_folder_of_broken_pictures_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="too few to measure"):
        measure(str(tmp_path), Config(), 30, QUIET)


def test_what_is_wrong_with_a_recording_is_said_once_however_often_it_is_played(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.jpg", "c.jpg"):
        write_picture(tmp_path / name, astronaut())
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    measured = measure(str(tmp_path), Config(), 1, QUIET)
    assert measured.frames >= LEAST_FRAMES
    assert caplog.text.count("a.jpg: not a picture") == 1
    # Only as long as that lasted.
    for _ in range(2):
        list(PictureFolder(tmp_path))
    assert caplog.text.count("a.jpg: not a picture") == 3


def test_the_zones_of_a_camera_are_not_those_of_another_source() -> None:
    nowhere = [[(0.0, 0.0), (0.01, 0.0), (0.01, 0.01)]]
    config = Config.model_validate({"cameras": [{"name": "door", "zones": nowhere}]})
    assert measure(str(SAMPLE), config, SECONDS, QUIET).looks_a_frame > 0
