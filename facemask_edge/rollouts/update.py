"""Looks for a newer rollout, has it prove itself, and goes back to the one before where it does not."""

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from facemask_edge.config import Config
from facemask_edge.config_file import load_config, validated
from facemask_edge.config_layers import read_layers
from facemask_edge.edge_tpu_deaths import deaths_file
from facemask_edge.errors import ConfigError, ModelError, OutputError, ServiceError
from facemask_edge.manifest import find_model
from facemask_edge.overrides import read_overrides
from facemask_edge.rollouts.fetch import look, offered
from facemask_edge.rollouts.shelf import Refusal, Shelf, State, Trial, link_in
from facemask_edge.rollouts.trial import ServiceLike, StoppedError, proves_itself, settled

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
        RefusedRolloutError: The rollout does not prove itself; it is not tried again until it has another number.
        ServiceError: The server cannot be reached, what it offers is not to be trusted, or what worked before the
            trial works no more without the rollout either.
        OutputError: It cannot be kept.
    """
    config = _settings(config_file)
    shelf = Shelf(config.rollout.path)
    with shelf.alone():
        try:
            _Update(config_file, shelf, service).run(config)
        except OSError as error:
            raise OutputError(f"{error.filename or shelf.folder}: {error.strerror or error}") from error


def settle(config_file: Path) -> None:
    """Let the daemon begin with what has proved itself, where a trial was cut off; ``update`` goes on with that.

    Otherwise a rollout that the computer goes down with would be started again at each boot.

    Args:
        config_file: That of the daemon.

    Raises:
        ConfigError: The configuration is wrong.
        OutputError: The link cannot be replaced.
    """
    shelf = Shelf(_settings(config_file).rollout.path)
    with shelf.alone():
        if shelf.trial is not None:
            shelf.use(shelf.state.good)


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


class _Update:
    """One look for a newer rollout."""

    def __init__(self, config_file: Path, shelf: Shelf, service: ServiceLike) -> None:
        self._config_file = config_file
        self._shelf = shelf
        self._service = service

    def run(self, config: Config) -> None:
        """All of it."""
        shelf = self._shelf
        if self._service.is_stopped():
            logger.info("somebody has stopped the daemon, so nothing is tried")
            return
        shelf.tidy()
        trial = shelf.trial
        if trial is not None and trial.rollout != shelf.state.good and shelf.has(trial.rollout):
            logger.info("the trial of rollout %s was cut off", shelf.number(trial.rollout))
            self._try_out(trial.model_copy(update={"attempts": trial.attempts + 1}))
            return
        shelf.trial = None
        if config.rollout.url is None:
            raise ConfigError("rollout.url is not set: nobody says where rollouts are, see docs/fleet.md")
        current = self._sound_one()
        offer = offered(config.rollout, config.device_name, shelf)
        state = shelf.state
        numbered = state.versions | {offer.name: offer.version}
        # What is in use and was never proved is what a trial that was lost has left.
        if offer.name == current and current == (state.good or current):
            logger.info("rollout %d has nothing new for this device", offer.version)
            shelf.state = State(good=state.good or current, versions=numbered)
        elif state.refused and (state.refused.rollout, state.refused.version) == (offer.name, offer.version):
            logger.warning("rollout %d was refused before, and waits for a newer one", offer.version)
        else:
            offer.take(shelf)
            shelf.state = state.model_copy(update={"good": state.good or current, "versions": numbered})
            shelf.join(self._config_file)
            self._try_out(Trial(rollout=offer.name, before=settled(self._service)))

    def _sound_one(self) -> str | None:
        """The rollout in use; none where what is on the disk of it is damaged, and then it is out of use."""
        shelf, current = self._shelf, self._shelf.current
        if current is None:
            return None
        fault = self._fault(current)
        # Where it is the device's own fault, no other rollout mends it.
        if fault is None or (shelf.has(current) and self._fault(None)):
            return current
        logger.warning("rollout %s is damaged, and fetched again: %s", shelf.number(current), fault)
        shelf.use(None)
        state = shelf.state
        shelf.state = state.model_copy(update={"good": None if state.good == current else state.good})
        shelf.tidy()
        if self._service.deaths() is None:
            # Until it is back, the daemon does with less.
            self._service.restart()
        return None

    def _try_out(self, trial: Trial) -> None:
        shelf, number = self._shelf, self._shelf.number(trial.rollout)
        logger.info("rollout %s is on trial", number)
        former = shelf.state.good
        try:
            reason = self._reason_against(trial)
            if reason is None:
                shelf.state = shelf.state.model_copy(update={"good": trial.rollout, "refused": None})
                shelf.trial = None
                shelf.tidy()
                logger.info("rollout %s has proved itself", number)
                return
            has_changed = shelf.current != former
            if has_changed:
                shelf.use(former)
            # A trial that was cut off may have been so after going back, and before a start.
            without = self._proved(trial) if has_changed or trial.attempts > 1 else None
        except StoppedError:
            shelf.use(former)
            shelf.trial = None
            logger.info("somebody has stopped the daemon, so rollout %s is tried again when it runs", number)
            return
        shelf.trial = None
        if without is not None:
            raise ServiceError(f"rollout {number} is tried again later: {reason}; without it: {without}")
        refused = Refusal(rollout=trial.rollout, version=shelf.state.versions.get(trial.rollout, 0), reason=reason)
        shelf.state = shelf.state.model_copy(update={"refused": refused})
        shelf.tidy()
        raise RefusedRolloutError(f"rollout {number} is refused, and the one before used: {reason}")

    def _reason_against(self, trial: Trial) -> str | None:
        """Why a rollout does not prove itself; None where it does, and is in use."""
        if trial.attempts > MOST_ATTEMPTS:
            return f"its trial was cut off {MOST_ATTEMPTS} times: this computer may go down with it"
        fault = self._fault(trial.rollout)
        if fault is None:
            self._shelf.trial = trial
            self._shelf.use(trial.rollout)
            return self._proved(trial)
        if own := self._fault(None):
            self._shelf.use(self._shelf.state.good)
            self._shelf.trial = None
            raise ConfigError(f"no rollout can be tried: {own}")
        return fault

    def _proved(self, trial: Trial) -> str | None:
        """Start the daemon with what is in use; why it is not as well as before the trial, or None."""
        config = load_config(self._config_file)
        return proves_itself(
            self._service,
            trial.before,
            lambda: look(config.rollout, self._shelf.metadata),
            probation=config.rollout.probation,
            has_edge_tpu_deaths=deaths_file(config.outbox.path).exists,
        )

    def _fault(self, rollout: str | None) -> str | None:
        """What cannot be used on this device with a rollout, or without any; None where all can."""
        link = link_in(self._config_file)
        staged = link / "nothing" if rollout is None else self._shelf.place(rollout)
        if rollout is not None and not self._shelf.has(rollout):
            return f"{staged} is missing"
        try:
            config = _read(self._config_file, {link: staged})
            if rollout is not None and config.rollout.path != self._shelf.folder:
                return "rollout.path would be another one, and the next rollout not be found"
            for model in _models(config):
                path = Path(model)
                # There, it may not be yet.
                find_model(str(staged / path.relative_to(link)) if path.is_relative_to(link) else model)
        except (ConfigError, ModelError) as error:
            return str(error)
        return None


def _models(config: Config) -> Iterator[str]:
    yield config.classifier.model
    if config.detector.model is not None:
        yield config.detector.model
