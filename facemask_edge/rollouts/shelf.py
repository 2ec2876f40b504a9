"""Where a device keeps its rollouts, and knows which of them it uses, which it trusts and which it refused.

In the folder lie one folder a rollout, named after its content, ``current``, which is a link to the one in use,
``state.json``, ``last_server.json`` and, during a trial, ``trial.json``. The daemon's configuration has a link to
``current`` in its ``config.d``: to use another one is to replace one link, so that a power cut leaves this or that.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from facemask_edge.config import RolloutConfig
from facemask_edge.config_layers import folder_of
from facemask_edge.errors import OutputError, ServiceError
from facemask_edge.health_message import RolloutHealth
from facemask_edge.kept_file import replace_for_good
from facemask_edge.rollouts.folder_digest import folder_digest

CURRENT = "current"
STATE = "state.json"
TRIAL = "trial.json"
LAST_SERVER = "last_server.json"
LARGEST_FILE = 4_000_000
"""Bytes: with the certificates of all authorities that a system knows, some 300,000."""
METADATA = "metadata"
UNPACKED = ".part"
"""Suffix of a rollout that is not complete."""
LAYER = "50-rollout"
"""In ``config.d``: what is the device's own comes later, in ``config.yaml``."""
GROUP_READABLE = 0o640
PAUSE = 900.0
"""Seconds after which what starts the daemon again is done again, twice as many after each further time."""
LONGEST_PAUSE = 86400.0
LONGEST_OUTAGE = 7
"""Postponements, some 16 hours, after which what worked before the first one is not asked for any more."""
FORGOTTEN_AFTER = 7 * 86400.0
"""Seconds after which a damage was no sign of the next one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


Content = TypeVar("Content", bound=_Part)


class Standing(_Part):
    """What works on a device: what a rollout must not take from it."""

    broker: bool = False
    cameras: dict[str, bool] = {}
    """By name, whether pictures come."""

    def either(self, other: "Standing") -> "Standing":
        """What works by one of both."""
        cameras = self.cameras | {name: is_ok or self.cameras.get(name, False) for name, is_ok in other.cameras.items()}
        return Standing(broker=self.broker or other.broker, cameras=cameras)


class Trial(_Part):
    """A rollout that has to prove itself."""

    rollout: str
    former: str | None = None
    """The one that has proved itself."""
    before: Standing
    attempts: int = 1
    """How often it was begun: a power cut ends one, and a rollout may be why there was one."""


class _Unused(_Part):
    """A rollout that is not used, though there is none that is newer."""

    rollout: str
    version: int
    reason: str

    def is_of(self, rollout: str, version: int) -> bool:
        """Whether this is the one, and was not published again since."""
        return (self.rollout, self.version) == (rollout, version)


class Refusal(_Unused):
    """A rollout that did not prove itself."""


class _Repeated(_Part):
    """What starts the daemon again, and had better not do so too often."""

    times: int = Field(ge=1)
    """How often it was done."""
    at: float
    """When it was the last time, in seconds since 1970."""

    def waits(self, now: float) -> bool:
        """Whether it is too early to do it again; not for a clock that was set back."""
        # Some times more make it no longer, only a number that is too large.
        return 0 <= now - self.at < min(PAUSE * 2.0 ** min(self.times - 1, 10), LONGEST_PAUSE)


class Postponement(_Unused, _Repeated):
    """A rollout of which nothing was found out: what worked before did not come back without it, either."""

    before: Standing = Standing()
    """What had worked then."""

    def remembered(self) -> Standing:
        """What the next trial has to bring back, though it does not work now; what is gone for days is gone."""
        return self.before if self.times < LONGEST_OUTAGE else Standing()


class Repairs(_Repeated):
    """Damages to the rollout in use that were mended, or done with."""

    @classmethod
    def after(cls, former: Self | None, now: float) -> Self:
        """With one more."""
        return cls(times=1 if former is None else former.lately(now) + 1, at=now)

    def lately(self, now: float) -> int:
        """How many there were, each within a week of the next; those that were long ago were another matter."""
        return self.times if 0 <= now - self.at < FORGOTTEN_AFTER else 0


class State(_Part):
    """What is known of the rollouts."""

    good: str | None = None
    """The newest one that has proved itself."""
    versions: dict[str, int] = {}
    """The operator's number of each that lies here."""
    digests: dict[str, str] = {}
    """Of the files of each that lies here, as they came."""
    adopted: dict[str, str] = {}
    """Of those of damaged ones which cannot be had again, as they are; nothing of what cannot be read."""
    refused: Refusal | None = None
    """The newest one, where it is so."""
    postponed: Postponement | None = None
    """The newest one, where it is so."""
    repairs: Repairs | None = None
    owes_restart: bool = False
    """Whether the daemon may run with something else than what lies here: it is to be started again."""
    was_started: bool = False
    """Whether the daemon was started at the last look, to run for a while before anything else is done."""
    dropped: str | None = None
    """The one that had proved itself and could not be used any more; it may have been the card's mood."""

    def no_longer_adopted(self, rollout: str) -> Self:
        """The same where one is here again as it came."""
        return self.model_copy(
            update={"adopted": {name: self.adopted[name] for name in self.adopted if name != rollout}}
        )

    def spares_the_daemon(self, now: float) -> bool:
        """Whether it is too early to start a daemon that runs again for another damage: a card may forget each day."""
        return self.repairs is not None and self.repairs.waits(now)


class LastServer(_Part):
    """The server that was asked last."""

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64")

    section: RolloutConfig
    copies: dict[str, bytes]
    """Content of files that the section names, by key."""


def link_in(config: Path) -> Path:
    """Where a configuration has the rollout in use."""
    return folder_of(config) / LAYER


class Shelf:
    """The folder.

    Args:
        folder: It need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def metadata(self) -> Path:
        """Folder for what was signed."""
        return self.folder / METADATA

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Make the folder, and keep others from using it.

        Raises:
            ServiceError: Another one does.
            OutputError: It cannot be made.
        """
        try:
            self.metadata.mkdir(mode=0o750, parents=True, exist_ok=True)
            lock = os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OutputError(f"{self.folder}: {error.strerror}; run this as root") from error
        with closing(os.fdopen(lock)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ServiceError("rollouts are being looked for already; wait until that has ended") from error
            yield

    @property
    def state(self) -> State:
        """As it was written last; where it is damaged, as if nothing had ever been delivered."""
        return self.known_state or State()

    @state.setter
    def state(self, state: State) -> None:
        self._write(STATE, state)

    @property
    def known_state(self) -> State | None:
        """As it was written last; None where it is lost, or there was none."""
        return self._read(STATE, State)

    @property
    def is_in_trial(self) -> bool:
        """Whether one is not over, of which nothing may be known any more."""
        return (self.folder / TRIAL).exists()

    @property
    def trial(self) -> Trial | None:
        """The one that is not over; None where there is none, or nothing is known of it any more."""
        return self._read(TRIAL, Trial)

    @trial.setter
    def trial(self, trial: Trial | None) -> None:
        if trial is not None:
            self._write(TRIAL, trial)
        else:
            (self.folder / TRIAL).unlink(missing_ok=True)
            os.sync()

    @property
    def last_server(self) -> LastServer | None:
        """None where none has ever proved itself."""
        return self._read(LAST_SERVER, LastServer)

    @last_server.setter
    def last_server(self, server: LastServer) -> None:
        self._write(LAST_SERVER, server)

    @property
    def proved(self) -> str | None:
        """The one that has proved itself; where nothing else is known of it any more, the one in use."""
        known = self.known_state
        if known is not None:
            return known.good
        if not self.is_in_trial:
            return self.current
        trial = self.trial
        return None if trial is None else trial.former

    @property
    def current(self) -> str | None:
        """Name of the rollout in use."""
        try:
            return (self.folder / CURRENT).readlink().name
        except OSError:
            return None

    def number(self, rollout: str) -> str:
        """The operator's number of a rollout, for people."""
        return str(self.state.versions.get(rollout, "without a number"))

    def place(self, rollout: str) -> Path:
        """The folder of a rollout."""
        return self.folder / rollout

    def has(self, rollout: str) -> bool:
        """Whether it lies here, complete and undamaged."""
        digest = self.digest(rollout)
        return bool(digest) and digest == self.state.digests.get(rollout)

    def has_adopted(self, rollout: str) -> bool:
        """Whether it is as damaged as it was when it was taken for what it is to be."""
        return self.digest(rollout) == self.state.adopted.get(rollout)

    def digest(self, rollout: str) -> str:
        """Of its files as they are now; nothing of what cannot be read."""
        try:
            return folder_digest(self.place(rollout))
        except OSError:
            return ""

    def can_go_back_to(self, rollout: str) -> bool:
        """Whether it lies here as it came, or as it was adopted."""
        return self.has(rollout) or self.has_adopted(rollout)

    @contextmanager
    def adding(self, rollout: str) -> Iterator[Path]:
        """A folder for the content of a rollout, which is here when it is complete, and gone otherwise.

        It takes the place of one that is damaged.
        """
        unpacked = self.place(f"{rollout}{UNPACKED}")
        # A power cut may have left one.
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(mode=0o750)
        try:
            yield unpacked
            # All of it is on the disk before it has its name.
            os.sync()
            state = self.state.no_longer_adopted(rollout)
            digests = state.digests | {rollout: folder_digest(unpacked)}
            self.state = state.model_copy(update={"digests": digests})
            # What is damaged may be beyond deleting.
            aside = self.place(f"{rollout}.{time.time_ns()}")
            with suppress(FileNotFoundError):
                self.place(rollout).rename(aside)
            unpacked.replace(self.place(rollout))
            shutil.rmtree(aside, ignore_errors=True)
        except BaseException:
            # It may be why the disk is full.
            shutil.rmtree(unpacked, ignore_errors=True)
            raise

    def use(self, rollout: str | None) -> None:
        """Let this one be in use, or none."""
        link = self.folder / CURRENT
        if rollout is None:
            link.unlink(missing_ok=True)
        else:
            _point(link, Path(rollout))
        os.sync()

    def is_joined(self, config: Path) -> bool:
        """Whether a configuration has the one in use among its files."""
        link = link_in(config)
        return link.is_symlink() and link.readlink() == (self.folder / CURRENT).absolute()

    def join(self, config: Path) -> None:
        """Let a configuration have the one in use among its files.

        Raises:
            OutputError: It cannot.
        """
        link = link_in(config)
        try:
            link.parent.mkdir(mode=0o750, exist_ok=True)
            if not self.is_joined(config):
                _point(link, (self.folder / CURRENT).absolute())
        except OSError as error:
            raise OutputError(f"{link}: {error.strerror}; this is the place of what is delivered") from error

    def tidy(self) -> None:
        """Delete what is neither in use nor trusted, and forget its number."""
        state, trial = self.state, self.trial
        kept = {self.current, state.good, state.dropped}
        kept |= {trial.rollout, trial.former} if trial else set()
        kept |= {state.postponed.rollout} if state.postponed else set()
        for entry in self.folder.iterdir():
            # What cannot be looked at or deleted is no reason never to ask again.
            with suppress(OSError):
                if entry.is_dir() and not entry.is_symlink() and entry != self.metadata and entry.name not in kept:
                    shutil.rmtree(entry, ignore_errors=True)
        tidied = state.model_copy(
            update={
                "versions": {rollout: number for rollout, number in state.versions.items() if rollout in kept},
                "digests": {rollout: digest for rollout, digest in state.digests.items() if rollout in kept},
                "adopted": {rollout: digest for rollout, digest in state.adopted.items() if rollout in kept},
            }
        )
        if tidied != state:
            self.state = tidied

    def health(self) -> RolloutHealth | None:
        """For those who look after the device; None where nothing was ever delivered."""
        state, current = self.state, self.current
        unused = state.refused or state.postponed
        if current is None and unused is None and state.dropped is None:
            return None
        damaged: Literal["used", "unused"] | None = None
        if current is None:
            damaged = None if state.dropped is None else "unused"
        elif current in state.adopted:
            damaged = "used"
        return RolloutHealth(
            version=None if current is None else state.versions.get(current),
            state="none" if current is None else "good" if current == state.good else "trial",
            refused=None if state.refused is None else state.refused.version,
            postponed=None if state.postponed is None else state.postponed.version,
            reason=None if unused is None else unused.reason,
            repairs=state.repairs.lately(time.time()) if state.repairs else 0,
            damaged=damaged,
        )

    def _read(self, name: str, content: type[Content]) -> Content | None:
        try:
            with (self.folder / name).open("rb") as file:
                return content.model_validate_json(file.read(LARGEST_FILE))
        except (OSError, ValidationError):
            return None

    def _write(self, name: str, content: _Part) -> None:
        replace_for_good(self.folder / name, content.model_dump_json().encode(), GROUP_READABLE)


def _point(link: Path, target: Path) -> None:
    new = link.with_name(f".{link.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(link)
