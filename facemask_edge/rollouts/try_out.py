"""Tries a rollout out, keeps it where it proves itself, and goes back to the one before where it does not."""

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from facemask_edge.config import RolloutConfig
from facemask_edge.config_file import load_config
from facemask_edge.edge_tpu_deaths import deaths_file
from facemask_edge.errors import ConfigError, FacemaskError, ServiceError
from facemask_edge.rollouts.fetch import look
from facemask_edge.rollouts.last_server import as_said, remember, remembered
from facemask_edge.rollouts.settings import fault, section
from facemask_edge.rollouts.shelf import LastServer, Postponement, Refusal, Shelf, Trial
from facemask_edge.rollouts.trial import ServiceLike, StoppedError, proves_itself

MOST_ATTEMPTS = 2
"""Of one rollout, each cut off: it may be why this computer went down."""
TRIALS = 2
"""After which one is refused: what comes back without it may have come back by chance."""
logger = logging.getLogger(__name__)


class RefusedRolloutError(ConfigError):
    """A rollout that does not prove itself; the one before is in use."""


class TryOut:
    """A device on which rollouts are tried out.

    Args:
        config_file: That of the daemon.
        shelf: Where the rollouts lie.
        service: The daemon.
    """

    def __init__(self, config_file: Path, shelf: Shelf, service: ServiceLike) -> None:
        self._config_file = config_file
        self._shelf = shelf
        self._service = service
        self._asked: LastServer | None = None

    def run(self, trial: Trial) -> None:
        """From the first start to the end.

        Raises:
            ConfigError: The device's own configuration is wrong, so that none can be tried.
            RefusedRolloutError: The rollout does not prove itself; the one before is in use.
            ServiceError: Nothing was found out; the one before is in use.
            OSError: The disk does not take what was found out.
        """
        shelf, number = self._shelf, self._shelf.number(trial.rollout)
        logger.info("rollout %s is on trial", number)
        try:
            self._ensure_can_be_tried(trial)
            reason = self._reason_against(trial)
            if not shelf.has(trial.rollout):
                # Whatever came of it, it was not what was delivered.
                raise ServiceError("its files were damaged on the disk")
            if reason is None:
                self._keep(trial)
                logger.info("rollout %s has proved itself", number)
                return
        except StoppedError:
            self._go_back(trial)
            logger.info("somebody has stopped the daemon, so rollout %s is tried again when it runs", number)
            return
        except _OwnFaultError as error:
            self._go_back(trial)
            raise ConfigError(f"no rollout can be tried: {error}") from error
        except _UndecidedError as error:
            self._go_back(trial)
            self._postpone(trial, str(error))
        except (FacemaskError, OSError) as error:
            # Whatever it is: a rollout that did not prove itself does not stay, and the next one is asked for.
            self._go_back(trial)
            with suppress(FacemaskError):
                if not self._service.is_stopped():
                    self._service.restart()
            self._postpone(trial, str(error))
        shelf.trial = None
        state = shelf.state
        refused = Refusal(rollout=trial.rollout, version=state.versions.get(trial.rollout, 0), reason=reason)
        shelf.state = state.model_copy(update=self._after(trial) | {"refused": refused, "postponed": None})
        shelf.tidy()
        raise RefusedRolloutError(f"rollout {number} is refused, and the one before used: {reason}")

    def _keep(self, trial: Trial) -> None:
        shelf = self._shelf
        proved = {"good": trial.rollout, "refused": None, "postponed": None, "dropped": None, "owes_restart": False}
        shelf.state = shelf.state.model_copy(update=proved)
        shelf.trial = None
        # From here on it is kept, whatever the disk takes.
        with suppress(OSError):
            if self._asked is not None:
                remember(shelf, self._asked)
            shelf.tidy()

    def _ensure_can_be_tried(self, trial: Trial) -> None:
        """Refuse to try anything where what is wrong is not the rollout."""
        if self._fault(trial.rollout, is_to_be_tried=True) is None:
            return
        former = trial.former
        own = self._fault(former if former is not None and self._shelf.can_go_back_to(former) else None)
        if own is not None:
            raise _OwnFaultError(own)

    def _reason_against(self, trial: Trial) -> str | None:
        """Why a rollout does not prove itself, and the one before is in use; None where it does, and is in use.

        Raises:
            _UndecidedError: What worked before does not come back without it, either.
        """
        reason = self._fault(trial.rollout, is_to_be_tried=True)
        if trial.attempts > MOST_ATTEMPTS:
            reason = f"its trial was cut off {MOST_ATTEMPTS} times: this computer may go down with it"
        if reason is not None:
            self._shelf.use(trial.former)
            if trial.attempts > 1:
                # What was cut off may have been the way back.
                self._ensure_well_without(trial, reason)
            return reason
        for count in range(1, TRIALS + 1):
            self._shelf.trial = trial
            self._shelf.use(trial.rollout)
            reason = self._proved(trial)
            if reason is None:
                return None
            logger.info("rollout %s, trial %d: %s", self._shelf.number(trial.rollout), count, reason)
            self._shelf.use(trial.former)
            self._ensure_well_without(trial, reason)
        return reason

    def _ensure_well_without(self, trial: Trial, reason: str) -> None:
        without = self._proved(trial)
        if without is not None:
            raise _UndecidedError(f"{reason}; without it: {without}")

    def _proved(self, trial: Trial) -> str | None:
        """Start the daemon with what is in use; why it is not as well as before the trial, or None."""
        try:
            config = load_config(self._config_file)
        except ConfigError as error:
            return str(error)
        return proves_itself(
            self._service,
            trial.before,
            lambda: self._look(config.rollout, trial),
            probation=config.rollout.probation,
            has_edge_tpu_deaths=deaths_file(config.outbox.path).exists,
        )

    def _look(self, server: RolloutConfig, trial: Trial) -> None:
        """Raise an error where the next rollout could not be had."""
        shelf = self._shelf
        try:
            look(server, shelf.metadata)
            self._asked = as_said(server)
        except ConfigError:
            # The device's own files may be lost, which is no fault of a rollout that names no others.
            before, kept = section(self._config_file, shelf, trial.former), shelf.last_server
            is_same = before is not None and (before.trust, before.ca) == (server.trust, server.ca)
            with remembered(shelf) as last:
                if last is None or kept is None or not is_same:
                    raise
                there = {"url": server.url or last.url}
                look(last.model_copy(update=there), shelf.metadata)
                self._asked = kept.model_copy(update={"section": kept.section.model_copy(update=there)})

    def _go_back(self, trial: Trial) -> None:
        self._shelf.use(trial.former)
        self._shelf.trial = None

    def _postpone(self, trial: Trial, reason: str) -> NoReturn:
        state = self._shelf.state
        version = state.versions.get(trial.rollout, 0)
        former = state.postponed
        times = former.times + 1 if former is not None and former.is_of(trial.rollout, version) else 1
        postponed = Postponement(
            rollout=trial.rollout, version=version, reason=reason, times=times, at=time.time(), before=trial.before
        )
        self._shelf.state = state.model_copy(update=self._after(trial) | {"postponed": postponed, "refused": None})
        raise ServiceError(f"rollout {self._shelf.number(trial.rollout)} is tried again later: {reason}")

    def _after(self, trial: Trial) -> dict[str, str | None]:
        """What is known after a trial that came to nothing, also where the card has forgotten it meanwhile."""
        dropped = self._shelf.state.dropped
        # That it once was good is worth nothing any more.
        return {"good": trial.former, "dropped": None if dropped == trial.rollout else dropped}

    def _fault(self, rollout: str | None, *, is_to_be_tried: bool = False) -> str | None:
        return fault(self._config_file, self._shelf, rollout, is_to_be_tried=is_to_be_tried)


class _UndecidedError(Exception):
    """What worked before does not come back, with the rollout and without it."""


class _OwnFaultError(Exception):
    """What is wrong with the device's configuration, whatever the rollout."""
