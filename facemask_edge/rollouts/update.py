"""Looks for a newer rollout, has it prove itself, and goes back to the one before where it does not."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from facemask_edge.config import Config
from facemask_edge.config_file import load_config, validated
from facemask_edge.config_layers import read_layers
from facemask_edge.errors import ConfigError, ModelError, OutputError
from facemask_edge.manifest import find_model
from facemask_edge.overrides import read_overrides
from facemask_edge.rollouts.fetch import fetch, look
from facemask_edge.rollouts.shelf import Refusal, Shelf, Trial, link_in
from facemask_edge.rollouts.trial import ServiceLike, proves_itself, standing

MOST_ATTEMPTS = 2
"""Of one rollout, each cut off: it may be why this computer went down."""
logger = logging.getLogger(__name__)


class RefusedRolloutError(ConfigError):
    """A rollout that does not prove itself; the one before is in use."""


def update(config_file: Path, service: ServiceLike) -> None:
    """Take the newest rollout, if there is one.

    Args:
        config_file: That of the daemon.
        service: The daemon.

    Raises:
        ConfigError: The configuration names no address, or is wrong.
        RefusedRolloutError: The rollout does not prove itself; it is not tried again.
        ServiceError: The server cannot be reached, or what it offers is not to be trusted.
        OutputError: It cannot be kept.
    """
    config = _settings(config_file)
    shelf = Shelf(config.rollout.path)
    with shelf.alone():
        try:
            _update(config, config_file, shelf, service)
        except OSError as error:
            raise OutputError(f"{error.filename or config.rollout.path}: {error.strerror or error}") from error


def _update(config: Config, config_file: Path, shelf: Shelf, service: ServiceLike) -> None:
    if service.is_stopped():
        logger.info("somebody has stopped the daemon, so nothing is tried")
        return
    if trial := shelf.state.trial:
        logger.info("the trial of rollout %s was cut off", shelf.number(trial.rollout))
        _try_out(shelf, trial.model_copy(update={"attempts": trial.attempts + 1}), config_file, service)
        return
    if config.rollout.url is None:
        raise ConfigError("rollout.url is not set: nobody says where rollouts are, see docs/fleet.md")
    current = shelf.current
    if current is not None and (fault := _fault(shelf, current, config_file)):
        logger.warning("rollout %s is damaged, and fetched again: %s", shelf.number(current), fault)
        shelf.drop(current)
        current = None
    rollout = fetch(config.rollout, config.device_name, shelf)
    state = shelf.state
    shelf.state = state = state.model_copy(update={"versions": state.versions | {rollout.name: rollout.version}})
    if rollout.name == current:
        logger.info("rollout %d has nothing new for this device", rollout.version)
    elif state.refused and state.refused.rollout == rollout.name:
        logger.warning("rollout %d was refused before, and waits for a newer one", rollout.version)
    else:
        shelf.join(config_file)
        _try_out(shelf, Trial(rollout=rollout.name, before=standing(service)), config_file, service)


def _settings(config_file: Path) -> Config:
    """The daemon's configuration; where it is wrong, that without a rollout, which may be why."""
    try:
        return load_config(config_file)
    except ConfigError:
        link = link_in(config_file)
        if not link.is_symlink():
            raise
        return _read(config_file, {link: link / "nothing"})


def _read(config_file: Path, instead: Mapping[Path, Path]) -> Config:
    """As ``load_config``, with other folders in the place of some."""
    return validated(read_layers(config_file, instead), read_overrides((), os.environ))


def _try_out(shelf: Shelf, trial: Trial, config_file: Path, service: ServiceLike) -> None:
    logger.info("rollout %s is on trial", shelf.number(trial.rollout))
    state = shelf.state = shelf.state.model_copy(update={"trial": trial})
    former = state.good
    if trial.attempts > MOST_ATTEMPTS:
        reason: str | None = f"its trial was cut off {MOST_ATTEMPTS} times: this computer may go down with it"
    else:
        reason = _fault(shelf, trial.rollout, config_file)
    if reason is None:
        shelf.use(trial.rollout)
        config = load_config(config_file)

        reason = proves_itself(
            service,
            trial.before,
            lambda: look(config.rollout),
            probation=config.rollout.probation,
            has_edge_tpu_deaths=_edge_tpu_deaths(config).exists,
        )
    if reason is None:
        shelf.state = shelf.state.model_copy(update={"good": trial.rollout, "trial": None, "refused": None})
        logger.info("rollout %s has proved itself", shelf.number(trial.rollout))
        shelf.tidy()
        return
    has_changed = shelf.current == trial.rollout
    if has_changed:
        shelf.use(former)
    refused = Refusal(rollout=trial.rollout, reason=reason)
    shelf.state = shelf.state.model_copy(update={"trial": None, "refused": refused})
    shelf.tidy()
    if has_changed and not service.restart():
        reason = f"{reason}; with what was there before the daemon does not start either"
    raise RefusedRolloutError(f"rollout {shelf.number(trial.rollout)} is refused, and the one before used: {reason}")


def _fault(shelf: Shelf, rollout: str, config_file: Path) -> str | None:
    """What of a rollout cannot be used on this device, whether or not it is in use; None where all can."""
    link, staged = link_in(config_file), shelf.place(rollout)
    try:
        config = _read(config_file, {link: staged})
        for model in _models(config):
            path = Path(model)
            # There, it is not yet.
            find_model(str(staged / path.relative_to(link)) if path.is_relative_to(link) else model)
    except (ConfigError, ModelError) as error:
        return str(error)
    return None


def _models(config: Config) -> Iterator[str]:
    yield config.classifier.model
    if config.detector.model is not None:
        yield config.detector.model


def _edge_tpu_deaths(config: Config) -> Path:
    return config.outbox.path.with_name("edge-tpu-deaths")
