"""``manifest.json``: what stands beside the model files, and the check of a file before it is loaded.

A truncated model makes a TFLite runtime crash, take all memory or, worse, run; so no model is loaded whose SHA-256
is not the one in the manifest of its folder.
"""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facemask_edge.errors import ModelError

MANIFEST = "manifest.json"
LARGEST_MANIFEST = 10_000_000
"""Bytes."""


class ModelInput(BaseModel):
    """The picture a model takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    channels: Literal["BGR", "RGB"]


class Quantization(BaseModel):
    """How a model's input relates to the picture: value = scale * (int8 - zero_point)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["int8"]
    scale: float
    zero_point: int
    calibration: str
    """The pictures the ranges were taken from."""


class ModelEntry(BaseModel):
    """One model file and what is known of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    input: ModelInput
    labels: list[str] = []
    quantization: Quantization | None = None
    training_data: list[str] = []
    figures: dict[str, Any] = {}
    licence: str
    command: str
    """How the file was made."""
    recipe: dict[str, dict[str, str]] = {}
    """What it was made of: SHA-256 sums of the inputs, versions of the tools."""


class Manifest(BaseModel):
    """All models of a folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: list[ModelEntry]

    def replaced(self, entry: ModelEntry) -> "Manifest":
        """A manifest with ``entry`` in the place of the one of the same file."""
        others = [model for model in self.models if model.file != entry.file]
        return Manifest(models=sorted([*others, entry], key=lambda model: model.file))


def packaged_models() -> Path:
    """The folder of the models that come with this package: in the wheel, or beside the package in a checkout."""
    package = Path(__file__).parent
    inside = package / "models"
    return inside if inside.is_dir() else package.parent / "models"


def read_manifest(folder: Path) -> Manifest:
    """Read ``folder``'s manifest.

    Raises:
        ModelError: The manifest is missing or malformed.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_MANIFEST + 1)
        if len(content) > LARGEST_MANIFEST:
            raise ModelError(f"{path}: larger than {LARGEST_MANIFEST // 1_000_000} MB, this is no manifest")
        return Manifest.model_validate_json(content)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; a model needs the manifest that convert-model writes") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: {where}: {first['msg']}; write it again with convert-model") from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_path(name: str) -> Path:
    """Where a model of this name lies: a file name is that of a packaged model, anything else a path."""
    return Path(name) if "/" in name else packaged_models() / name


def find_model(name: str) -> tuple[Path, ModelEntry]:
    """Find a model and check that its file is whole.

    Args:
        name: A file name in the packaged models, or the path of a file that has a ``manifest.json`` beside it.

    Raises:
        ModelError: The file or its manifest entry is missing, or its SHA-256 is another.
    """
    path = model_path(name)
    try:
        found = path.is_file()
    except OSError as error:
        raise ModelError(f"model {path}: {error.strerror}") from error
    if not found:
        raise ModelError(f"model {path} does not exist; name one of {packaged_models()} or give a path")
    entry = next((model for model in read_manifest(path.parent).models if model.file == path.name), None)
    if entry is None:
        raise ModelError(f"model {path} is not listed in {path.parent / MANIFEST}; make it with convert-model")
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ModelError(f"model {path}: {error.strerror}") from error
    if digest != entry.sha256:
        raise ModelError(
            f"model {path} is damaged or was changed: its SHA-256 is {digest[:12]}…, "
            f"the manifest says {entry.sha256[:12]}…; copy or convert it again"
        )
    return path, entry
