"""How delivery stands, for ``health``."""

from dataclasses import dataclass
from enum import StrEnum

from facemask_edge.store import StoreState


class BrokerState(StrEnum):
    """How it stands with the brokers."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    """A broker is there and does not let us in: user name, password, certificate or protocol."""
    HELD = "held"
    """Connected, but the broker refuses events: its access rules or a quota."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How delivery stands."""

    state: BrokerState
    server: str
    reason: str | None
    """Why not connected, or why events are refused."""
    unheard: int
    """Events since the start that the broker took although nobody subscribes."""
    store: StoreState
