"""What a converted model must prove before it is written: it is what the device wants, and judges like its original."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from converter.edgetpu_operations import mapped_operations
from converter.figures import in_words, share
from converter.metrics import Probabilities, Truth, judged_labels
from converter.tflite_file import Tensor, TfliteFile
from facemask_edge.errors import ModelError

ENOUGH_FACES = 100
"""Faces below which these two say nothing: of fewer, one face is more than the limits."""
FEW_RIGHT = 0.9
"""Share judged rightly by the float model below which something is likely wrong with how it was saved or named."""
HINT = (
    "calibrate with more pictures, or with pictures more like those of the site; train with train-model, whose upper "
    "layers learn from int8 features; or accept it as it is with {option}"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far int8 may be from float, as shares of the held-out faces."""

    least_agreement: float = 0.99
    """Of both, on the label."""
    largest_drop: float = 0.01
    """Of those judged rightly, from float to int8."""


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that was wanted, and what was found."""

    name: str
    wanted: str
    found: str
    passed: bool | None
    """None when it could not be found out."""
    hint: str
    """What to do when it does not pass."""


def structure_gates(file: TfliteFile, *, scale: float, zero_point: int, edgetpu: bool) -> list[Gate]:
    """What the file itself must be.

    Args:
        file: The int8 model.
        scale: Of the input, as the device quantizes its pictures.
        zero_point: Likewise.
        edgetpu: Whether all of it must run on an Edge TPU.
    """
    graph = file.main
    numbers = sorted({tensor.dtype for tensor in _worked_on(graph.tensors)})
    (picture,) = (graph.tensors[place] for place in graph.inputs)
    dense = [graph.given(operation)[1] for operation in graph.operations if operation.name == "FULLY_CONNECTED"]
    scales = [len(weights.scales) for weights in dense]
    gates = [
        Gate(
            "numbers between the operations",
            "int8",
            ", ".join(numbers),
            numbers == ["int8"],
            "an operation that TensorFlow cannot quantize is in the network; see convert-model --check",
        ),
        Gate(
            "quantization of the input",
            f"scale {scale:.6f}, zero point {zero_point}",
            f"scale {picture.scales[0]:.6f}, zero point {picture.zero_points[0]}" if picture.scales else "none",
            bool(picture.scales)
            and bool(np.isclose(picture.scales[0], scale, rtol=1e-3))
            and picture.zero_points[0] == zero_point,
            "the network must take pictures of -1 to 1, and the calibration pictures must hold black and white",
        ),
        Gate(
            "scales of each dense layer's weights",
            "1",
            ", ".join(map(str, scales)) or "no dense layer",
            all(count == 1 for count in scales),
            "TensorFlow quantized them per channel, which the Edge TPU compiler refuses; install TensorFlow 2.21",
        ),
    ]
    if edgetpu:
        left = [one for one in mapped_operations(file) if one.reason]
        reasons = dict.fromkeys(f"{one.operation.name}: {one.reason}" for one in left)
        total = len(graph.operations)
        gates.append(
            Gate(
                "operations that run on an Edge TPU",
                f"all {total}",
                f"{total - len(left)}" + (f" ({'; '.join(reasons)})" if reasons else ""),
                not left,
                "change the network, or leave out --edgetpu",
            )
        )
    return gates


def judgement_gates(
    truth: Truth, by_int8: Probabilities, by_float: Probabilities, *, unseen: bool = True, limits: Limits = USUAL
) -> list[Gate]:
    """How the int8 model must judge faces.

    Args:
        truth: Each face's label.
        by_int8: What the device's code says of each.
        by_float: What the float model says.
        unseen: Whether no face was trained with, as far as is known.
        limits: How far the two may differ.
    """
    int8, float32 = judged_labels(by_int8), judged_labels(by_float)
    count = len(truth)
    enough = count >= ENOUGH_FACES
    same = share(int((int8 == float32).sum()), count)
    right = share(int((int8 == truth).sum()), count)
    # From whole faces: a difference of two shares is never exactly the limit.
    drop = int((float32 == truth).sum() - (int8 == truth).sum()) / max(count, 1)
    right_float = share(int((float32 == truth).sum()), count)
    few = "" if enough else f"; {count} are too few to prove anything"
    faces = "held-out faces" if unseen else "faces, whether trained with or not,"
    return [
        Gate(
            f"{faces} that float judges rightly",
            f"at least {FEW_RIGHT:.0%}, as a sign that the model is what it is taken for",
            in_words(right_float) + few,
            _plausible(right_float),
            "are the outputs in the order of --labels, and does the network take RGB pictures of -1 to 1?",
        ),
        Gate(
            f"{faces} that int8 judges like float",
            f"at least {limits.least_agreement:.2%}",
            in_words(same) + few,
            same["value"] >= limits.least_agreement if enough else None,
            HINT.format(option="--least-agreement"),
        ),
        Gate(
            "share judged rightly, from float to int8",
            f"at most {limits.largest_drop:.2%} less",
            f"{0.0 - drop:+.2%}, to {in_words(right)}" + few,
            drop <= limits.largest_drop if enough else None,
            HINT.format(option="--largest-drop"),
        ),
    ]


def _plausible(right: dict[str, Any]) -> bool | None:
    if right["value"] is None:
        return None
    # A model that is asked wrongly is at best right by chance.
    if right["interval_95"][1] < 0.5:  # noqa: PLR2004 - chance, of two labels
        return False
    return True if right["value"] >= FEW_RIGHT else None


def ensure_passed(gates: Iterable[Gate]) -> None:
    """Let nothing through that failed.

    Raises:
        ModelError: Says what, and what to do about it.
    """
    failed = [gate for gate in gates if gate.passed is False]
    if failed:
        reasons = "; ".join(f"{gate.name}: wanted {gate.wanted}, found {gate.found} ({gate.hint})" for gate in failed)
        raise ModelError(f"the converted model is not written, it does not prove itself: {reasons}")


def _worked_on(tensors: Sequence[Tensor]) -> list[Tensor]:
    # Constants of other types are biases, shapes and axes; of float, they are weights that were left.
    return [tensor for tensor in tensors if not tensor.constant or tensor.dtype.startswith("float")]
