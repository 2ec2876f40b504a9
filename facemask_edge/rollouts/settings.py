"""The daemon's configuration, as it is, and as it would be with another rollout, or without any."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from facemask_edge.config import Config
from facemask_edge.config_file import load_config, validated
from facemask_edge.config_layers import read_layers
from facemask_edge.errors import ConfigError, ModelError
from facemask_edge.manifest import find_model
from facemask_edge.overrides import read_overrides
from facemask_edge.rollouts.shelf import Shelf, link_in


def settings(config_file: Path) -> Config:
    """The daemon's configuration; where it is wrong, that without a rollout, which may be why.

    Raises:
        ConfigError: That is wrong, too.
    """
    try:
        return load_config(config_file)
    except ConfigError:
        link = link_in(config_file)
        if not link.is_symlink():
            raise
        return _read(config_file, {link: None})


def fault(config_file: Path, shelf: Shelf, rollout: str | None) -> str | None:
    """What cannot be used on this device with a rollout, or without any; None where all can."""
    link = link_in(config_file)
    staged = None if rollout is None else shelf.place(rollout)
    try:
        if staged is not None and not staged.is_dir():
            return f"{staged} is missing"
        config = _read(config_file, {link: staged})
        if staged is not None and config.rollout.path != shelf.folder:
            return "rollout.path would be another one, and the next rollout not be found"
        for model in map(Path, _models(config)):
            if not model.is_relative_to(link):
                find_model(str(model))
            elif staged is not None:
                # There, it may not be yet.
                find_model(str(staged / model.relative_to(link)))
            else:
                return f"model {model} is a rollout's"
    except (ConfigError, ModelError) as error:
        return str(error)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    return None


def _read(config_file: Path, instead: Mapping[Path, Path | None]) -> Config:
    """As ``load_config``, with other folders in the place of some."""
    return validated(read_layers(config_file, instead), read_overrides((), os.environ))


def _models(config: Config) -> Iterator[str]:
    yield config.classifier.model
    if config.detector.model is not None:
        yield config.detector.model
