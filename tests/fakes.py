"""Stand-ins for what no machine of this project has."""

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np

from facemask_edge.inference import Model
from facemask_edge.values import Image

_COMPILER = '''#!{python}
"""Prints as edgetpu_compiler 16.0 does, and writes files of the names that it would write."""
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, {root!r})
from converter.edgetpu_operations import mapped_operations
from converter.tflite_file import COMPILED, read_tflite
from tests.converter.tflite_files import chain

HOW = {how!r}
arguments = sys.argv[1:]
assert arguments[:2] == ["-s", "-o"], arguments
folder, models = Path(arguments[2]), [Path(model) for model in arguments[3:]]
print("Edge TPU Compiler version 16.0.384591198")
print("Started a compilation timeout timer of 180 seconds.")
if HOW == "hangs":
    # As the real one, in a child of its own.
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(__file__).with_name("child.pid").write_text(str(child.pid))
    child.wait()
if HOW == "fails":
    print("ERROR: Restored the plan after the delegate could not be applied.")
    print("Compilation failed: The activations of the model are too large.")
    print("Compilation child process completed within timeout period.")
    print("Compilation failed! ")
    sys.exit(1)
print()
print(f"Model{{'s' if len(models) > 1 else ''}} compiled successfully in 2499 ms.")
for model in models:
    operations = [one.operation.name for one in mapped_operations(read_tflite(model))]
    left = len(operations) if HOW == "maps nothing" else 0
    result = folder / (model.stem + "_edgetpu.tflite")
    chain(result, [(COMPILED, 1)])
    print()
    print(f"Input model: {{model}}")
    print("Input size: 2.75MiB")
    print(f"Output model: {{result}}")
    print("Output size: 3.02MiB")
    print("On-chip memory used for caching model parameters: 2.60MiB")
    print("On-chip memory remaining for caching model parameters: 5.00MiB")
    print("Off-chip memory used for streaming uncached model parameters: 0.00B")
    print(f"Number of Edge TPU subgraphs: {{0 if left else 1}}")
    print(f"Total number of operations: {{len(operations)}}")
    print(f"Operation log: {{result.with_suffix('.log')}}")
    print()
    if left:
        print("Model successfully compiled but not all operations are supported by the Edge TPU.")
        print(f"Number of operations that will run on Edge TPU: {{len(operations) - left}}")
        print(f"Number of operations that will run on CPU: {{left}}")
        print()
    print("Operator                       Count      Status")
    print()
    status = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
    for name in dict.fromkeys(operations):
        print(f"{{name:<30}} {{operations.count(name):<10}} {{status if left else 'Mapped to Edge TPU'}}")
print("Compilation child process completed within timeout period.")
print("Compilation succeeded! ")
'''


def edgetpu_compiler(folder: Path, how: Literal["maps", "maps nothing", "fails", "hangs"]) -> Path:
    """Write an executable ``edgetpu_compiler`` into a folder.

    It takes the real one's options, prints what the real one prints and writes files of the real one's names, whose
    content is a model with the real one's custom operation.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "edgetpu_compiler"
    root = str(Path(__file__).parent.parent)
    program.write_text(_COMPILER.format(python=sys.executable, root=root, how=how))
    program.chmod(0o755)
    return program


def slow_model(model: Model, seconds: float) -> None:
    """Let each invocation take as long as on a slow computer.

    Of the classifier, a Raspberry Pi 4 needs 0.03 s for one, without NEON 0.1 s.
    """
    invoke = model.invoke

    def slowly(image: Image) -> None:
        time.sleep(seconds)
        invoke(image)

    model.invoke = slowly  # type: ignore[method-assign] # of this model only


class Transform:
    """libcamera's."""

    def __init__(self, hflip: bool = False, vflip: bool = False) -> None:  # noqa: FBT001, FBT002 - libcamera's own
        self.hflip, self.vflip = bool(hflip), bool(vflip)


class CompletedRequest:
    """Of picamera2: one picture in the camera's memory, which is used again once it is released."""

    def __init__(self, request: dict[str, Any], picam2: "Picamera2") -> None:
        self.request: dict[str, Any] | None = request
        self.picam2 = picam2
        self.ref_count = 1

    def acquire(self) -> None:
        """As the real one."""
        self.ref_count += 1

    def release(self) -> None:
        """As the real one, and by one thread only."""
        self.ref_count -= 1
        if self.ref_count < 0:
            raise RuntimeError("CompletedRequest: lock now has negative ref_count")
        if self.ref_count == 0 and self.request is not None:
            self.picam2.free.append(self.request)
            self.request = None


class MappedArray:
    """Of picamera2: the memory of a request's stream, not copied."""

    def __init__(self, request: CompletedRequest, stream: str, reshape: bool = True, write: bool = True) -> None:  # noqa: FBT001, FBT002 - picamera2's own
        assert reshape
        assert not write
        self._request = request
        self._stream = stream
        self._array: Image | None = None

    def __enter__(self) -> Self:
        """As the real one."""
        if self._request.request is None:
            raise RuntimeError("failed to find buffer")
        # A view of its own, as the real one makes one.
        self._array = self._request.request[self._stream][:]
        return self

    def __exit__(self, exc_type: object, exc_value: object, exc_traceback: object) -> None:
        """As the real one."""
        self._array = None

    @property
    def array(self) -> Image | None:
        """As the real one."""
        return self._array


class Picamera2:
    """Of picamera2 0.3.38, as its source says and as it behaved with libcamera's virtual pipeline.

    ``tests/cameras/test_picamera.py`` compares its signatures with the real ones.
    """

    cameras = 1
    scene: Callable[[int], Image] = staticmethod(lambda index: np.full((720, 1280, 3), index % 256, np.uint8))
    """What each picture shows."""
    controls_known: tuple[str, ...] = (
        "AeExposureMode",
        "AnalogueGain",
        "ExposureTime",
        "ExposureValue",
        "FrameDurationLimits",
    )
    insists: str | None = None
    """The only format it knows."""
    opened: ClassVar["list[Picamera2]"] = []

    def __init__(
        self, camera_num: int = 0, verbose_console: None = None, tuning: None = None, allocator: None = None
    ) -> None:
        assert (verbose_console, tuning, allocator) == (None, None, None)
        # Before it knows whether there is a camera.
        self.notifyme_r, self.notifyme_w = os.pipe2(os.O_NONBLOCK)
        self.notifymeread = os.fdopen(self.notifyme_r, "rb")
        self.is_open = False
        if camera_num >= self.cameras:
            raise RuntimeError(
                f'No camera number {camera_num} found - use "rpicam-hello --list-cameras" to check connected cameras'
            )
        self.camera_num = camera_num
        self.camera_config: dict[str, Any] = {}
        self.free: deque[dict[str, Any]] = deque()
        self.is_stalled = False
        self.starved = 0
        """Pictures for which there was no memory."""
        self._completed: CompletedRequest | None = None
        self._changed = threading.Condition()
        self._is_abandoned = False
        """Whether a job that nobody waits for any more is before all others."""
        self.is_open = True
        self.opened.append(self)

    @property
    def camera_controls(self) -> dict[str, tuple[Any, Any, Any]]:
        """As the real one."""
        return dict.fromkeys(self.controls_known, (0, 100, 0))

    def create_video_configuration(  # noqa: PLR0913, PLR0917 - picamera2's own
        self,
        main: dict[str, Any] = {},  # noqa: B006 - picamera2's own, here and below
        lores: dict[str, Any] | None = None,
        raw: dict[str, Any] | None = {},  # noqa: B006
        transform: Transform = Transform(),  # noqa: B008
        colour_space: str | None = None,
        buffer_count: int = 6,
        controls: dict[str, Any] = {},  # noqa: B006
        display: str | None = "main",
        encode: str | None = "main",
        queue: bool = True,  # noqa: FBT001, FBT002
        sensor: dict[str, Any] = {},  # noqa: B006
        use_case: str = "video",
    ) -> dict[str, Any]:
        """As the real one; what nobody here asks for is refused."""
        assert (raw, display, encode, queue, sensor) == (None, "main", "main", True, {})
        assert colour_space == "SMPTE170M", "cvtColor knows no other"
        streams: dict[str, Any] = {"main": {"format": "XBGR8888", "size": (1280, 720), **main}, "lores": None}
        if lores is not None:
            streams["lores"] = {"format": "YUV420", "size": streams["main"]["size"], **lores}
        for stream in filter(None, streams.values()):
            stream["size"] = tuple(side - side % 2 for side in stream["size"])
        if "FrameDurationLimits" in self.camera_controls:
            controls = {"FrameDurationLimits": (33333, 33333)} | controls
        return streams | {
            "use_case": use_case, "transform": transform, "buffer_count": buffer_count, "controls": controls
        }  # fmt: skip

    def configure(self, camera_config: dict[str, Any] | None = None) -> None:
        """As the real one."""
        assert camera_config is not None
        main, lores = camera_config["main"], camera_config["lores"]
        if lores and any(small > large for small, large in zip(lores["size"], main["size"], strict=True)):
            raise RuntimeError("lores stream dimensions may not exceed main stream")
        for name in camera_config["controls"]:
            if name not in self.camera_controls:
                raise RuntimeError(f"Control {name} is not advertised by libcamera")
        for stream in filter(None, (main, lores)):
            stream["format"] = self.insists or stream["format"]
            stream["stride"] = _stride(stream)
        self.camera_config = camera_config
        names = ["main", "lores"] if lores else ["main"]
        self.free.extend(
            {name: _memory(camera_config[name]) for name in names} for _ in range(camera_config["buffer_count"])
        )

    def stream_configuration(self, name: str = "main") -> dict[str, Any]:
        """As the real one."""
        return self.camera_config[name]  # type: ignore[no-any-return]

    def start(self, config: None = None, show_preview: bool = False) -> None:  # noqa: FBT001, FBT002 - picamera2's own
        """As the real one: from now on a thread of its own takes pictures."""
        assert config is None
        assert not show_preview
        assert self.camera_config
        threading.Thread(target=self._expose, daemon=True).start()

    def capture_request(
        self, wait: float | None = None, signal_function: None = None, flush: None = None
    ) -> CompletedRequest:
        """As the real one; for ever is not what anybody here wants."""
        assert wait is not None
        assert (signal_function, flush) == (None, None)
        with self._changed:
            if not self._changed.wait_for(lambda: self._completed is not None, wait):
                self._is_abandoned = True
                raise TimeoutError
            request, self._completed = self._completed, None
        assert request is not None
        return request

    def stop(self) -> None:
        """As the real one, which would wait for ever behind a job that nobody waits for."""
        assert not self._is_abandoned, "this hangs for ever"
        self.is_open = False

    def close(self) -> None:
        """As the real one: ends the event loop first; and leaves the pipe of one that was never open."""
        if self.is_open:
            self.notifymeread.close()
            os.close(self.notifyme_w)
        self.is_open = False

    def _expose(self) -> None:
        index = 0
        duration = self.camera_config["controls"]["FrameDurationLimits"][0] / 1e6
        while self.is_open:
            time.sleep(duration)
            if self.is_stalled:
                continue
            if not self.free:
                self.starved += 1
                continue
            memory = self.free.popleft()
            picture = _mirrored(self.scene(index), self.camera_config["transform"])
            for name, buffer in memory.items():
                _fill(buffer, picture, self.camera_config[name])
            index += 1
            with self._changed:
                # It keeps one, the newest.
                if self._completed is not None:
                    self._completed.release()
                self._completed = CompletedRequest(memory, self)
                self._changed.notify()


def picamera2_modules() -> dict[str, ModuleType]:
    """For ``sys.modules``: picamera2 and libcamera, with a camera that knows nothing of those before."""
    picamera2, libcamera = ModuleType("picamera2"), ModuleType("libcamera")
    camera = type("Picamera2", (Picamera2,), {"opened": []})
    vars(picamera2).update(Picamera2=camera, MappedArray=MappedArray)
    vars(libcamera).update(
        Transform=Transform,
        ColorSpace=SimpleNamespace(Smpte170m=lambda: "SMPTE170M"),
        controls=SimpleNamespace(
            AfModeEnum=SimpleNamespace(Manual=0, Auto=1, Continuous=2),
            AeExposureModeEnum=SimpleNamespace(Normal=0, Short=1, Long=2, Custom=3),
        ),
    )
    return {"picamera2": picamera2, "libcamera": libcamera}


def _stride(stream: dict[str, Any]) -> int:
    """Bytes of a row: on a Pi 4 a multiple of 32, of YUV 64."""
    width = int(stream["size"][0])
    return -(-width * 3 // 32) * 32 if stream["format"] == "RGB888" else -(-width // 64) * 64


def _memory(stream: dict[str, Any]) -> Image:
    """As ``MappedArray`` gives it: RGB888 and NV12 without what pads the rows, YUV420 with that."""
    (width, height), stride = stream["size"], stream["stride"]
    if stream["format"] == "RGB888":
        return np.zeros((height, stride), np.uint8)[:, : width * 3].reshape(height, width, 3)
    rows = np.zeros((height * 3 // 2, stride), np.uint8)
    return rows if stream["format"] == "YUV420" else rows[:, :width]


def _fill(memory: Image, picture: Image, stream: dict[str, Any]) -> None:
    width, height = stream["size"]
    scaled = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    if stream["format"] == "RGB888":
        memory[...] = scaled
        return
    yuv = cv2.cvtColor(scaled, cv2.COLOR_BGR2YUV_I420)
    luma, chroma = yuv[:height], yuv[height:].reshape(2, height // 2, width // 2)
    memory[:height, :width] = luma
    if stream["format"] == "NV12":
        memory[height:] = np.dstack((chroma[0], chroma[1])).reshape(height // 2, width)
        return
    # Rows of colour are half as long, padding and all.
    planes = memory[height:].reshape(2, height // 2, stream["stride"] // 2)
    planes[..., : width // 2] = chroma


def _mirrored(picture: Image, transform: Transform) -> Image:
    return picture[:: -1 if transform.vflip else 1, :: -1 if transform.hflip else 1]


def pycoral_modules(load_delegate: Callable[..., Any], library: Path, devices: list[dict[str, str]]) -> dict[str, Any]:
    """For ``sys.modules``: pycoral as far as it is used, with another library; what it loads stands in ``loaded``.

    Args:
        load_delegate: Of the runtime.
        library: Instead of ``libedgetpu.so.1``, which the real one always takes.
        devices: What is plugged in, as the real one lists it.
    """
    loaded: list[dict[str, str]] = []

    def list_edge_tpus() -> list[dict[str, str]]:
        return devices

    def load_edgetpu_delegate(options: dict[str, str] | None = None) -> Any:
        loaded.append(options or {})
        return load_delegate(str(library), options or {})

    pycoral, utils, edgetpu = (ModuleType(name) for name in ("pycoral", "pycoral.utils", "pycoral.utils.edgetpu"))
    vars(edgetpu).update(list_edge_tpus=list_edge_tpus, load_edgetpu_delegate=load_edgetpu_delegate, loaded=loaded)
    vars(pycoral).update(utils=utils)
    vars(utils).update(edgetpu=edgetpu)
    return {module.__name__: module for module in (pycoral, utils, edgetpu)}
