"""Looks for a newer release, has it prove itself, and goes back to the one before where it does not."""

import logging
from collections.abc import Iterator
from pathlib import Path

from facemask_edge.config import Config
from facemask_edge.config_file import load_config, validated
from facemask_edge.config_layers import read_layers
from facemask_edge.errors import ConfigError, ModelError
from facemask_edge.manifest import find_model
from facemask_edge.releases.fetch import fetch
from facemask_edge.releases.shelf import Refusal, Shelf, Trial, link_in
from facemask_edge.releases.trial import ServiceLike, proves_itself, standing

MOST_ATTEMPTS = 2
"""Of one release, each cut off: it may be why this computer went down."""
logger = logging.getLogger(__name__)


class RefusedReleaseError(ConfigError):
    """A release that does not prove itself; the one before is in use."""


def update(config_file: Path, service: ServiceLike) -> None:
    """Take the newest release, if there is one.

    Args:
        config_file: That of the daemon.
        service: The daemon.

    Raises:
        ConfigError: The configuration names no address, or is wrong.
        RefusedReleaseError: The release does not prove itself; it is not tried again.
        ServiceError: The server cannot be reached, or what it offers is not to be trusted.
        OutputError: It cannot be kept.
    """
    config = load_config(config_file)
    shelf = Shelf(config.releases.path)
    with shelf.alone():
        if trial := shelf.state.trial:
            logger.info("the trial of release %s was cut off", shelf.number(trial.release))
            _try_out(shelf, trial.model_copy(update={"attempts": trial.attempts + 1}), config_file, service)
            return
        if config.releases.url is None:
            raise ConfigError("releases.url is not set: nobody says where releases are, see docs/fleet.md")
        release = fetch(config.releases, config.device_name, shelf)
        state = shelf.state
        shelf.state = state = state.model_copy(update={"versions": state.versions | {release.name: release.version}})
        if release.name == shelf.current:
            logger.info("release %d has nothing new for this device", release.version)
        elif state.refused and state.refused.release == release.name:
            logger.warning("release %d was refused before, and waits for a newer one", release.version)
        else:
            shelf.join(config_file)
            _try_out(shelf, Trial(release=release.name, before=standing(service)), config_file, service)


def _try_out(shelf: Shelf, trial: Trial, config_file: Path, service: ServiceLike) -> None:
    logger.info("release %s is on trial", shelf.number(trial.release))
    state = shelf.state = shelf.state.model_copy(update={"trial": trial})
    former = state.good
    reason = _fault(shelf, trial, config_file)
    if reason is None:
        shelf.use(trial.release)
        config = load_config(config_file)

        def still_updates() -> None:
            fetch(config.releases, config.device_name, shelf)

        reason = proves_itself(
            service,
            trial.before,
            still_updates,
            probation=config.releases.probation,
            has_edge_tpu_deaths=_edge_tpu_deaths(config).exists,
        )
    if reason is None:
        shelf.state = shelf.state.model_copy(update={"good": trial.release, "trial": None, "refused": None})
        logger.info("release %s has proved itself", shelf.number(trial.release))
        shelf.tidy()
        return
    has_changed = shelf.current == trial.release
    if has_changed:
        shelf.use(former)
    refused = Refusal(release=trial.release, reason=reason)
    shelf.state = shelf.state.model_copy(update={"trial": None, "refused": refused})
    shelf.tidy()
    if has_changed and not service.restart():
        reason = f"{reason}; with what was there before the daemon does not start either"
    raise RefusedReleaseError(f"release {shelf.number(trial.release)} is refused, and the one before used: {reason}")


def _fault(shelf: Shelf, trial: Trial, config_file: Path) -> str | None:
    """Why it need not even be tried."""
    if trial.attempts > MOST_ATTEMPTS:
        return f"its trial was cut off {MOST_ATTEMPTS} times: this computer may go down with it"
    link, staged = link_in(config_file), shelf.place(trial.release)
    try:
        config = validated(read_layers(config_file, {link: staged}))
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
