"""Which pictures a classifier was only tested with: written by the training, read by conversion and evaluation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from converter.classifier_data import Split
from converter.recipes import Recipe
from facemask_edge.errors import ModelError, OutputError
from facemask_edge.manifest import find_model, sha256_of

SUFFIX = ".split.json"
TFLITE = ".tflite"


class SplitFile(BaseModel):
    """The test part of one training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    split: Literal["groups", "random"]
    seed: int
    test_part: float
    test: dict[str, list[str]]
    """For each data folder's name the pictures in it, as paths relative to it."""
    network: str | None = None
    """SHA-256 of the network that was trained; None in files of earlier versions."""

    @classmethod
    def of(cls, split: Split, data: Sequence[Path], recipe: Recipe, *, network: str) -> Self:
        """The test part of ``split``, whose pictures lie in the folders ``data``, for the network of this SHA-256."""
        test = {}
        for folder in data:
            inside = [picture.path for picture in split.test if picture.path.is_relative_to(folder)]
            if inside:
                test[folder.resolve().name] = sorted(path.relative_to(folder).as_posix() for path in inside)
        return cls(split=recipe.split, seed=recipe.split_seed, test_part=recipe.test_part, test=test, network=network)

    def test_pictures(self, folder: Path) -> set[Path]:
        """The pictures of a data folder that were only tested with; none where the folder was not trained with."""
        return {folder / name for name in self.test.get(folder.resolve().name, [])}

    def write(self, model: Path) -> None:
        """Write it beside a model file.

        Raises:
            OutputError: It cannot be written.
        """
        file = split_file_of(model)
        try:
            file.write_text(self.model_dump_json(indent=1) + "\n")
        except OSError as error:
            raise OutputError(f"{file} cannot be written: {error.strerror}") from error


def split_file_of(model: Path) -> Path:
    """Where a model's split file lies; the int8 file of a model shares that of the network it was converted from."""
    return model.with_name(model.stem.removesuffix("_edgetpu").removesuffix("_int8") + SUFFIX)


def read_split_file(model: Path) -> SplitFile | None:
    """The split file beside a model; None where there is none.

    Raises:
        ModelError: It is malformed, or of another training.
    """
    file = split_file_of(model)
    try:
        known = SplitFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ModelError(f"{file} cannot be used; write it again with train-model") from error
    made_of = networks_of(model)
    if known.network and made_of and known.network not in made_of:
        raise ModelError(
            f"{file} is of another training than {model.name}: convert the newer network with convert-model, or copy "
            "the file that was written beside this one's"
        )
    return known


def networks_of(model: Path) -> set[str]:
    """SHA-256 of a network, or of all that a converted model was made of; nothing where that is not known."""
    if not model.is_file():
        return set()
    if model.suffix != TFLITE:
        return {sha256_of(model)}
    _, entry = find_model(str(model.absolute()))
    return set(entry.recipe.get("inputs", {}).values())
