"""Looks for a newer rollout, and mends the one in use where the card has lost something of it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facemask_edge.config import Config, RolloutConfig
from facemask_edge.errors import ConfigError, OutputError, ServiceError
from facemask_edge.rollouts.fetch import Offer, offered
from facemask_edge.rollouts.last_server import remember, remembered
from facemask_edge.rollouts.settings import fault, settings
from facemask_edge.rollouts.shelf import Repairs, Shelf, Trial
from facemask_edge.rollouts.trial import ServiceLike, settled
from facemask_edge.rollouts.try_out import TryOut

logger = logging.getLogger(__name__)


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
    with _explained():
        config = settings(config_file)
        shelf = Shelf(config.rollout.path)
        with shelf.alone():
            _Update(config_file, shelf, service).run(config)


def settle(config_file: Path) -> None:
    """Let the daemon begin with what has proved itself, where a trial was cut off; ``update`` goes on with that.

    Otherwise a rollout that the computer goes down with would be started again at each boot.

    Args:
        config_file: That of the daemon.

    Raises:
        ConfigError: The configuration is wrong.
        OutputError: The link cannot be replaced.
    """
    with _explained():
        shelf = Shelf(settings(config_file).rollout.path)
        with shelf.alone():
            if shelf.is_in_trial:
                shelf.use(shelf.proved)


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{error.filename or 'the disk'}: {error.strerror or error}") from error


class _Update:
    """One look for a newer rollout."""

    def __init__(self, config_file: Path, shelf: Shelf, service: ServiceLike) -> None:
        self._config_file = config_file
        self._shelf = shelf
        self._service = service
        self._try_out = TryOut(config_file, shelf, service)

    def run(self, config: Config) -> None:
        """All of it."""
        shelf = self._shelf
        if self._service.is_stopped():
            logger.info("somebody has stopped the daemon, so nothing is tried")
            return
        shelf.tidy()
        trial = shelf.trial
        proved = shelf.proved
        if trial is not None and trial.rollout != proved and shelf.has(trial.rollout):
            logger.info("the trial of rollout %s was cut off", shelf.number(trial.rollout))
            self._try_out.run(trial.model_copy(update={"attempts": trial.attempts + 1}))
            return
        shelf.trial = None
        if self._has_put_back(proved):
            config = settings(self._config_file)
        damaged = proved if proved is not None and self._is_to_be_mended(proved) else None
        if damaged is not None:
            logger.warning("rollout %s is damaged on the disk", shelf.number(damaged))
        offer, newest = None, damaged
        try:
            newest, offer = self._taken(config, proved, is_damaged=damaged is not None)
        finally:
            if damaged is not None:
                self._mend(damaged, is_gone=newest != damaged)
        if offer is None or newest == proved:
            return
        shelf.join(self._config_file)
        self._try_out.run(Trial(rollout=offer.name, former=shelf.state.good, before=settled(self._service)))

    def _has_put_back(self, proved: str | None) -> bool:
        """Let the daemon have what has proved itself, where the way to it is lost; whether it was.

        What is in use and was never proved is what a trial that was lost has left.
        """
        shelf = self._shelf
        if shelf.current == proved and (proved is None or shelf.is_joined(self._config_file)):
            return False
        if proved is not None and not shelf.has(proved):
            return False
        logger.warning("another rollout was in use than the one that has proved itself, which is used again")
        self._use(proved)
        return True

    def _is_to_be_mended(self, proved: str) -> bool:
        shelf = self._shelf
        if shelf.has(proved):
            return False
        repairs = shelf.state.repairs
        # A card that forgets again and again is no reason to start a daemon that runs again and again.
        return repairs is None or not repairs.waits(time.time()) or self._fault(proved) is not None

    def _taken(self, config: Config, proved: str | None, *, is_damaged: bool) -> tuple[str, Offer | None]:
        """The newest rollout's name; and itself, which lies here now, where it is to be used or tried."""
        shelf = self._shelf
        offer = self._offered(config, is_sound=proved is not None and not is_damaged)
        state = shelf.state
        numbered = state.versions | {offer.name: offer.version}
        same = (offer.name, offer.version)
        if offer.name == proved and not is_damaged:
            logger.info("rollout %d has nothing new for this device", offer.version)
            shelf.state = state.model_copy(
                update={"good": proved, "versions": numbered, "refused": None, "postponed": None}
            )
            return offer.name, None
        refused, postponed = state.refused, state.postponed
        # Of a damaged one nobody knows what it is worth, so neither what another one was compared with it.
        if not is_damaged and refused and (refused.rollout, refused.version) == same:
            logger.warning("rollout %d was refused before, and waits for a newer one", offer.version)
            return offer.name, None
        is_postponed = not is_damaged and postponed and (postponed.rollout, postponed.version) == same
        if is_postponed and postponed and postponed.waits(time.time()):
            logger.info("rollout %d was postponed, and is not tried yet: %s", offer.version, postponed.reason)
            return offer.name, None
        shelf.state = state.model_copy(update={"good": proved, "versions": numbered})
        offer.take(shelf)
        return offer.name, offer

    def _offered(self, config: Config, *, is_sound: bool) -> Offer:
        """What the server offers; where nothing sound says which one that is, the last one that was asked does.

        Raises:
            ConfigError: Nobody says which one that is, or it cannot be asked as it is said.
            ServiceError: It is away, or not to be trusted.
        """
        own, device = config.rollout, config.device_name
        if own.url is None and "url" in own.model_fields_set:
            raise ConfigError("rollout.url is null: this device takes no rollouts")
        with remembered(self._shelf) as last:
            servers: list[RolloutConfig] = [server for server in (own, last) if server is not None and server.url]
            if not servers:
                raise ConfigError("rollout.url is not set: nobody says where rollouts are, see docs/fleet.md")
            first, *others = servers if is_sound else reversed(servers)
            try:
                offer = offered(first, device, self._shelf)
            except (ConfigError, ServiceError) as error:
                # A server that is only away is not asked for elsewhere.
                if not others or (is_sound and isinstance(error, ServiceError)):
                    raise
                logger.warning("%s", error)
                return offered(others[0], device, self._shelf)
        if is_sound and first is own:
            remember(self._shelf, own)
        return offer

    def _mend(self, damaged: str, *, is_gone: bool) -> None:
        """Let the daemon use it as it was fetched again; where it was not, as much of it as is left, or none.

        Args:
            damaged: The rollout that has proved itself.
            is_gone: The server has another one now, so this one cannot be had any more.
        """
        shelf = self._shelf
        number = shelf.number(damaged)
        if shelf.has(damaged):
            shelf.state = shelf.state.model_copy(update={"repairs": Repairs.after(shelf.state.repairs, time.time())})
            self._use(damaged)
            logger.info("rollout %s is whole again", number)
        elif self._fault(damaged) is not None and self._fault(None) is None:
            shelf.use(None)
            shelf.state = shelf.state.model_copy(update={"good": None})
            logger.warning("rollout %s cannot be used as it is, so none is", number)
            if self._service.deaths() is None:
                self._service.restart()
        else:
            if shelf.current != damaged:
                self._use(damaged)
            if is_gone:
                shelf.adopt(damaged)
                logger.warning("rollout %s cannot be had any more, and is used as it is", number)

    def _use(self, rollout: str | None) -> None:
        self._shelf.use(rollout)
        self._shelf.join(self._config_file)
        self._service.restart()

    def _fault(self, rollout: str | None) -> str | None:
        return fault(self._config_file, self._shelf, rollout)
