"""Against the delegate in C that does what the Edge TPU's library does; loaded by its real name."""

import shutil
import subprocess
from pathlib import Path

import pytest

from facemask_edge.check.accelerator import check_accelerator
from facemask_edge.config import Config
from tests.faults.process_faults import CLASSIFIER, stub_delegate, with_compiled_models

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="the Debian package gcc is not installed")


def config_of(accelerator: str, folder: Path) -> Config:
    model = str(with_compiled_models(folder) / CLASSIFIER)
    return Config.model_validate({"classifier": {"model": model, "accelerator": accelerator}})


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the system's loader finds the library in."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    return stub_delegate(folder, "libedgetpu.so.1")


@pytest.mark.usefixtures("library")
def test_where_it_works_it_says_so(tmp_path: Path) -> None:
    found = check_accelerator(config_of("auto", tmp_path), None, 1)
    assert (found.state, found.says) == ("ok", "the Edge TPU")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(("wanted", "state"), [("auto", "warning"), ("edgetpu", "problem")])
def test_without_a_device_it_says_what_to_do(
    wanted: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_DELEGATE", "absent")
    found = check_accelerator(config_of(wanted, tmp_path), None, 0)
    assert found.state == state
    assert "plugdev" in found.advice


def test_a_library_that_ends_the_program_does_not_end_the_doctor(library: Path, tmp_path: Path) -> None:
    source = "__attribute__((constructor)) static void ends(void) { __builtin_trap(); }"
    compile_library(source, library)
    found = check_accelerator(config_of("edgetpu", tmp_path), None, 1)
    assert found.state == "problem"
    assert "ended the program (signal 4)" in found.says


def test_a_library_that_hangs_does_not_hang_the_doctor(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask_edge.check.accelerator.PATIENCE", 3.0)
    compile_library("#include <unistd.h>\n__attribute__((constructor)) static void h(void) { sleep(60); }", library)
    found = check_accelerator(config_of("edgetpu", tmp_path), None, 1)
    assert "does not answer within 3 s" in found.says


def test_beside_a_running_daemon_the_device_is_left_alone(tmp_path: Path) -> None:
    found = check_accelerator(config_of("edgetpu", tmp_path), {"classifier": "edgetpu", "detector": "cpu"}, 1)
    assert (found.state, found.says) == ("ok", "the daemon says: classifier edgetpu, detector cpu")


def test_an_edge_tpu_that_no_model_is_compiled_for_is_a_warning() -> None:
    config = Config()
    assert check_accelerator(config, None, 0).state == "ok"
    found = check_accelerator(config, None, 1)
    assert found.state == "warning"
    assert "there is no mask_classifier_int8_edgetpu.tflite" in found.says


def compile_library(source: str, library: Path) -> None:
    code = library.with_suffix(".c")
    code.write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, code], check=True)
