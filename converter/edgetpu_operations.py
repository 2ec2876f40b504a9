"""What runs on a Coral Edge TPU, and what does not and why: read off a .tflite file, without the compiler.

The operations and their limits are those of Coral's page "TensorFlow models on the Edge TPU"
(coral.ai/docs/edgetpu/models-intro, table "All operations supported by the Edge TPU and any known limitations"), but
for those that depend on sizes the page does not give. The versions are those that TensorFlow gives to the plain int8
form of each (tensorflow/lite/tools/versioning/op_version.cc); of newer ones the compiler's log says "Operation version
not supported". The compiler itself is closed: where its log says otherwise, believe the log.
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
LONG_SIDES = 3

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
    """Make sure that a whole .tflite file would run on an Edge TPU once it is compiled.

    Raises:
        InputError: The file cannot be read.
        ModelError: It is damaged, or operations would stay on the CPU; says which and why.
    """
    file = read_tflite(path)
    if file.compiled:
        raise ModelError(f"{path.name} is compiled already; name the one without _edgetpu")
    left = Counter((one.operation.name, one.reason) for one in mapped_operations(file) if one.reason)
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
    for limit in (_unquantized, _unknown_sides, _four_long_sides, *limits):
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


def _four_long_sides(graph: Graph, operation: Operation) -> str | None:
    tensors = [tensor for tensor in graph.given(operation) if not tensor.constant]
    long = max((_long_sides(tensor) for tensor in tensors), default=0)
    return f"a tensor has {long} sides longer than 1, the Edge TPU knows three" if long > LONG_SIDES else None


def _weights_per_channel(graph: Graph, operation: Operation) -> str | None:
    weights = graph.given(operation)[1:2]
    return "its weights are quantized per channel" if weights and len(weights[0].scales) > 1 else None


def _one_dimensional_output(graph: Graph, operation: Operation) -> str | None:
    return "its output has more than one dimension" if _is_matrix(graph, operation) else None


def _long_softmax(graph: Graph, operation: Operation) -> str | None:
    if _is_matrix(graph, operation):
        return "its input has more than one dimension"
    sizes = [prod(graph.tensors[place].shape) for place in operation.outputs]
    return f"its input has more than {LARGEST_SOFTMAX} elements" if max(sizes, default=0) > LARGEST_SOFTMAX else None


def _is_matrix(graph: Graph, operation: Operation) -> bool:
    return any(_long_sides(graph.tensors[place]) > 1 for place in operation.outputs)


def _long_sides(tensor: Tensor) -> int:
    return sum(side > 1 for side in tensor.shape)


def _fused_activation(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    return "an activation is fused into it" if operation.options.get("FusedActivationFunction") else None


def _dilations_differ(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    across, down = (operation.options.get(f"Dilation{side}Factor", 1) for side in "WH")
    return "its dilation differs between x and y" if across != down else None


def _half_pixels(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    return "it uses half-pixel centres" if operation.options.get("HalfPixelCenters") else None


def _strided_slice(graph: Graph, operation: Operation) -> str | None:
    if operation.options.get("EllipsisMask") or operation.options.get("NewAxisMask"):
        return "it uses an ellipsis or a new axis"
    # Its inputs: the tensor, then begin, end and strides.
    strides = graph.given(operation)[3:4]
    return None if strides and set(strides[0].values) == {1} else "its strides are not all 1"


def _constant_beside_another(graph: Graph, operation: Operation) -> str | None:
    given = graph.given(operation)
    many = any(tensor.constant for tensor in given) and len(given) > 2  # noqa: PLR2004 - a tensor and its padding
    return "it joins a constant with more than one tensor" if many else None


def _many_alphas(graph: Graph, operation: Operation) -> str | None:
    alphas = graph.given(operation)[1:2]
    return "its alpha has more than one dimension" if alphas and _long_sides(alphas[0]) > 1 else None


def _over_pictures(graph: Graph, operation: Operation) -> str | None:
    """Of those that reduce along the axes in their second input, or pad each side by two numbers of it."""
    given = graph.given(operation)
    values = given[1].values if len(given) > 1 else ()
    if operation.name == "PAD":
        return "it pads the pictures' number" if any(values[:2]) else None
    sides = len(given[0].shape) if given else 0
    return "it reduces over the pictures" if 0 in values or -sides in values else None


def _axis_of_pictures(graph: Graph, operation: Operation) -> str | None:  # noqa: ARG001 - a Limit
    return "it works along the pictures" if operation.options.get("Axis", 1) == 0 else None


def _split_pictures(graph: Graph, operation: Operation) -> str | None:
    axes = [tensor.values for tensor in graph.given(operation)[:1]]
    return "it splits the pictures" if axes == [(0,)] else None


TAKEN: dict[str, tuple[int, tuple[Limit, ...]]] = {
    "ADD": (2, ()),
    "AVERAGE_POOL_2D": (2, (_fused_activation,)),
    "CONCATENATION": (2, (_fused_activation, _constant_beside_another, _axis_of_pictures)),
    "CONV_2D": (3, (_dilations_differ,)),
    "DEPTHWISE_CONV_2D": (3, (_dilations_differ,)),
    "EXPAND_DIMS": (1, ()),
    "FULLY_CONNECTED": (4, (_weights_per_channel, _one_dimensional_output)),
    "L2_NORMALIZATION": (2, ()),
    "LOGISTIC": (2, ()),
    "MAXIMUM": (2, ()),
    "MAX_POOL_2D": (2, (_fused_activation,)),
    "MEAN": (2, (_over_pictures,)),
    "MINIMUM": (2, ()),
    "MUL": (2, ()),
    "PACK": (2, (_axis_of_pictures,)),
    "PAD": (2, (_over_pictures,)),
    "PRELU": (1, (_many_alphas,)),
    "QUANTIZE": (1, ()),
    "REDUCE_MAX": (2, (_over_pictures,)),
    "REDUCE_MIN": (2, (_over_pictures,)),
    "RELU": (2, ()),
    "RELU6": (2, ()),
    "RELU_N1_TO_1": (1, ()),
    "RESHAPE": (1, ()),
    "RESIZE_BILINEAR": (2, (_half_pixels,)),
    "RESIZE_NEAREST_NEIGHBOR": (2, (_half_pixels,)),
    "RSQRT": (2, ()),
    "SLICE": (2, ()),
    "SOFTMAX": (2, (_long_softmax,)),
    "SPACE_TO_DEPTH": (2, ()),
    "SPLIT": (2, (_split_pictures,)),
    "SQUARED_DIFFERENCE": (2, ()),
    "SQUEEZE": (1, ()),
    "STRIDED_SLICE": (2, (_strided_slice,)),
    "SUB": (2, ()),
    "SUM": (2, (_over_pictures,)),
    "TANH": (2, ()),
    "TRANSPOSE": (2, ()),
    "TRANSPOSE_CONV": (3, ()),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (1, ()),
}
"""Each operation's newest version that is taken, and what else can be wrong with it."""
