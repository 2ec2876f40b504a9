"""Addresses of brokers: ``mqtt://``, ``mqtts://`` (TLS), ``ws://`` and ``wss://`` (WebSockets)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
TLS_SCHEMES = {"mqtts", "wss"}
WEBSOCKET_SCHEMES = {"ws", "wss"}
DEFAULT_PATH = "/mqtt"
"""Of WebSockets, by custom."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is, and how it is spoken to."""

    scheme: str
    host: str
    port: int
    path: str
    """Of WebSockets; empty otherwise."""

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in TLS_SCHEMES

    @property
    def uses_websockets(self) -> bool:
        """Whether MQTT is spoken inside a WebSocket."""
        return self.scheme in WEBSOCKET_SCHEMES

    def __str__(self) -> str:
        """As it is written in the configuration; it holds no secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse_address(url: str) -> BrokerAddress:
    """Read an address as ``scheme://host``, ``scheme://host:port`` or, for WebSockets, ``ws://host:port/path``.

    Raises:
        ValueError: It is no such address, or holds a user name or password; the message does not repeat those.
    """
    wrong = ValueError("this is no broker address; write mqtt://host:port, mqtts://…, ws://host:port/path or wss://…")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # It repeats what it could not read, which may be a password.
        raise wrong from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("a broker address holds no password; use mqtt.username and mqtt.password_file")
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0 or parts.query or parts.fragment:
        raise wrong
    path = parts.path.rstrip("/")
    if parts.scheme in WEBSOCKET_SCHEMES:
        path = path or DEFAULT_PATH
    elif path:
        raise wrong
    return BrokerAddress(parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme], path)
