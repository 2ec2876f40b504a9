"""What stands in a .tflite file: its tensors and operations, read without running anything.

The file is untrusted: it is read by the flatbuffer schema that comes with the TFLite runtime, never loaded into a
runtime, and every count in it is bounded before it is believed. A truncated file has its tables at the front and lacks
weights behind them, so the extent of every buffer is checked, too.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from facemask_edge.errors import InputError, ModelError

IDENTIFIER = b"TFL3"
LARGEST_FILE = 1 << 30
"""Bytes. No model for a small device comes near it."""
LARGEST_TABLE = 100_000
"""Tensors, operations or buffers. A file that claims more is broken."""
COMPILED = "edgetpu-custom-op"
"""The one operation that ``edgetpu_compiler`` puts in the place of all that runs on the Edge TPU."""

_OTHER_KINDS = {
    b"\xff\xd8\xff": "it is a JPEG picture",
    b"\x89PNG": "it is a PNG picture",
    b"PK": "it is a zip file, as .keras files are",
    b"\x89HDF": "it is an HDF5 file, as .h5 files are",
    b"\x7fELF": "it is a program",
}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


_TYPES = {value: name.lower() for value, name in _names(schema.TensorType).items()}
_OPERATIONS = _names(schema.BuiltinOperator)
_OPTIONS = _names(schema.BuiltinOptions)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph."""

    name: str
    shape: tuple[int, ...]
    """-1 where a side is known only at run time."""
    dtype: str
    """As the schema calls it, in lower case: int8, float32, ..."""
    scales: tuple[float, ...]
    """Empty when it is not quantized; more than one when it is quantized per channel."""
    zero_points: tuple[int, ...]
    constant: bool
    """Whether its values stand in the file."""
    size: int
    """Bytes of these."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a graph."""

    name: str
    """``CONV_2D`` and so on; for a custom operation its own name."""
    version: int
    inputs: tuple[int, ...]
    """Places in the graph's tensors; -1 for one that is left out."""
    outputs: tuple[int, ...]
    options: Any
    """The schema's table of its options; None when it has none."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One graph of the file; the first one is what runs."""

    tensors: tuple[Tensor, ...]
    operations: tuple[Operation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def given(self, operation: Operation) -> list[Tensor]:
        """The inputs of an operation, without those that are left out."""
        return [self.tensors[place] for place in operation.inputs if place >= 0]


@dataclass(frozen=True)
class TfliteFile:
    """A whole file."""

    size: int
    """Bytes."""
    graphs: tuple[Graph, ...]

    @property
    def main(self) -> Graph:
        """What runs."""
        return self.graphs[0]

    @cached_property
    def compiled(self) -> bool:
        """Whether ``edgetpu_compiler`` made it."""
        return any(operation.name == COMPILED for graph in self.graphs for operation in graph.operations)


def read_tflite(path: Path) -> TfliteFile:
    """Read the tables of a .tflite file.

    Raises:
        InputError: The file cannot be read.
        ModelError: It is no TensorFlow Lite model, or a damaged one.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ModelError(f"{path} has {size >> 20} MiB; models of more than {LARGEST_FILE >> 20} MiB are not read")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"{path} is no TensorFlow Lite model ({_kind_of(content)})")
    cause: Exception | None = None
    try:
        model = schema.Model.GetRootAsModel(content, 0)
        missing = max(_ends_of_buffers(model), default=0) - size
        graphs = tuple(_graph(model, model.Subgraphs(place)) for place in _counted(model.SubgraphsLength()))
    except (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError) as error:
        missing = 1
        cause = error
    if missing > 0:
        said = "is a damaged or cut off TensorFlow Lite model: it points outside the file; copy or convert it again"
        raise ModelError(f"{path} {said}") from cause
    if not graphs:
        raise ModelError(f"{path} is a TensorFlow Lite model without a graph")
    return TfliteFile(size, graphs)


def _kind_of(content: bytes) -> str:
    if not content:
        return "it is empty"
    return next(
        (kind for start, kind in _OTHER_KINDS.items() if content.startswith(start)), "it is of no kind known here"
    )


def _counted(count: int) -> range:
    if count > LARGEST_TABLE:
        raise ValueError(count)
    return range(count)


def _ends_of_buffers(model: Any) -> Iterator[int]:  # noqa: ANN401 - the schema has no type information
    """Where the data of each buffer end in the file, for all that have some."""
    for place in _counted(model.BuffersLength()):
        buffer = model.Buffers(place)
        if buffer.DataLength():
            yield buffer._tab.Vector(buffer._tab.Offset(4)) + buffer.DataLength()  # noqa: SLF001 - the schema's only way to ask where
        elif buffer.Size() > 1:
            # Large models keep the data behind the tables; 1 stands for no offset.
            yield buffer.Offset() + buffer.Size()


def _graph(model: Any, graph: Any) -> Graph:  # noqa: ANN401 - likewise
    tensors = tuple(_tensor(model, graph.Tensors(place)) for place in _counted(graph.TensorsLength()))
    operations = tuple(_operation(model, graph.Operators(place)) for place in _counted(graph.OperatorsLength()))
    places = [place for operation in operations for place in (*operation.inputs, *operation.outputs)]
    inputs, outputs = _integers(graph, "Inputs"), _integers(graph, "Outputs")
    if any(not -1 <= place < len(tensors) for place in (*places, *inputs, *outputs)):
        raise IndexError(len(tensors))
    return Graph(tensors, operations, inputs, outputs)


def _tensor(model: Any, tensor: Any) -> Tensor:  # noqa: ANN401 - likewise
    # The signature has -1 where the shape has a stand-in.
    shape = _integers(tensor, "ShapeSignature") or _integers(tensor, "Shape")
    quantization = tensor.Quantization()
    buffer = model.Buffers(tensor.Buffer())
    size = buffer.DataLength() or max(buffer.Size() - 1, 0)
    return Tensor(
        name=(tensor.Name() or b"").decode(errors="replace"),
        shape=shape,
        dtype=_TYPES.get(tensor.Type(), f"type {tensor.Type()}"),
        scales=tuple(map(float, _vector(quantization, "Scale"))) if quantization else (),
        zero_points=_integers(quantization, "ZeroPoint") if quantization else (),
        constant=size > 0,
        size=size,
    )


def _operation(model: Any, operation: Any) -> Operation:  # noqa: ANN401 - likewise
    code = model.OperatorCodes(operation.OpcodeIndex())
    # Old files know only the first of the two, which ends at 127.
    number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
    name = _OPERATIONS.get(number, f"operation {number}")
    if name == "CUSTOM":
        name = (code.CustomCode() or b"").decode(errors="replace")
    return Operation(
        name, code.Version(), _integers(operation, "Inputs"), _integers(operation, "Outputs"), _options(operation)
    )


def _options(operation: Any) -> Any:  # noqa: ANN401 - likewise
    name = _OPTIONS.get(operation.BuiltinOptionsType(), "NONE")
    table = operation.BuiltinOptions()
    if name == "NONE" or table is None:
        return None
    options = getattr(schema, name)()
    options.Init(table.Bytes, table.Pos)
    return options


def _integers(table: Any, name: str) -> tuple[int, ...]:  # noqa: ANN401 - likewise
    return tuple(map(int, _vector(table, name)))


def _vector(table: Any, name: str) -> Any:  # noqa: ANN401 - likewise
    _counted(getattr(table, f"{name}Length")())
    values = getattr(table, f"{name}AsNumpy")()
    # The schema gives 0 where there is no vector.
    return values if isinstance(values, np.ndarray) else ()
