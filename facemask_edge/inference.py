"""The one place that knows TFLite runtimes and the maths of quantization.

``ai-edge-litert`` is the dependency; ``tflite-runtime`` is used where it is what is installed, which is how most Coral
set-ups look.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemask_edge.edge_tpu import EdgeTpuError, NoEdgeTpuError, edge_tpu
from facemask_edge.edge_tpu_pairing import installed_library, why_unlikely
from facemask_edge.errors import ModelError, ServiceError
from facemask_edge.manifest import ModelEntry, find_model
from facemask_edge.native import native_stderr_hidden
from facemask_edge.values import Image

BLACK = np.uint8(0x80)
"""As an int8 input has it."""
logger = logging.getLogger(__name__)


def interpreter_class() -> Any:  # noqa: ANN401 - two runtimes without type information share this interface
    """The interpreter of the TFLite runtime that is used.

    Raises:
        ModelError: There is none.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - which runtime is known only at run time
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise ModelError("no TFLite runtime is installed; run: pip install ai-edge-litert") from error
    return Interpreter


def runtime() -> str:
    """Name and version of the TFLite runtime that is used.

    Raises:
        ModelError: There is none.
    """
    package = interpreter_class().__module__.partition(".")[0].replace("_", "-")
    return f"{package} {metadata.version(package)}"


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """A dense layer's weights as the numbers they stand for."""

    weights: NDArray[np.float32]
    """outputs x inputs."""
    bias: NDArray[np.float32]
    """outputs."""


class QuantizedOutput:
    """One int8 output of a model; values are compared as int8 and dequantized only where they are wanted."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        self.index: int = details["index"]
        self.name: str = details["name"]
        self.shape: tuple[int, ...] = tuple(int(side) for side in details["shape"])
        self.scale: float
        self.zero_point: int
        self.scale, self.zero_point = details["quantization"]

    def quantized(self, value: float) -> int:
        """The smallest int8 whose value is at least ``value`` (clipped to int8)."""
        return int(np.clip(np.ceil(value / self.scale + self.zero_point), -128, 127))

    def dequantized(self, values: NDArray[np.int8]) -> NDArray[np.float32]:
        """The float32 values that int8 ``values`` stand for, in the same shape."""
        # Widen first: int8 minus a zero point of -128 does not fit into int8.
        return (values.astype(np.float32) - np.float32(self.zero_point)) * np.float32(self.scale)


class Model:
    """A TFLite model with one int8 picture as input, loaded and ready.

    Args:
        name: File name of a packaged model or a path, see ``manifest.find_model``.
        threads: Inference threads.
        accelerator: ``cpu``, ``edgetpu``, ``edgetpu:N`` or ``auto``, as in the configuration.

    Raises:
        ModelError: The file is missing, damaged or not a fully quantized model for one picture; or it is to run on an
            Edge TPU and cannot.
        ServiceError: It is to run on an Edge TPU, and none is there now.
    """

    def __init__(self, name: str, *, threads: int = 1, accelerator: str = "cpu") -> None:
        path, self.entry, delegate = _placed(name, accelerator)
        self.accelerator = "cpu" if delegate is None else "edgetpu"
        """Where it runs."""
        options = {} if delegate is None else {"experimental_delegates": [delegate]}
        try:
            # The runtime announces on stderr which kernels it uses.
            with native_stderr_hidden():
                self._interpreter = interpreter_class()(model_path=str(path), num_threads=threads, **options)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(_loading_failed(path, self.entry, error)) from error
        self.outputs = [QuantizedOutput(details) for details in self._interpreter.get_output_details()]
        self._input_index = self._checked_input(path)
        self.invocations = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the input in pixels."""
        return self.entry.input.width, self.entry.input.height

    def invoke(self, image: Image) -> None:
        """Run the model on one picture.

        Args:
            image: uint8, height x width x 3, in the channel order of the manifest; at most as large as the input, of
                which it fills the upper left corner. The rest is black.
        """
        self._take(image)
        self.run()

    def _take(self, image: Image) -> None:
        # The view must not outlive this method: the runtime refuses to invoke while one is held.
        taken = self._interpreter.tensor(self._input_index)()[0].view(np.uint8)
        height, width = image.shape[:2]
        # int8 = uint8 ^ 0x80 is uint8 - 128: the shift to int8 needs no float.
        np.bitwise_xor(image, BLACK, out=taken[:height, :width])
        # The picture before may have been larger.
        taken[height:] = BLACK
        taken[:, width:] = BLACK

    def run(self) -> None:
        """Run the model once more on the picture that it has."""
        self._interpreter.invoke()
        self.invocations += 1

    def output(self, output: QuantizedOutput) -> NDArray[np.int8]:
        """A copy of an output's int8 values after ``invoke``, in the output's shape."""
        return self._interpreter.get_tensor(output.index)  # type: ignore[no-any-return]

    def dense_layers(self) -> list[DenseLayer]:
        """The dense layers in the order they run; empty for a model compiled for an Edge TPU, which hides them."""
        details = {int(tensor["index"]): tensor for tensor in self._interpreter.get_tensor_details()}

        def value(index: int) -> NDArray[np.float32]:
            quantization = details[index]["quantization_parameters"]
            values: NDArray[Any] = self._interpreter.get_tensor(index)
            # One scale for all, or one a row.
            sides = (-1, *[1] * (values.ndim - 1))
            scales, zero_points = (quantization[name].reshape(sides) for name in ("scales", "zero_points"))
            return np.asarray((values.astype(np.float32) - zero_points) * scales, np.float32)

        # Both runtimes name the operations only here.
        operations = self._interpreter._get_ops_details()  # noqa: SLF001
        dense = [operation["inputs"] for operation in operations if operation["op_name"] == "FULLY_CONNECTED"]
        layers = []
        for _, weights, *bias in dense:
            rows = value(int(weights))
            there = bool(bias) and int(bias[0]) >= 0
            layers.append(DenseLayer(rows, value(int(bias[0])) if there else np.zeros(len(rows), np.float32)))
        return layers

    def _checked_input(self, path: Path) -> int:
        inputs = self._interpreter.get_input_details()
        width, height = self.size
        wanted = (1, height, width, 3)
        tensors = [*inputs, *self._interpreter.get_output_details()]
        if any(tensor["dtype"] is not np.int8 for tensor in tensors):
            raise ModelError(f"model {path} is not fully int8; convert it with convert-model")
        if len(inputs) != 1 or tuple(inputs[0]["shape"]) != wanted:
            raise ModelError(f"model {path} does not take one picture of {width}x{height}, as its manifest says")
        return int(inputs[0]["index"])


def _placed(name: str, accelerator: str) -> tuple[Path, ModelEntry, Any]:
    """The file to load, what is known of it, and the delegate that runs it; None where the CPU does.

    Raises:
        ModelError: It is to run on an Edge TPU and cannot.
        ServiceError: None is there now.
    """
    path, entry = find_model(name)
    kind, _, number = accelerator.partition(":")
    if not wants_edge_tpu(path, accelerator):
        return path, entry, None
    compiled = compiled_of(path)
    if not compiled.exists():
        raise ModelError(
            f"model {compiled} does not exist; make it with convert-model --edgetpu, or set accelerator: cpu"
        )
    doubt = why_unlikely(runtime(), installed_library())
    if doubt:
        # Said before, because afterwards there may be nobody to say it.
        logger.warning("%s", doubt)
    try:
        delegate = edge_tpu(delegate_loader(), number)
    except EdgeTpuError as error:
        if kind != "auto":
            # One that is not there now is waited for by being started again.
            kind_of_error = ServiceError if isinstance(error, NoEdgeTpuError) else ModelError
            raise kind_of_error(f"model {compiled} cannot be used: {error}") from error
        logger.warning("model %s runs on the CPU: %s", path.name, error)
        return path, entry, None
    return *find_model(str(compiled.absolute())), delegate


def wants_edge_tpu(model: Path, accelerator: str) -> bool:
    """Whether a model is to be tried on an Edge TPU."""
    # os.path: a name that is too long for the system is explained elsewhere.
    is_compiled = os.path.exists(compiled_of(model))  # noqa: PTH110 - as above
    return accelerator != "cpu" and (accelerator != "auto" or is_compiled)


def compiled_of(model: Path) -> Path:
    """Where the same model lies for an Edge TPU."""
    return model.with_stem(f"{model.stem}_edgetpu")


def delegate_loader() -> Callable[..., Any]:
    """The loader that belongs to the runtime."""
    return vars(sys.modules[interpreter_class().__module__])["load_delegate"]  # type: ignore[no-any-return]


def _loading_failed(path: Path, entry: ModelEntry, error: Exception) -> str:
    if "edgetpu-custom-op" in str(error):
        return f"model {path} is compiled for an Edge TPU; name the one without _edgetpu, or use a Coral"
    return f"model {path} ({entry.name}) cannot be loaded by this TFLite runtime; convert it again with convert-model"
