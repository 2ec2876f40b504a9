"""What runs on a Coral Edge TPU, and what does not and why: read off a .tflite file, without the compiler.

The operations and their limits are those of Coral's page "TensorFlow models on the Edge TPU"
(coral.ai/docs/edgetpu/models-intro, table "All operations supported by the Edge TPU and any known limitations"). Their
versions are those that TensorFlow gives to the int8 form of each (tensorflow/lite/tools/versioning/op_version.cc); of
newer ones the compiler's log says "Operation version not supported". The compiler itself is closed: where its log says
otherwise, believe the log.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

from converter.tflite_file import COMPILED, Graph, Operation, Tensor, TfliteFile, read_tflite
from facemask_edge.errors import ModelError

QUANTIZED = ("int8", "uint8")
LARGEST_SOFTMAX = 16_000

Limit = Callable[[Graph, Operation], str | None]
"""Says what is wrong with an operation, or None."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """Where one operation runs."""

    operation: Operation
    reason: str | None
    """Why on the CPU; None when it runs on the Edge TPU."""


def mapped_operations(file: TfliteFile) -> Iterator[Mapped]:
    """Where each operation of a file would run once it is compiled; for a compiled one, where it runs.

    The compiler takes one connected part of the graph: what comes after an operation that it left to the CPU stays
    there, too. What only prepares the input, such as the quantization of a float picture, may run on the CPU before.
    """
    graph = file.main
    # The places of the tensors that come from the Edge TPU, and of those that came back from it to the CPU.
    from_tpu: set[int] = set()
    left_tpu: set[int] = set()
    for operation in graph.operations:
        if file.compiled:
            yield Mapped(operation, None if operation.name == COMPILED else "left to the CPU when it was compiled")
            continue
        reason = reason_against(graph, operation)
        if reason is None and left_tpu.intersection(operation.inputs):
            reason = "comes after an operation on the CPU, and the Edge TPU takes one part of a model"
        if reason is None:
            from_tpu.update(operation.outputs)
        elif (from_tpu | left_tpu).intersection(operation.inputs):
            left_tpu.update(operation.outputs)
        yield Mapped(operation, reason)


def ensure_taken(path: Path) -> None:
    """Make sure that a whole .tflite file would run on an Edge TPU, or does.

    Raises:
        InputError: The file cannot be read.
        ModelError: It is damaged, or operations would stay on the CPU; says which and why.
    """
    left = Counter((one.operation.name, one.reason) for one in mapped_operations(read_tflite(path)) if one.reason)
    if left:
        reasons = "; ".join(f"{count} {name}: {reason}" for (name, reason), count in left.items())
        raise ModelError(
            f"{path.name} would not run on an Edge TPU whole ({reasons}); change the network or leave out --edgetpu"
        )


def reason_against(graph: Graph, operation: Operation) -> str | None:
    """Why the compiler does not take an operation, as the end of a sentence; None when it does."""
    if operation.name not in TAKEN:
        return "the Edge TPU does not know it"
    version, limits = TAKEN[operation.name]
    if operation.version > version:
        return f"the compiler knows it up to version {version}"
    for limit in (_unquantized, _unknown_sides, *limits):
        reason = limit(graph, operation)
        if reason:
            return reason
    return None


def _unquantized(graph: Graph, operation: Operation) -> str | None:
    # Constants of other types are biases, shapes and axes.
    tensors = [tensor for tensor in graph.given(operation) if not tensor.constant or tensor.dtype.startswith("float")]
    tensors += [graph.tensors[place] for place in operation.outputs]
    wrong = next((tensor for tensor in tensors if tensor.dtype not in QUANTIZED), None)
    return f"works on {wrong.dtype}, the Edge TPU only on int8 and uint8" if wrong else None


def _unknown_sides(graph: Graph, operation: Operation) -> str | None:
    tensors = [*graph.given(operation), *(graph.tensors[place] for place in operation.outputs)]
    return "a side is known only at run time" if any(-1 in tensor.shape for tensor in tensors) else None


def _weights_per_channel(graph: Graph, operation: Operation) -> str | None:
    weights = graph.tensors[operation.inputs[1]]
    return "its weights are quantized per channel" if len(weights.scales) > 1 else None


def _one_dimensional_output(graph: Graph, operation: Operation) -> str | None:
    shape = graph.tensors[operation.outputs[0]].shape
    return None if prod(shape) == max(shape, default=1) else "its output has more than one dimension"


def _fused_activation(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    fused = operation.options is not None and operation.options.FusedActivationFunction()
    return "an activation is fused into it" if fused else None


def _dilations_differ(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    options = operation.options
    differ = options is not None and options.DilationWFactor() != options.DilationHFactor()
    return "its dilation differs between x and y" if differ else None


def _moved_centres(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    options = operation.options
    moved = options is not None and (options.HalfPixelCenters() or options.AlignCorners())
    return "it uses half-pixel centres or aligned corners" if moved else None


def _long_softmax(graph: Graph, operation: Operation) -> str | None:
    shape = graph.tensors[operation.outputs[0]].shape
    if prod(shape) != max(shape, default=1):
        return "its input has more than one dimension"
    return f"its input has more than {LARGEST_SOFTMAX} elements" if prod(shape) > LARGEST_SOFTMAX else None


def _masked_slice(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    options = operation.options
    masked = options is not None and (options.EllipsisMask() or options.NewAxisMask())
    return "it uses an ellipsis or a new axis" if masked else None


def _several_pictures(graph: Graph, operation: Operation) -> str | None:
    tensors: list[Tensor] = [tensor for tensor in graph.given(operation) if not tensor.constant]
    several = any(len(tensor.shape) == 4 and tensor.shape[0] > 1 for tensor in tensors)  # noqa: PLR2004 - batch, height, width, channels
    return "it works on several pictures at once" if several else None


TAKEN: dict[str, tuple[int, tuple[Limit, ...]]] = {
    "ADD": (2, ()),
    "AVERAGE_POOL_2D": (2, (_fused_activation,)),
    "CONCATENATION": (2, (_fused_activation,)),
    "CONV_2D": (3, (_dilations_differ,)),
    "DEPTHWISE_CONV_2D": (3, (_dilations_differ,)),
    "EXPAND_DIMS": (1, ()),
    "FULLY_CONNECTED": (4, (_weights_per_channel, _one_dimensional_output)),
    "L2_NORMALIZATION": (2, ()),
    "LOGISTIC": (2, ()),
    "MAXIMUM": (2, ()),
    "MAX_POOL_2D": (2, (_fused_activation,)),
    "MEAN": (2, (_several_pictures,)),
    "MINIMUM": (2, ()),
    "MUL": (2, ()),
    "PACK": (2, ()),
    "PAD": (2, (_several_pictures,)),
    "PRELU": (1, ()),
    "QUANTIZE": (1, ()),
    "REDUCE_MAX": (2, (_several_pictures,)),
    "REDUCE_MIN": (2, (_several_pictures,)),
    "RELU": (2, ()),
    "RELU6": (2, ()),
    "RELU_N1_TO_1": (1, ()),
    "RESHAPE": (1, ()),
    "RESIZE_BILINEAR": (2, (_moved_centres,)),
    "RESIZE_NEAREST_NEIGHBOR": (2, (_moved_centres,)),
    "RSQRT": (2, ()),
    "SLICE": (2, ()),
    "SOFTMAX": (2, (_long_softmax,)),
    "SPACE_TO_DEPTH": (2, ()),
    "SPLIT": (2, ()),
    "SQUARED_DIFFERENCE": (2, ()),
    "SQUEEZE": (1, ()),
    "STRIDED_SLICE": (2, (_masked_slice,)),
    "SUB": (2, ()),
    "SUM": (2, (_several_pictures,)),
    "TANH": (2, ()),
    "TRANSPOSE": (2, ()),
    "TRANSPOSE_CONV": (3, ()),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (1, ()),
}
"""Each operation's newest version that is taken, and what else can be wrong with it."""
