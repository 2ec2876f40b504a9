"""What is known of a trained model besides its weights.

Above all which output is which label: a wrong order judges everybody the wrong way round.
"""

from collections.abc import Sequence
from pathlib import Path

from converter.classifier_data import LABELS
from facemask_edge.errors import ModelError
from facemask_edge.manifest import MANIFEST, ModelEntry, read_manifest, sha256_of


def files_of(model: Path) -> list[Path]:
    """All files that a saved model consists of, in a fixed order."""
    return sorted(file for file in model.rglob("*") if file.is_file()) if model.is_dir() else [model]


def entry_of(model: Path) -> ModelEntry | None:
    """What the manifest beside a model says of it; None where it says nothing of these very bytes.

    Raises:
        ModelError: The manifest cannot be read.
    """
    # An entry of another SHA-256 speaks of another training.
    if model.is_dir() or not (model.parent / MANIFEST).exists():
        return None
    digest = sha256_of(model)
    entries = read_manifest(model.parent).models
    return next((entry for entry in entries if entry.file == model.name and entry.sha256 == digest), None)


def label_order(model: Path, known: ModelEntry | None, labels: Sequence[str] | None) -> list[str]:
    """The labels of a model's outputs, in their order.

    Args:
        model: For the error.
        known: What a manifest says of it.
        labels: What its user says; None: nothing.

    Raises:
        ModelError: Nobody says it, or it is no mask classifier.
    """
    order = list(labels) if labels is not None else known.labels if known else None
    if order is None:
        raise ModelError(
            f"model {model} has no entry with its SHA-256 in a {MANIFEST} beside it, so the order of its labels is "
            "unknown; give it with --labels mask,no_mask"
        )
    if sorted(order) != sorted(LABELS):
        raise ModelError(f"the labels of {model} are {', '.join(order)}; a classifier has mask and no_mask")
    return order
