"""The daemon's configuration, as it is, and as it would be with another rollout, or without any."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from facemask_edge.config import Config, RolloutConfig
from facemask_edge.config_file import load_config, validated
from facemask_edge.config_layers import merged, read_layers
from facemask_edge.errors import ConfigError, ModelError
from facemask_edge.manifest import find_model
from facemask_edge.overrides import read_overrides
from facemask_edge.rollouts.shelf import Shelf, link_in

NEEDED = "device", "rollout"
"""Sections that say which rollouts a device gets, and from where."""


def settings(config_file: Path) -> Config:
    """The daemon's configuration; where it is wrong, that without a rollout, which may be why.

    Where that is wrong, too, as much of it as says where rollouts are: one may mend it.

    Raises:
        ConfigError: No rollout was ever used, or not even that can be read.
    """
    link = link_in(config_file)
    try:
        return load_config(config_file)
    except ConfigError:
        if not link.is_symlink():
            raise
    try:
        return _read(config_file, {link: None})
    except ConfigError:
        values = merged(read_layers(config_file, {link: None}))
        try:
            return Config.model_validate({key: values[key] for key in NEEDED if key in values})
        except ValidationError:
            pass
        raise


def section(config_file: Path, shelf: Shelf, rollout: str | None) -> RolloutConfig | None:
    """What is said about rollouts with one in use, or none; None where it cannot be read."""
    try:
        return _read(config_file, {link_in(config_file): None if rollout is None else shelf.place(rollout)}).rollout
    except ConfigError:
        return None


def fault(config_file: Path, shelf: Shelf, rollout: str | None, *, is_to_be_tried: bool = False) -> str | None:
    """What cannot be used on this device with a rollout, or without any; None where all can.

    Args:
        config_file: That of the daemon.
        shelf: Where the rollout lies.
        rollout: Its name; None for none.
        is_to_be_tried: Whether the next one has to be found, too; not of one that has proved itself, and whose owner
            wants no other.
    """
    try:
        config = _ensure_usable(config_file, shelf, rollout)
        if is_to_be_tried:
            _ensure_others_can_be_found(config, shelf)
    except (ConfigError, ModelError) as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


def _ensure_usable(config_file: Path, shelf: Shelf, rollout: str | None) -> Config:
    link = link_in(config_file)
    staged = None if rollout is None else shelf.place(rollout)
    if staged is not None and not staged.is_dir():
        raise ConfigError(f"{staged} is missing")
    config = _read(config_file, {link: staged})
    for model in map(Path, _models(config)):
        if not model.is_relative_to(link):
            find_model(str(model))
        elif staged is not None:
            # There, it may not be yet.
            find_model(str(staged / model.relative_to(link)))
        else:
            raise ModelError(f"model {model} is a rollout's")
    return config


def _ensure_others_can_be_found(config: Config, shelf: Shelf) -> None:
    if config.rollout.path != shelf.folder:
        raise ConfigError("rollout.path would be another one, and the next rollout not be found")
    if is_told_to_take_none(config.rollout):
        raise ConfigError("rollout.url would be null, and the next rollout not be taken")


def is_told_to_take_none(config: RolloutConfig) -> bool:
    """Whether somebody wants no rollouts; where nobody says anything, what said it may be lost."""
    return config.url is None and "url" in config.model_fields_set


def _read(config_file: Path, instead: Mapping[Path, Path | None]) -> Config:
    """As ``load_config``, with other folders in the place of some."""
    return validated(read_layers(config_file, instead), read_overrides((), os.environ))


def _models(config: Config) -> Iterator[str]:
    yield config.classifier.model
    if config.detector.model is not None:
        yield config.detector.model
