"""Looks for a newer rollout, and mends the one in use where the card has lost something of it."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facemask_edge.config import Config
from facemask_edge.errors import ConfigError, OutputError, ServiceError
from facemask_edge.rollouts.fetch import Offer, offered
from facemask_edge.rollouts.last_server import as_said, remember, remembered
from facemask_edge.rollouts.settings import fault, is_told_to_take_none, settings
from facemask_edge.rollouts.shelf import Repairs, Shelf, State, Trial
from facemask_edge.rollouts.trial import ServiceLike, settled, stays
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
            shelf.join(self._config_file)
            self._try_out.run(trial.model_copy(update={"attempts": trial.attempts + 1}))
            return
        shelf.trial = None
        if proved is None:
            proved = self._found_again()
        elif shelf.known_state is None:
            # The link may be lost next.
            shelf.state = State(good=proved)
        if proved is not None and proved in shelf.state.adopted and shelf.has(proved):
            # It can be read again.
            shelf.state = shelf.state.no_longer_adopted(proved).model_copy(update={"owes_restart": True})
        if self._has_put_back(proved) or self._has_restarted(proved):
            # What works is known once the daemon has run for a while.
            return
        damaged = None if proved is None or shelf.has(proved) else proved
        newest, offer, was_restarted = damaged, None, False
        try:
            newest, offer = self._taken(config, proved, damaged)
        finally:
            if damaged is not None:
                was_restarted = self._mend(damaged, is_gone=newest != damaged)
        if offer is None or newest == proved or was_restarted:
            return
        shelf.join(self._config_file)
        state, before = shelf.state, settled(self._service)
        if state.postponed is not None and state.postponed.is_of(offer.name, offer.version):
            before = before.either(state.postponed.remembered())
        self._try_out.run(Trial(rollout=offer.name, former=state.good, before=before))

    def _has_put_back(self, proved: str | None) -> bool:
        """Let the daemon have what has proved itself, where the way to it is lost; whether it was.

        What is in use and was never proved is what a trial that was lost has left.
        """
        shelf = self._shelf
        if shelf.current == proved and (proved is None or shelf.is_joined(self._config_file)):
            return False
        if proved is not None and not shelf.can_go_back_to(proved):
            return False
        logger.warning("another rollout was in use than the one that has proved itself, which is used again")
        self._use(proved)
        return True

    def _found_again(self) -> str | None:
        """The rollout that could not be read any more, and can."""
        shelf, now = self._shelf, time.time()
        state = shelf.state
        dropped = state.dropped
        if dropped is None or not shelf.has(dropped) or state.spares_the_daemon(now):
            return None
        repairs = Repairs.after(state.repairs, now)
        shelf.state = state.model_copy(update={"good": dropped, "dropped": None, "repairs": repairs})
        return dropped

    def _has_restarted(self, proved: str | None) -> bool:
        """Start a daemon that does not run though all is right, or does not know what is used; whether it runs now."""
        shelf, now = self._shelf, time.time()
        state = shelf.state
        if proved is not None and not shelf.has(proved):
            return False
        if self._service.deaths() is None:
            # What it ended for may be over. Where it is not, a newer rollout may be what helps.
            if fault(self._config_file, shelf, proved) is not None:
                return False
            logger.warning("the daemon does not run, though its configuration is right, and is started")
            self._restart()
            return self._has_come_back()
        if state.was_started:
            state = state.model_copy(update={"was_started": False})
            shelf.state = state
        if not state.owes_restart or state.spares_the_daemon(now):
            return False
        if state.repairs is not None:
            shelf.state = state.model_copy(update={"repairs": state.repairs.model_copy(update={"at": now})})
        self._restart()
        return True

    def _taken(self, config: Config, proved: str | None, damaged: str | None) -> tuple[str, Offer | None]:
        """The newest rollout's name; and itself, which lies here now, where it is to be used or tried."""
        shelf = self._shelf
        is_adopted = damaged is not None and shelf.has_adopted(damaged)
        offer = self._offered(config, proved, damaged, is_adopted=is_adopted)
        state = shelf.state
        known = {"good": proved, "versions": state.versions | {offer.name: offer.version}}
        if offer.name == proved and damaged is None:
            logger.info("rollout %d has nothing new for this device", offer.version)
            shelf.state = state.model_copy(update=known | {"refused": None, "postponed": None})
            return offer.name, None
        # Of one that is newly damaged nobody knows what it is worth, so neither what another was compared with it.
        is_known = damaged is None or is_adopted or state.spares_the_daemon(time.time())
        if offer.name != proved and is_known and _is_not_to_be_tried(offer, state):
            return offer.name, None
        # What it ran with may be something else than what lies here when this breaks off.
        owes = {"owes_restart": state.owes_restart or offer.name == damaged}
        shelf.state = state.model_copy(update=known | owes)
        offer.take(shelf)
        return offer.name, offer

    def _offered(self, config: Config, proved: str | None, damaged: str | None, *, is_adopted: bool) -> Offer:
        """What the server offers; where nothing sound says which one that is, the last one that was asked does.

        Raises:
            ConfigError: Nobody says which one that is, or it cannot be asked as it is said.
            ServiceError: It is away, or not to be trusted.
        """
        own, device = config.rollout, config.device_name
        if is_told_to_take_none(own):
            raise ConfigError("rollout.url is null: this device takes no rollouts")
        with remembered(self._shelf) as last:
            if damaged is not None and last is not None and own.site is None:
                # That may have been in what is damaged; another site's part would be tried.
                own = own.model_copy(update={"site": last.site})
            # What says it in a file that is newly damaged may be lost, or be that of the image.
            doubts_own = damaged is not None and not is_adopted
            first, *others = [own] if last is None else [last, own] if doubts_own else [own, last]
            try:
                offer = offered(first, device, self._shelf)
            except (ConfigError, ServiceError) as error:
                # One that is only away, and is the right one, is not asked for elsewhere.
                is_right = proved is not None and damaged is None
                if not others or (is_right and isinstance(error, ServiceError)):
                    raise
                logger.warning("%s", error)
                return offered(others[0], device, self._shelf)
        if first is own and proved is not None and damaged is None:
            remember(self._shelf, as_said(own))
        return offer

    def _mend(self, damaged: str, *, is_gone: bool) -> bool:
        """Let the daemon use it as it was fetched again; where it was not, as much of it as is left, or none.

        Args:
            damaged: The rollout that has proved itself.
            is_gone: The server has another one now, so this one cannot be had any more.

        Returns:
            Whether the daemon was started again.
        """
        shelf, number = self._shelf, self._shelf.number(damaged)
        if shelf.has(damaged):
            logger.warning("rollout %s was damaged on the disk, and is whole again", number)
            return self._use_mended(damaged)
        if fault(self._config_file, shelf, damaged) is not None and fault(self._config_file, shelf, None) is None:
            logger.warning("rollout %s is damaged on the disk, and cannot be used as it is, so none is", number)
            runs = self._service.deaths() is not None
            shelf.use(None)
            # What was refused was not compared with none.
            nothing = {"good": None, "dropped": damaged, "refused": None, "postponed": None, "owes_restart": not runs}
            shelf.state = shelf.state.model_copy(update=nothing)
            if not runs:
                self._restart()
            return not runs
        if not shelf.has_adopted(damaged):
            logger.warning("rollout %s is damaged on the disk, and used as it is", number)
            if is_gone:
                # As it is now is what it is to be, until it can be had again.
                state = shelf.state
                adopted = state.adopted | {damaged: shelf.digest(damaged)}
                repairs = Repairs.after(state.repairs, time.time())
                shelf.state = state.model_copy(update={"adopted": adopted, "repairs": repairs})
        if shelf.current != damaged or self._service.deaths() is None:
            self._use(damaged)
            return self._has_come_back()
        return False

    def _use_mended(self, rollout: str) -> bool:
        shelf, now = self._shelf, time.time()
        repairs = shelf.state.repairs
        is_used = shelf.current == rollout and self._service.deaths() is not None
        if repairs is not None and is_used and repairs.waits(now):
            # A card that forgets again and again is no reason to start a daemon that runs again and again.
            once_more = repairs.model_copy(update={"times": repairs.times + 1})
            shelf.state = shelf.state.model_copy(update={"repairs": once_more, "owes_restart": True})
            return False
        shelf.state = shelf.state.model_copy(update={"repairs": Repairs.after(repairs, now)})
        self._use(rollout)
        return self._has_come_back()

    def _use(self, rollout: str | None) -> None:
        shelf = self._shelf
        # Before: what breaks off here is made up for at the next look.
        shelf.state = shelf.state.model_copy(update={"owes_restart": True})
        shelf.use(rollout)
        shelf.join(self._config_file)
        self._restart()

    def _restart(self) -> None:
        """Let the daemon read what is used now; whoever has stopped it meanwhile will start it."""
        if not self._service.is_stopped():
            self._service.restart()
        state = self._shelf.state
        if state.owes_restart:
            self._shelf.state = state.model_copy(update={"owes_restart": False})

    def _has_come_back(self) -> bool:
        """Whether the daemon, which was started just now, may run for a while before anything else is done.

        Not twice in turn: it may end some time after each start, and a newer rollout help.
        """
        state = self._shelf.state
        if state.was_started:
            return False
        self._shelf.state = state.model_copy(update={"was_started": True})
        return stays(self._service)


def _is_not_to_be_tried(offer: Offer, state: State) -> bool:
    """Whether it was refused, or was postponed and it is too early."""
    if state.refused is not None and state.refused.is_of(offer.name, offer.version):
        logger.warning("rollout %d was refused before, and waits for a newer one", offer.version)
        return True
    postponed = state.postponed
    if postponed is not None and postponed.is_of(offer.name, offer.version) and postponed.waits(time.time()):
        logger.info("rollout %d was postponed, and is not tried yet: %s", offer.version, postponed.reason)
        return True
    return False
