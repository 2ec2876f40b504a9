"""Looks for a newer rollout, has it prove itself, and goes back to the one before where it does not."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from facemask_edge.config import Config
from facemask_edge.config_file import load_config, validated
from facemask_edge.config_layers import read_layers
from facemask_edge.edge_tpu_deaths import deaths_file
from facemask_edge.errors import ConfigError, ModelError, OutputError, ServiceError
from facemask_edge.manifest import find_model
from facemask_edge.overrides import read_overrides
from facemask_edge.rollouts.fetch import Offer, look, offered
from facemask_edge.rollouts.last_server import remember, remembered
from facemask_edge.rollouts.shelf import Postponement, Refusal, Shelf, State, Trial, link_in
from facemask_edge.rollouts.trial import ServiceLike, StoppedError, proves_itself, settled

MOST_ATTEMPTS = 2
"""Of one rollout, each cut off: it may be why this computer went down."""
TRIALS = 2
"""After which one is refused."""
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
        if self._has_put_back():
            config = _settings(self._config_file)
        proved = self._proved_one()
        damaged = None if proved is None or shelf.has(proved) else proved
        if damaged is not None:
            logger.warning("rollout %s is damaged, and fetched again", shelf.number(damaged))
        try:
            offer = self._taken(config, proved, is_damaged=damaged is not None)
        finally:
            if damaged is not None:
                self._do_without_damage(damaged)
        if offer is None or offer.name == proved:
            return
        shelf.join(self._config_file)
        self._try_out(Trial(rollout=offer.name, before=settled(self._service)))

    def _proved_one(self) -> str | None:
        """The rollout that has proved itself; where the state is lost, the one in use."""
        return self._shelf.state.good or self._shelf.current

    def _has_put_back(self) -> bool:
        """Let the daemon have what has proved itself, where the way to it is lost; whether it was.

        What is in use and was never proved is what a trial that was lost has left.
        """
        shelf, proved = self._shelf, self._proved_one()
        if proved is None or (shelf.current == proved and shelf.is_joined(self._config_file)) or not shelf.has(proved):
            return False
        logger.warning("rollout %s was out of use, for no known reason, and is used again", shelf.number(proved))
        shelf.use(proved)
        shelf.join(self._config_file)
        self._service.restart()
        return True

    def _taken(self, config: Config, proved: str | None, *, is_damaged: bool) -> Offer | None:
        """The newest rollout, which lies here now; None where it is the one in use, or is not to be tried now."""
        shelf = self._shelf
        offer = self._offered(config, is_sound=proved is not None and not is_damaged)
        state = shelf.state
        numbered = state.versions | {offer.name: offer.version}
        same = (offer.name, offer.version)
        if offer.name == proved and not is_damaged:
            logger.info("rollout %d has nothing new for this device", offer.version)
            shelf.state = State(good=proved, versions=numbered, digests=state.digests)
            remember(shelf, config.rollout, link_in(self._config_file))
            return None
        if state.refused and (state.refused.rollout, state.refused.version) == same:
            logger.warning("rollout %d was refused before, and waits for a newer one", offer.version)
            return None
        postponed = state.postponed
        if postponed and (postponed.rollout, postponed.version) == same and postponed.waits(time.time()):
            logger.info("rollout %d was postponed, and is not tried yet: %s", offer.version, postponed.reason)
            return None
        shelf.state = state.model_copy(update={"good": proved, "versions": numbered})
        offer.take(shelf)
        return offer

    def _offered(self, config: Config, *, is_sound: bool) -> Offer:
        """What the server offers; where no sound rollout says which one that is, the last one that was sound did."""
        if not is_sound:
            with remembered(self._shelf) as server:
                try:
                    if server is not None:
                        return offered(server, config.device_name, self._shelf)
                except (ConfigError, ServiceError) as error:
                    logger.warning("%s", error)
        if config.rollout.url is None:
            raise ConfigError("rollout.url is not set: nobody says where rollouts are, see docs/fleet.md")
        return offered(config.rollout, config.device_name, self._shelf)

    def _do_without_damage(self, damaged: str) -> None:
        """Let the daemon use it as it was fetched again; where it was not, and cannot be used as it is, none."""
        shelf = self._shelf
        if shelf.has(damaged):
            shelf.use(damaged)
            shelf.join(self._config_file)
            self._service.restart()
            logger.info("rollout %s is whole again", shelf.number(damaged))
        elif self._fault(damaged) is not None and self._fault(None) is None:
            shelf.use(None)
            shelf.state = shelf.state.model_copy(update={"good": None})
            shelf.tidy()
            if self._service.deaths() is None:
                self._service.restart()

    def _try_out(self, trial: Trial) -> None:
        shelf, number = self._shelf, self._shelf.number(trial.rollout)
        logger.info("rollout %s is on trial", number)
        former = shelf.state.good
        try:
            reason = self._reason_against_twice(trial, former)
        except StoppedError:
            shelf.use(former)
            shelf.trial = None
            logger.info("somebody has stopped the daemon, so rollout %s is tried again when it runs", number)
            return
        if reason is None:
            shelf.state = State(good=trial.rollout, versions=shelf.state.versions, digests=shelf.state.digests)
            shelf.trial = None
            remember(shelf, load_config(self._config_file).rollout, link_in(self._config_file))
            shelf.tidy()
            logger.info("rollout %s has proved itself", number)
            return
        shelf.trial = None
        version = shelf.state.versions.get(trial.rollout, 0)
        refused = Refusal(rollout=trial.rollout, version=version, reason=reason)
        shelf.state = shelf.state.model_copy(update={"refused": refused, "postponed": None})
        shelf.tidy()
        raise RefusedRolloutError(f"rollout {number} is refused, and the one before used: {reason}")

    def _reason_against_twice(self, trial: Trial, former: str | None) -> str | None:
        """Why a rollout does not prove itself, and the one before is in use; None where it does, and is in use.

        What comes back without it may have come back by chance, so it gets a second trial.

        Raises:
            ServiceError: What worked before does not come back without it, either.
        """
        for trials in range(1, TRIALS + 1):
            reason = self._reason_against(trial)
            if reason is None:
                return None
            was_tried = self._shelf.current != former
            if was_tried:
                self._shelf.use(former)
            # A trial that was cut off may have been so after going back, and before a start.
            without = self._proved(trial) if was_tried or trial.attempts > 1 else None
            if without is not None:
                self._postpone(trial, f"{reason}; without it: {without}")
            if not was_tried:
                break
            logger.info("rollout %s, trial %d: %s", self._shelf.number(trial.rollout), trials, reason)
        return reason

    def _postpone(self, trial: Trial, reason: str) -> NoReturn:
        shelf, former = self._shelf, self._shelf.state.postponed
        version = shelf.state.versions.get(trial.rollout, 0)
        is_again = former is not None and (former.rollout, former.version) == (trial.rollout, version)
        times = former.times + 1 if former is not None and is_again else 1
        postponed = Postponement(rollout=trial.rollout, version=version, reason=reason, times=times, at=time.time())
        shelf.state = shelf.state.model_copy(update={"postponed": postponed, "refused": None})
        shelf.trial = None
        raise ServiceError(f"rollout {shelf.number(trial.rollout)} is tried again later: {reason}")

    def _reason_against(self, trial: Trial) -> str | None:
        """Why a rollout does not prove itself; None where it does, and is in use."""
        if trial.attempts > MOST_ATTEMPTS:
            return f"its trial was cut off {MOST_ATTEMPTS} times: this computer may go down with it"
        fault = self._fault(trial.rollout)
        if fault is None:
            self._shelf.trial = trial
            self._shelf.use(trial.rollout)
            return self._proved(trial)
        former = self._shelf.state.good
        if own := self._fault(former if former is not None and self._shelf.has(former) else None):
            self._shelf.use(former)
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
        if rollout is not None and not staged.is_dir():
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
