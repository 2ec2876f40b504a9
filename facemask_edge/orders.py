"""Orders that come over MQTT: to change a switch, or to do something once."""

import logging
from collections.abc import Callable, Mapping

from facemask_edge.redaction import printable
from facemask_edge.switches import SWITCHES, RefusedError, Switches

LISTEN = "listen to orders"
ANSWER = "answer to orders"
PRESS = "PRESS"
"""What an action is ordered by, as by a button of Home Assistant."""
ACTIONS = {
    "take_snapshot": "Publishes a picture of what each camera sees now; only where `snapshots.enabled` is true.",
    "restart": "Ends the daemon, which systemd starts again; violations that are open end as `restart`.",
}
"""What can be ordered besides the switches, and what it does."""
LONGEST = 100
"""Characters of an order."""
logger = logging.getLogger(__name__)


class Orders:
    """Carries orders out.

    Args:
        switches: May be changed.
        actions: How those of ``ACTIONS`` are done; raise ``RefusedError`` where they cannot.
    """

    def __init__(self, switches: Switches, actions: Mapping[str, Callable[[], None]]) -> None:
        self._switches = switches
        self._actions = actions

    def carry_out(self, name: str, payload: bytes) -> None:
        """Do what one order says.

        Args:
            name: Of a switch or an action.
            payload: Its value; ``PRESS`` for an action.

        Raises:
            RefusedError: It cannot be done, and nothing was changed.
            OutputError: It is done, but forgotten when the daemon ends.
        """
        text = _text(payload)
        if name in self._actions:
            if text != PRESS:
                raise RefusedError(f"send {PRESS}")
            logger.info("%s was ordered from afar", name)
            self._actions[name]()
        elif name in SWITCHES:
            self._switches.set(name, text)
        elif name in ACTIONS:
            raise RefusedError("this device's configuration does not allow it")
        else:
            known = [*self._switches.shown(), *self._actions]
            raise RefusedError(f"there is no such name; known are {', '.join(known)}")


def _text(payload: bytes) -> str:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise RefusedError("send text") from error
    if len(text) > LONGEST:
        raise RefusedError("that is too long")
    return text


def shown(payload: bytes) -> str:
    """What somebody sent, to be looked at: in one line, and not long."""
    return printable(payload.decode(errors="replace"))[:LONGEST]
