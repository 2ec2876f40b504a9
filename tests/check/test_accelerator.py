"""Against the delegate in C that does what the Edge TPU's library does; loaded by its real name."""

import shutil
import subprocess
from pathlib import Path

import pytest

from facemask_edge.check.accelerator import check_accelerator
from facemask_edge.config import Config
from facemask_edge.edge_tpu_devices import EdgeTpuDevice
from tests.faults.process_faults import CLASSIFIER, DETECTOR, stub_delegate, with_compiled_models

ONE = [EdgeTpuDevice("USB", megabits=5000)]
pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="the Debian package gcc is not installed")


def config_of(accelerator: str, folder: Path) -> Config:
    """Of both models, which lie with their compiled ones in a folder of its own."""
    models = with_compiled_models(folder)
    kinds = {"classifier": CLASSIFIER, "detector": DETECTOR}
    return Config.model_validate(
        {kind: {"model": str(models / name), "accelerator": accelerator} for kind, name in kinds.items()}
    )


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the system's loader finds the library in."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    return stub_delegate(folder, "libedgetpu.so.1")


@pytest.mark.usefixtures("library")
def test_where_it_works_it_says_so(tmp_path: Path) -> None:
    found = check_accelerator(config_of("auto", tmp_path), None, ONE)
    assert (found.state, found.says) == ("ok", "classifier edgetpu, detector edgetpu")


@pytest.mark.usefixtures("library")
def test_the_detector_is_looked_at_too(tmp_path: Path) -> None:
    config = config_of("auto", tmp_path)
    assert config.detector.model
    Path(config.detector.model).with_stem("face_detector_320_int8_edgetpu").unlink()
    found = check_accelerator(config, None, ONE)
    assert found.state == "warning"
    assert found.says.startswith("classifier edgetpu, detector cpu, though an Edge TPU is plugged in: there is no face")
    needed = config.detector.model_copy(update={"accelerator": "edgetpu"})
    assert check_accelerator(config.model_copy(update={"detector": needed}), None, ONE).state == "problem"


@pytest.mark.usefixtures("library")
def test_what_lies_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("facemask_edge", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('somebody else')")
    monkeypatch.chdir(tmp_path)
    assert check_accelerator(config_of("auto", tmp_path), None, ONE).state == "ok"


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("wanted", "state"), [("auto", "warning"), ("edgetpu", "problem")])
def test_without_a_device_it_says_what_to_do(
    wanted: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_DELEGATE", "absent")
    found = check_accelerator(config_of(wanted, tmp_path), None, [])
    assert found.state == state
    assert "plugdev (USB) or apex (PCIe)" in found.advice


def test_a_library_that_ends_the_program_does_not_end_the_doctor(library: Path, tmp_path: Path) -> None:
    source = "__attribute__((constructor)) static void ends(void) { __builtin_trap(); }"
    compile_library(source, library)
    found = check_accelerator(config_of("edgetpu", tmp_path), None, ONE)
    assert found.state == "problem"
    assert "ended the program (signal 4)" in found.says


def test_a_library_that_hangs_does_not_hang_the_doctor(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask_edge.check.accelerator.PATIENCE", 3.0)
    compile_library("#include <unistd.h>\n__attribute__((constructor)) static void h(void) { sleep(60); }", library)
    found = check_accelerator(config_of("edgetpu", tmp_path), None, ONE)
    assert "does not answer within 3 s" in found.says


@pytest.mark.parametrize(
    ("wanted", "told", "plugged_in", "state", "says"),
    [
        ("edgetpu", {"classifier": "edgetpu", "detector": "cpu"}, 0, "ok", "classifier edgetpu, detector cpu"),
        ("auto", {"classifier": "edgetpu", "detector": "edgetpu"}, 1, "ok", "classifier edgetpu, detector edgetpu"),
        (
            "auto",
            {"classifier": "edgetpu", "detector": "cpu"},
            1,
            "warning",
            "detector cpu, though an Edge TPU is plug",
        ),
        ("cpu", {"classifier": "cpu", "detector": "cpu"}, 1, "ok", "classifier cpu, detector cpu"),
        ("auto", {}, 1, "ok", "nothing so far"),
        ("auto", {"classifier": "edgetpu", "edge_tpu_deaths": 2}, 1, "warning", "it died 2 times in a row"),
    ],
    ids=["none there", "both used", "one idle", "wanted so", "not told", "deaths"],
)
def test_beside_a_running_daemon_the_device_is_left_alone(  # noqa: PLR0913, PLR0917 - a table
    wanted: str, told: dict[str, object], plugged_in: int, state: str, says: str, tmp_path: Path
) -> None:
    found = check_accelerator(config_of(wanted, tmp_path), told, ONE[:plugged_in])
    assert found.state == state
    assert found.says.startswith("the daemon says: ")
    assert says in found.says


@pytest.mark.parametrize("told", [None, {"classifier": "cpu", "detector": "cpu"}])
def test_an_edge_tpu_that_no_model_is_compiled_for_is_a_warning(told: dict[str, object] | None) -> None:
    config = Config()
    assert check_accelerator(config, told, []).state == "ok"
    found = check_accelerator(config, told, ONE)
    assert found.state == "warning"
    assert "there is no mask_classifier_int8_edgetpu.tflite" in found.says
    assert "docs/coral.md" in found.advice


@pytest.mark.parametrize(
    ("celsius", "state", "advice"),
    [(54.3, "ok", ""), (79.9, "ok", ""), (80.0, "warning", "from 85 °C on"), (91.0, "warning", "from 85 °C on")],
)
def test_an_edge_tpu_that_is_nearly_slowed_down_by_heat_is_a_warning(celsius: float, state: str, advice: str) -> None:
    told = {"classifier": "edgetpu", "detector": "edgetpu"}
    devices = [EdgeTpuDevice("PCIe", celsius=40.0), EdgeTpuDevice("PCIe", celsius=celsius), *ONE]
    found = check_accelerator(Config(), told, devices)
    assert found.state == state
    assert found.says == f"the daemon says: classifier edgetpu, detector edgetpu; the Edge TPU has {celsius:.0f} °C"
    assert advice in found.advice


def test_its_temperature_hides_nothing_worse() -> None:
    found = check_accelerator(Config(), None, [EdgeTpuDevice("PCIe", celsius=99.0)])
    assert "there is no mask_classifier_int8_edgetpu.tflite; the Edge TPU has 99 °C" in found.says
    assert "docs/coral.md" in found.advice


def compile_library(source: str, library: Path) -> None:
    code = library.with_suffix(".c")
    code.write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, code], check=True)
