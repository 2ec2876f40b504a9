"""A training that can be interrupted: after each epoch its state is kept in a folder, from which it goes on."""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.tensorflow_quietly import keras
from facemask_edge.errors import InputError, OutputError
from facemask_edge.manifest import sha256_of

Weights = list[NDArray[np.float32]]


@dataclass
class Progress:
    """How far a training has come."""

    history: list[dict[str, Any]] = field(default_factory=list)
    """One entry an epoch."""
    best: int = -1
    """The epoch that is kept, counted from 0; -1 before the first."""
    best_figures: dict[str, Any] = field(default_factory=dict)
    """Its loss and accuracy on the held-out part."""
    best_averaged: int = 1
    """Epochs, with the one that is kept as the last, of which it is the mean."""
    best_weights: Weights = field(default_factory=list)
    averaged: int = 0
    """Epochs whose weights were averaged."""
    mean_weights: Weights = field(default_factory=list)

    def keep(self, figures: dict[str, Any], weights: Weights, averaged: int = 1) -> None:
        """Call these weights, of the last epoch or averaged with it, the best ones."""
        self.best, self.best_averaged = len(self.history) - 1, averaged
        self.best_figures, self.best_weights = figures, weights

    def average(self, weights: Weights) -> None:
        """Take one epoch more into the mean."""
        self.averaged += 1
        part = np.float32(1 / self.averaged)
        before = self.mean_weights or weights
        self.mean_weights = [mean + (new - mean) * part for mean, new in zip(before, weights, strict=True)]


class TrainingState:
    """The folder that holds an unfinished training; ``discard`` it when the training is done.

    Args:
        folder: Made when missing.
        identity: Names recipe and pictures, see ``identity_of``. Each has a file of its own: trying another recipe
            does not cost the training that was interrupted.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._file = folder / f"{identity[:16]}.npz"
        self._identity = identity
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, model: keras.Model, progress: Progress) -> None:
        """Keep weights, optimizer and progress; an interrupted save leaves the one before.

        Raises:
            OutputError: They cannot be written.
        """
        arrays = {f"current_{number}": variable.numpy() for number, variable in enumerate(_variables(model))}
        arrays |= {f"best_{number}": weights for number, weights in enumerate(progress.best_weights)}
        arrays |= {f"mean_{number}": weights for number, weights in enumerate(progress.mean_weights)}
        told = {
            "identity": self._identity,
            "history": progress.history,
            "best": progress.best,
            "best_figures": progress.best_figures,
            "best_averaged": progress.best_averaged,
            "averaged": progress.averaged,
        }
        temporary = self._file.with_suffix(".part")
        try:
            with temporary.open("wb") as file:
                np.savez(file, told=json.dumps(told), **arrays)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file)
        except OSError as error:
            raise OutputError(f"{self._file} cannot be written: {error.strerror}") from error

    def restore(self, model: keras.Model) -> Progress:
        """Give a compiled model the kept weights and optimizer; without a kept state of this training, nothing."""
        try:
            with np.load(self._file, allow_pickle=False) as kept:
                told = json.loads(str(kept["told"]))
                if told["identity"] != self._identity:
                    return Progress()
                model.optimizer.build(model.trainable_variables)
                variables = _variables(model)
                # All is read before anything is assigned: a broken file must not leave half of it in the model.
                current = [kept[f"current_{number}"] for number in range(len(variables))]
                count = len(model.weights)
                progress = Progress(
                    history=told["history"],
                    best=told["best"],
                    best_figures=told["best_figures"],
                    best_averaged=told["best_averaged"],
                    best_weights=[kept[f"best_{number}"] for number in range(count) if told["best"] >= 0],
                    averaged=told["averaged"],
                    mean_weights=[kept[f"mean_{number}"] for number in range(count) if told["averaged"]],
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return Progress()
        for variable, value in zip(variables, current, strict=True):
            variable.assign(value)
        return progress

    def discard(self) -> None:
        """Delete what was kept of this training, and the folder when it holds nothing of another one."""
        self._file.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.parent.rmdir()


def opened_state(folder: Path, identity: str) -> TrainingState:
    """A training's folder, made when missing.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        return TrainingState(folder, identity)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}") from error


class Described(Protocol):
    """A picture that is trained with, or that judges what was trained."""

    @property
    def path(self) -> Path:
        """Its file."""

    def described(self) -> str:
        """Name and faces in one line."""


def identity_of(plan: Any, pictures: Iterable[Described], files: Iterable[Path] = ()) -> str:  # noqa: ANN401 - any dataclass
    """One text for the same plan on the same pictures: what their files hold counts, too.

    Args:
        plan: A dataclass: what decides the training.
        pictures: What is learnt from, and what chooses what is kept.
        files: What else decides the training: initial weights, other models.

    Raises:
        InputError: A file cannot be read.
    """
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode())
    try:
        for picture in pictures:
            digest.update(f"{sha256_of(picture.path)} {picture.described()}\n".encode())
        for file in files:
            digest.update(f"{sha256_of(file)}\n".encode())
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def _variables(model: keras.Model) -> list[Any]:
    # Not only the weights: a dropout's random state too, or a resumed epoch would drop what the first one did.
    return [*model.variables, *model.optimizer.variables]
