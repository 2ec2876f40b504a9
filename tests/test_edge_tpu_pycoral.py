"""pycoral is in no registry: a fake of it loads the delegate in C; its signatures are those of Google's source."""

import inspect
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from facemask_edge.edge_tpu import NoEdgeTpuError, edge_tpu
from facemask_edge.edge_tpu_pycoral import FUNCTIONS
from facemask_edge.inference import Model, delegate_loader, interpreter_class
from facemask_edge.manifest import packaged_models
from tests.fakes import pycoral_modules
from tests.faults.process_faults import DETECTOR, stub_delegate, with_compiled_models

pytestmark = pytest.mark.skipif(not shutil.which("gcc"), reason="the Debian package gcc is not installed")
SIGNATURES = {
    # def load_edgetpu_delegate(options=None): google-coral/pycoral, pycoral/utils/edgetpu.py at
    # 9972f8ec6dbb8b2f46321e8c0d2513e0b6b152ce; options is a dict, "device" the only key to be used.
    "load_edgetpu_delegate": ["options=None"],
    # from pycoral.pybind._pywrap_coral import ListEdgeTpus as list_edge_tpus, which is m.def("ListEdgeTpus", []() ...)
    # of src/coral_wrapper.cc at 08ad3209497518e8a7d5df863ce51d5b47af7d82.
    "list_edge_tpus": [],
}
DEVICES = [{"type": "usb", "path": "/sys/bus/usb/devices/2-1"}, {"type": "pci", "path": "/dev/apex_0"}]
"""As the real one has them: "type" is "pci" or "usb", "path" a text; likewise src/coral_wrapper.cc."""


def load_delegate(library: str, options: dict[str, str] | None = None) -> Any:
    """As tflite_runtime's, whose module it claims to be of."""
    return delegate_loader()(library, options)


load_delegate.__module__ = "tflite_runtime.interpreter"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stub, in the place of the Edge TPU's library."""
    stub = stub_delegate(tmp_path)
    monkeypatch.setattr("facemask_edge.edge_tpu.LIBRARY", str(stub))
    return stub


@pytest.fixture
def pycoral(library: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    modules = pycoral_modules(load_delegate, library, list(DEVICES))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules["pycoral.utils.edgetpu"]


def test_the_fake_has_the_signatures_of_the_real_one(pycoral: Any) -> None:
    functions = {name: value for name, value in vars(pycoral).items() if inspect.isfunction(value)}
    assert set(functions) == set(SIGNATURES) == set(FUNCTIONS)
    for name, parameters in SIGNATURES.items():
        found = inspect.signature(functions[name]).parameters.values()
        assert [one.name + ("" if one.default is one.empty else f"={one.default}") for one in found] == parameters


def test_it_loads_the_library_where_it_is_installed_for_the_runtime(pycoral: Any) -> None:
    delegate = edge_tpu(load_delegate, "1")
    assert pycoral.loaded == [{"device": ":1"}]
    interpreter = interpreter_class()(str(packaged_models() / DETECTOR), experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    interpreter.invoke()
    edge_tpu(load_delegate, "")
    assert pycoral.loaded[1:] == [{}]


def test_where_none_can_be_opened_it_says_what_the_library_sees(pycoral: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_DELEGATE", "absent")
    with pytest.raises(
        NoEdgeTpuError, match=r"no Edge TPU 4 can be opened, though the library sees 0 \(usb\), 1 \(pci\)"
    ):
        edge_tpu(load_delegate, "4")
    pycoral.list_edge_tpus().clear()
    with pytest.raises(NoEdgeTpuError, match="no Edge TPU was found; is it plugged in"):
        edge_tpu(load_delegate, "")


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("file", ["pycoral.py", "pycoral/utils/edgetpu.py"])
def test_another_project_of_that_name_is_ignored(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert edge_tpu(load_delegate, "") is not None
    imported = [name for name in sys.modules if name.partition(".")[0] == "pycoral"]
    assert len(imported) == file.count("/") + 1
    for name in imported:
        del sys.modules[name]


@pytest.mark.usefixtures("library")
def test_beside_another_runtime_it_is_not_even_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pycoral.py").write_text("raise SystemExit('it brings the library into the process')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(load_delegate, "__module__", "ai_edge_litert.interpreter")
    monkeypatch.setattr("facemask_edge.inference.delegate_loader", lambda: load_delegate)
    models = with_compiled_models(tmp_path)
    assert Model(str(models / DETECTOR), accelerator="edgetpu").accelerator == "edgetpu"
