"""What stands in a .tflite file: its tensors and operations, read without running anything.

The file is untrusted: it is read by the flatbuffer schema that comes with the TFLite runtime, and never loaded into a
runtime. Flatbuffers may refer to one table from many places, so a small file can describe a huge model: what is read is
counted, and an honest file describes no more than it holds. A truncated file has its tables at the front and lacks
weights behind them, so the extent of every buffer is checked, too.
"""

import inspect
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from facemask_edge.errors import InputError, ModelError

IDENTIFIER = b"TFL3"
LARGEST_FILE = 1 << 30
"""Bytes. No model for a small device comes near it."""
MOST_READ = 4_000_000
"""Numbers, letters and tables in all; no file describes more than its size in bytes either."""
MOST_VALUES = 16
"""Constant int32 values up to so many are kept: axes, strides, paddings."""
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
_NO_FIELDS = ("Init", "GetRootAs", "Length", "AsNumpy", "IsNone")


@cache
def _fields(name: str) -> list[str]:
    """The fields of a table of options that hold one number."""
    methods = vars(getattr(schema, name)).items()
    return [
        field
        for field, method in methods
        if inspect.isfunction(method)
        and list(inspect.signature(method).parameters) == ["self"]
        and not any(part in field for part in _NO_FIELDS)
    ]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a graph."""

    name: str
    shape: tuple[int, ...]
    """-1 where a side other than the first is known only at run time; an unknown number of pictures counts as one."""
    dtype: str
    """As the schema calls it, in lower case: int8, float32, ..."""
    scales: tuple[float, ...]
    """Empty when it is not quantized; more than one when it is quantized per channel."""
    zero_points: tuple[int, ...]
    buffer: int
    """Where its values stand in the file; 0 when they do not."""
    size: int
    """Bytes of these."""
    values: tuple[int, ...] = ()
    """Those of a short constant of int32."""

    @property
    def constant(self) -> bool:
        """Whether its values stand in the file."""
        return self.size > 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a graph."""

    name: str
    """``CONV_2D`` and so on; for a custom operation its own name."""
    version: int
    inputs: tuple[int, ...]
    """Places in the graph's tensors; -1 for one that is left out."""
    outputs: tuple[int, ...]
    options: Mapping[str, int]
    """The numbers among its options, by the schema's names."""


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
        reader = _Reader(content)
        missing = reader.end_of_buffers() - size
        graphs = reader.graphs()
    except (struct.error, IndexError, ValueError, TypeError, OverflowError, AttributeError) as error:
        missing = 1
        cause = error
    if missing > 0:
        said = "is a damaged or cut off TensorFlow Lite model: it points outside the file; copy or convert it again"
        raise ModelError(f"{path} {said}") from cause
    if not graphs or not graphs[0].operations:
        raise ModelError(f"{path} is a TensorFlow Lite model without an operation")
    return TfliteFile(size, graphs)


def _kind_of(content: bytes) -> str:
    if not content:
        return "it is empty"
    known = (kind for start, kind in _OTHER_KINDS.items() if content.startswith(start))
    return next(known, "it is of no kind known here")


class _Reader:
    """Reads the tables of a file; every method raises one of the errors that ``read_tflite`` catches."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._model = schema.Model.GetRootAsModel(content, 0)
        self._left = min(len(content), MOST_READ)

    def end_of_buffers(self) -> int:
        """Where the last data end in the file, as it says."""
        return max((start + size for start, size in self._buffers()), default=0)

    def graphs(self) -> tuple[Graph, ...]:
        """All graphs."""
        return tuple(
            self._graph(self._model.Subgraphs(place)) for place in self._counted(self._model.SubgraphsLength())
        )

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise ValueError(amount)

    def _counted(self, count: int) -> range:
        self._spend(count)
        return range(count)

    def _buffers(self) -> Iterator[tuple[int, int]]:
        for place in self._counted(self._model.BuffersLength()):
            yield self._data(place)

    def _data(self, place: int) -> tuple[int, int]:
        """Start and size of a buffer's data."""
        if not 0 <= place < self._model.BuffersLength():
            raise IndexError(place)
        buffer = self._model.Buffers(place)
        size = buffer.DataLength()
        if size:
            return buffer._tab.Vector(buffer._tab.Offset(4)), size  # noqa: SLF001 - the schema's only way to ask where
        # Large models keep the data behind the tables; 1 stands for no offset.
        return (buffer.Offset(), buffer.Size()) if buffer.Size() > 1 else (0, 0)

    def _graph(self, graph: Any) -> Graph:  # noqa: ANN401 - the schema has no type information
        tensors = tuple(self._tensor(graph.Tensors(place)) for place in self._counted(graph.TensorsLength()))
        operations = tuple(self._operation(graph.Operators(place)) for place in self._counted(graph.OperatorsLength()))
        inputs, outputs = self._integers(graph, "Inputs"), self._integers(graph, "Outputs")
        given = [place for operation in operations for place in operation.inputs]
        made = [place for operation in operations for place in operation.outputs]
        # Only an input may be left out.
        if not all(-1 <= place < len(tensors) for place in given):
            raise IndexError(len(tensors))
        if not all(0 <= place < len(tensors) for place in (*made, *inputs, *outputs)):
            raise IndexError(len(tensors))
        return Graph(tensors, operations, inputs, outputs)

    def _tensor(self, tensor: Any) -> Tensor:  # noqa: ANN401 - likewise
        shape = self._integers(tensor, "Shape")
        signature = self._integers(tensor, "ShapeSignature")
        if len(signature) == len(shape):
            # The signature has -1 where the shape has a stand-in.
            shape = (*shape[:1], *signature[1:])
        quantization = tensor.Quantization()
        start, size = self._data(tensor.Buffer())
        dtype = _TYPES.get(tensor.Type(), f"type {tensor.Type()}")
        short = dtype == "int32" and 0 < size <= 4 * MOST_VALUES
        values = np.frombuffer(self._content[start : start + size], "<i4") if short else ()
        return Tensor(
            name=self._text(tensor.Name()),
            shape=shape,
            dtype=dtype,
            scales=self._scales(quantization) if quantization else (),
            zero_points=self._integers(quantization, "ZeroPoint") if quantization else (),
            buffer=tensor.Buffer() if size else 0,
            size=size,
            values=tuple(map(int, values)),
        )

    def _operation(self, operation: Any) -> Operation:  # noqa: ANN401 - likewise
        if operation.OpcodeIndex() >= self._model.OperatorCodesLength():
            raise IndexError(operation.OpcodeIndex())
        code = self._model.OperatorCodes(operation.OpcodeIndex())
        # Old files know only the first of the two, which ends at 127.
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        name = _OPERATIONS.get(number, f"operation {number}")
        if name == "CUSTOM":
            name = self._text(code.CustomCode())
        inputs, outputs = self._integers(operation, "Inputs"), self._integers(operation, "Outputs")
        return Operation(name, code.Version(), inputs, outputs, self._options(operation))

    def _options(self, operation: Any) -> dict[str, int]:  # noqa: ANN401 - likewise
        name = _OPTIONS.get(operation.BuiltinOptionsType(), "NONE")
        table = operation.BuiltinOptions()
        if name == "NONE" or table is None:
            return {}
        options = getattr(schema, name)()
        options.Init(table.Bytes, table.Pos)
        values = {field: getattr(options, field)() for field in _fields(name)}
        return {field: int(value) for field, value in values.items() if isinstance(value, int)}

    def _text(self, text: bytes | None) -> str:
        self._spend(len(text or b""))
        return "".join(letter if letter.isprintable() else "?" for letter in (text or b"").decode(errors="replace"))

    def _scales(self, quantization: Any) -> tuple[float, ...]:  # noqa: ANN401 - likewise
        scales = self._vector(quantization, "Scale")
        if not np.isfinite(scales).all():
            raise ValueError(scales)
        return tuple(map(float, scales))

    def _integers(self, table: Any, name: str) -> tuple[int, ...]:  # noqa: ANN401 - likewise
        return tuple(map(int, self._vector(table, name)))

    def _vector(self, table: Any, name: str) -> Any:  # noqa: ANN401 - likewise
        self._spend(getattr(table, f"{name}Length")())
        values = getattr(table, f"{name}AsNumpy")()
        # The schema gives 0 where there is no vector.
        return values if isinstance(values, np.ndarray) else ()
