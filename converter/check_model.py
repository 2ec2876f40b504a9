"""``convert-model --check``: explains any .tflite file, and where it would run."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from converter.edgetpu_operations import QUANTIZED, mapped_operations
from converter.tflite_file import Tensor, TfliteFile, read_tflite

EDGE_TPU, CPU = "Edge TPU", "CPU"
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
CACHE_BYTES = 8 << 20
"""The Edge TPU's memory, parameters and program together; what does not fit is sent over USB at every inference."""


@dataclass(frozen=True, slots=True)
class Row:
    """Operations of one kind that run in the same place for the same reason."""

    operation: str
    version: int
    count: int
    runs_on: str
    reason: str | None
    """Why not on the Edge TPU."""


@dataclass(frozen=True, slots=True)
class Check:
    """All that is told of a file."""

    file: str
    size: int
    """Bytes."""
    kind: str
    """How its numbers are stored, in words."""
    compiled: bool
    """Whether it is compiled for the Edge TPU already."""
    weights: int
    """Bytes of constants."""
    inputs: list[Tensor]
    outputs: list[Tensor]
    operations: list[Row]
    graphs: int
    verdict: str

    @property
    def on_edgetpu(self) -> int:
        """How many operations run there."""
        return sum(row.count for row in self.operations if row.runs_on == EDGE_TPU)


def check_model(path: Path, *, as_json: bool = False) -> Check:
    """Explain a .tflite file on standard output, for people or as one JSON object.

    Raises:
        InputError: The file cannot be read.
        ModelError: It is no TensorFlow Lite model, or a damaged one.
    """
    check = checked(read_tflite(path), path.name)
    if as_json:
        # Numbers that JSON has no word for can only stand in a broken file.
        print(json.dumps(asdict(check), indent=2, allow_nan=False))  # noqa: T201 - this is what the command is asked for
    else:
        # The names in a file are not ours: they must not be taken for markup.
        _show(check, Console(highlight=False, markup=False, emoji=False))
    return check


def checked(file: TfliteFile, name: str) -> Check:
    """What ``check_model`` tells of a file of that name."""
    counts = Counter((one.operation.name, one.operation.version, one.reason) for one in mapped_operations(file))
    rows = [
        Row(operation, version, count, CPU if reason else EDGE_TPU, reason)
        for (operation, version, reason), count in sorted(
            counts.items(), key=lambda pair: (pair[0][2] or "", pair[0][:2])
        )
    ]
    graph = file.main
    return Check(
        file=name,
        size=file.size,
        kind=kind_of(file),
        compiled=file.compiled,
        weights=sum({tensor.buffer: tensor.size for one in file.graphs for tensor in one.tensors}.values()),
        inputs=[graph.tensors[place] for place in graph.inputs],
        outputs=[graph.tensors[place] for place in graph.outputs],
        operations=rows,
        graphs=len(file.graphs),
        verdict=_verdict(file, rows),
    )


def kind_of(file: TfliteFile) -> str:
    """How a file's numbers are stored, in words."""
    graph = file.main
    # Shapes, axes, biases and results such as classes are integers in every kind.
    numbers = [tensor for tensor in graph.tensors if not tensor.dtype.startswith(("int32", "int64", "bool"))]
    worked_on = {tensor.dtype for tensor in numbers if not tensor.constant}
    weights = {tensor.dtype for tensor in numbers if tensor.constant}
    quantized = set(QUANTIZED)
    weighted = [graph.given(operation) for operation in graph.operations if operation.name in WEIGHTED]
    hybrid = any(len(given) > 1 and given[0].dtype == "float32" and given[1].dtype in quantized for given in weighted)
    if file.compiled:
        kind = "compiled for the Edge TPU"
    elif worked_on <= quantized:
        kind = f"fully quantized to {' and '.join(sorted(worked_on))}"
    elif hybrid:
        kind = "dynamic range: quantized weights, float32 between the operations"
    elif "float16" in weights:
        kind = "float16 weights, float32 between the operations"
    elif worked_on | weights <= {"float32"}:
        kind = "float32"
    elif worked_on <= {"float32", *quantized} and worked_on & quantized:
        kind = "quantized inside, with float32 at its inputs or outputs"
    else:
        kind = f"mixed: {', '.join(sorted(worked_on | weights))}"
    return kind


def _verdict(file: TfliteFile, rows: list[Row]) -> str:
    left = sum(row.count for row in rows if row.runs_on == CPU)
    total = sum(row.count for row in rows)
    stay = "stays" if left == 1 else "stay"
    if file.compiled:
        rest = f", but for {left} of {total} operations, which {stay} on the CPU" if left else " whole"
        return f"It is compiled: it runs on an Edge TPU{rest}. Without an Edge TPU it does not run."
    if not left:
        return f"All {total} operations would run on an Edge TPU, once edgetpu_compiler has compiled it."
    if left == total:
        return f"None of its {total} operations would run on an Edge TPU: it runs on the CPU only."
    return f"{total - left} of {total} operations would run on an Edge TPU, {left} {stay} on the CPU."


def _show(check: Check, console: Console) -> None:
    # The weights of what is compiled are in the operation that it has become.
    weights = "" if check.compiled else f", {_amount(check.weights)} of it weights"
    sizes = f"{_amount(check.size)}{weights}"
    console.print(f"{check.file}: {check.kind}; {sizes}", soft_wrap=True)
    if check.graphs > 1:
        console.print(f"{check.graphs} graphs, of which the first is described")
    ends = Table("", "name", "shape", "type", "scale", "zero point")
    for title, tensors in (("input", check.inputs), ("output", check.outputs)):
        for tensor in tensors:
            ends.add_row(title, tensor.name, *_described(tensor))
    console.print(ends)
    operations = Table("operation", "version", "count", "runs on", "because")
    for row in check.operations:
        operations.add_row(row.operation, str(row.version), str(row.count), row.runs_on, row.reason or "")
    console.print(operations)
    if check.weights > CACHE_BYTES and check.on_edgetpu:
        console.print(f"The Edge TPU keeps {_amount(CACHE_BYTES)}: the rest of the weights is sent at every inference.")
    console.print(check.verdict, soft_wrap=True)


def _described(tensor: Tensor) -> tuple[str, str, str, str]:
    shape = "x".join("?" if side < 0 else str(side) for side in tensor.shape)
    if len(tensor.scales) > 1:
        return shape, tensor.dtype, f"{len(tensor.scales)} of them", ""
    scale = f"{tensor.scales[0]:.6g}" if tensor.scales else ""
    return shape, tensor.dtype, scale, str(tensor.zero_points[0]) if tensor.zero_points else ""


def _amount(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"
