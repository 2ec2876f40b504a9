"""Against a delegate in C that does what the Edge TPU's library does (tests/faults/stub_delegate.c)."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from facemask_edge.benchmark import measure
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.edge_tpu_deaths import EdgeTpuDeaths
from facemask_edge.errors import FacemaskError, ModelError
from facemask_edge.inference import Model
from facemask_edge.pipeline import Models
from tests.faults.process_faults import CLASSIFIER, DETECTOR, stub_delegate, with_compiled_models

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="the Debian package gcc is not installed")


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models for the CPU and for the Edge TPU, whose library is the stub."""
    monkeypatch.setattr("facemask_edge.edge_tpu.LIBRARY", str(stub_delegate(tmp_path)))
    return with_compiled_models(tmp_path)


@pytest.mark.parametrize("accelerator", ["auto", "edgetpu", "edgetpu:0"])
def test_a_compiled_model_runs_on_the_edge_tpu_and_judges_alike(accelerator: str, models: Path) -> None:
    name = str(models / DETECTOR)
    plain, compiled = Model(name), Model(name, accelerator=accelerator)
    assert (plain.accelerator, compiled.accelerator) == ("cpu", "edgetpu")
    width, height = plain.size
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    for model in (plain, compiled):
        model.invoke(picture)
    for expected, found in zip(plain.outputs, compiled.outputs, strict=True):
        assert np.abs(plain.output(expected).astype(int) - compiled.output(found)).max() <= 1


def test_without_a_compiled_model_auto_says_nothing_and_edgetpu_says_what_to_do(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (models / "mask_classifier_int8_edgetpu.tflite").unlink()
    assert Model(str(models / CLASSIFIER), accelerator="auto").accelerator == "cpu"
    assert caplog.text == ""
    with pytest.raises(ModelError, match="convert-model --edgetpu"):
        Model(str(models / CLASSIFIER), accelerator="edgetpu")


@pytest.mark.parametrize(
    "fault",
    # One that is not there now may be a moment later: that start is tried again.
    [("library", "is not installed; it is Google's", 78), ("device", "is it plugged in", 69)],
)
def test_without_an_edge_tpu_auto_runs_on_the_cpu_and_edgetpu_says_why(
    fault: tuple[str, str, int], models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    missing, reason, code = fault
    if missing == "library":
        monkeypatch.setattr("facemask_edge.edge_tpu.LIBRARY", "libedgetpu-that-is-not-there.so.1")
    else:
        monkeypatch.setenv("STUB_DELEGATE", "absent")
    assert Model(str(models / CLASSIFIER), accelerator="auto").accelerator == "cpu"
    assert caplog.text.count("runs on the CPU") == 1
    assert reason in caplog.text
    with pytest.raises(FacemaskError, match=reason) as caught:
        Model(str(models / CLASSIFIER), accelerator="edgetpu")
    assert caught.value.exit_code == code


def test_a_detector_that_is_to_run_on_the_edge_tpu_and_cannot_is_said_at_the_start() -> None:
    config = Config.model_validate({"detector": {"accelerator": "edgetpu"}})
    with pytest.raises(ModelError, match=r"face_detector_320_int8_edgetpu\.tflite does not exist; make it with"):
        Models(config)


def test_the_benchmark_says_that_it_ran_there(models: Path) -> None:
    config = Config.model_validate(
        {"classifier": {"model": str(models / CLASSIFIER)}, "detector": {"model": str(models / DETECTOR)}}
    )
    measured = measure(str(SAMPLE), config, 2, Console(quiet=True))
    assert measured.hardware.accelerator == {"classifier": "edgetpu", "detector": "edgetpu"}
    assert all(file.endswith("_edgetpu.tflite") for file in measured.models)


def test_after_too_many_deaths_all_models_run_on_the_cpu(models: Path, tmp_path: Path) -> None:
    config = Config.model_validate(
        {"classifier": {"model": str(models / CLASSIFIER)}, "detector": {"model": str(models / DETECTOR)}}
    )
    found = []
    for _ in range(4):
        # As if each process before had died.
        used = Models(config, EdgeTpuDeaths(tmp_path / "deaths"))
        found.append(used.accelerators())
    on_tpu = {"classifier": "edgetpu", "detector": "edgetpu"}
    on_cpu = {"classifier": "cpu", "detector": "cpu"}
    assert found == [on_tpu | {"edge_tpu_deaths": deaths} for deaths in range(3)] + [on_cpu | {"edge_tpu_deaths": 3}]
