"""Who may see the page: one password, and for who knows it a session that ends.

All of it is used by the HTTP server's one thread.
"""

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

IDLE = 1800.0
"""Seconds without a request after which a session ends."""
LONGEST_SESSION = 12 * 3600.0
"""Seconds after which it ends in any case."""
MOST_SESSIONS = 50
"""One more ends the one that was used least lately."""
MOST_FAILURES = 5
"""Wrong passwords from one address before it is locked out."""
MOST_FAILURES_OF_ALL = 50
"""From all addresses together before all are locked out from which nobody ever came in: who has many addresses
guesses no faster, and does not keep the owner out."""
LOCKED = 300.0
"""Seconds that it is locked out; wrong passwords that are as long ago are forgotten."""
MOST_ADDRESSES = 1_000
"""Of which wrong passwords are remembered, and likewise that somebody came in from there."""
ALL = ""
"""Stands for all addresses together."""


class WrongPasswordError(Exception):
    """It is not the password."""


class LockedOutError(Exception):
    """Too many wrong passwords; no password is looked at.

    Args:
        seconds: Until it is looked at again.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(slots=True)
class _Failures:
    count: int
    newest: float


@dataclass(slots=True)
class _Session:
    begun: float
    used: float


class Login:
    """Gives sessions.

    Args:
        password: The right one.
        clock: Seconds that never go back.
    """

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._digest = _digest(password)
        self._clock = clock
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._trusted: OrderedDict[str, None] = OrderedDict()

    def enter(self, address: str, password: str) -> str:
        """Begin a session.

        Args:
            address: Of who wants to.
            password: What was given for it.

        Returns:
            What names the session; a secret.

        Raises:
            LockedOutError: There were too many wrong passwords.
            WrongPasswordError: This is one.
        """
        network = _network(address)
        self._refuse_if_locked(network, MOST_FAILURES)
        if network not in self._trusted:
            self._refuse_if_locked(ALL, MOST_FAILURES_OF_ALL)
        # Digests are of one length, and are compared in one time, whatever was given.
        if not hmac.compare_digest(_digest(password), self._digest):
            self._failed(network)
            self._failed(ALL)
            raise WrongPasswordError
        self._failures.pop(network, None)
        self._trusted[network] = None
        self._trusted.move_to_end(network)
        if len(self._trusted) > MOST_ADDRESSES:
            self._trusted.popitem(last=False)
        token = secrets.token_urlsafe(32)
        now = self._clock()
        self._sessions[_digest(token)] = _Session(now, now)
        if len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def is_open(self, token: str) -> bool:
        """Whether a session is; it was used then."""
        name = _digest(token)
        session = self._sessions.get(name)
        if session is None:
            return False
        now = self._clock()
        if now - session.used >= IDLE or now - session.begun >= LONGEST_SESSION:
            del self._sessions[name]
            return False
        session.used = now
        self._sessions.move_to_end(name)
        return True

    def leave(self, token: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(token), None)

    def _refuse_if_locked(self, network: str, most: int) -> None:
        failures = self._failures.get(network)
        if failures is None:
            return
        rest = LOCKED - (self._clock() - failures.newest)
        if rest <= 0:
            del self._failures[network]
        elif failures.count >= most:
            raise LockedOutError(rest)

    def _failed(self, network: str) -> None:
        failures = self._failures.setdefault(network, _Failures(0, 0.0))
        failures.count += 1
        failures.newest = self._clock()
        self._failures.move_to_end(network)
        if len(self._failures) > MOST_ADDRESSES:
            # The total is the newest of all, and stays.
            self._failures.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _network(address: str) -> str:
    """What one owner of addresses has: of IPv6, 64 bits are given to everybody."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address or "unknown"
    if parsed.version == 4:  # noqa: PLR2004 - IPv4
        return str(parsed)
    if mapped := parsed.ipv4_mapped:
        return str(mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
