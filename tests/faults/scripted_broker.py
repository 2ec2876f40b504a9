"""A broker that does what a good one never does: the few packets of MQTT that it takes, written by hand."""

import itertools
import json
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from enum import Enum, auto
from typing import Any

from paho.mqtt.enums import MessageType as Packet

REFUSALS_5 = range(0x80, 0xA0)
REFUSALS_3 = range(1, 6)
HUGE = 200_000_000
HANDSHAKE = bytes([0x16, 3, 3, 0x40, 0])
"""Begin of a record of TLS, of 16 kB; to a WebSocket it is a line without an end."""
VERSION_5 = 5
NOT_AUTHORIZED = 0x87


class Manner(Enum):
    """What it does, each time somebody connects."""

    SILENT = auto()
    """It accepts the connection, and that is all."""
    DROPS_ALL = auto()
    """It ends the connection at the first PUBLISH of any kind."""
    DROPS_EVENTS = auto()
    """It takes the states, and ends the connection at the first event."""
    DROPS_SUBSCRIBERS = auto()
    """It ends the connection when somebody wants to listen, and takes all else."""
    DENIES_SUBSCRIBERS = auto()
    """It lets nobody listen, and takes all else."""
    FLOODS = auto()
    """It lets listen, and sends one order after the other."""
    QOS_2 = auto()
    """It lets listen, and sends an order as nobody asked for."""
    DROPS_ACKNOWLEDGED = auto()
    """It acknowledges an event, and then ends the connection."""
    NEVER_ACKNOWLEDGES = auto()
    IGNORES_POISON = auto()
    """It acknowledges all events but those with a ``poison``."""
    HALF_A_PACKET = auto()
    """It sends half a PUBACK and no more."""
    HALF_A_CONNACK = auto()
    TRICKLES = auto()
    """It answers, to whatever is asked, with a byte now and then that never makes a whole."""
    GARBAGE = auto()
    """Bytes by chance instead of a CONNACK."""
    LATER_GARBAGE = auto()
    """Bytes by chance instead of a PUBACK."""
    CONNACK_FLOOD = auto()
    """One CONNACK after the other."""
    BAD_WEB_SOCKET = auto()
    """A header that is none in the answer to a WebSocket."""
    HUGE_PACKET = auto()
    """A PUBLISH of 200 MB, sent as fast as it is taken."""
    REFUSES = auto()
    """It answers with one reason code after the other, of the version that it is asked in."""


TAKE_EVENTS = {
    Manner.IGNORES_POISON,
    Manner.DROPS_SUBSCRIBERS,
    Manner.DENIES_SUBSCRIBERS,
    Manner.FLOODS,
    Manner.QOS_2,
}
"""Of these, the connection outlives an event that it acknowledged."""


class ScriptedBroker:
    """Listens on a port of 127.0.0.1 until it is closed.

    Args:
        manner: What it does.
        port: Where; 0 takes any that is free.
        seed: Of its chance.
    """

    def __init__(self, manner: Manner, *, port: int = 0, seed: int = 0) -> None:
        self.connections = 0
        self.ended = 0
        """Connections that somebody else ended."""
        self.goodbyes = 0
        """Connections on which somebody said so before."""
        self.topics: list[str] = []
        """Of each PUBLISH that it got."""
        self.events: list[dict[str, Any]] = []
        """Those that it acknowledged: the device may believe them delivered."""
        self._manner = manner
        self._chance = random.Random(seed)
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listening.getsockname()[1])
        self.url = f"mqtt://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End, with all connections: the port is free."""
        # A close() alone would leave accept() waiting, and the port in use.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection, self.connections - 1), daemon=True).start()

    def _serve(self, connection: socket.socket, turn: int) -> None:
        with suppress(OSError, EOFError):
            if self._manner is Manner.TRICKLES:
                _trickle(connection)
            if self._manner is Manner.BAD_WEB_SOCKET:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:abc\r\n\r\n")
                raise EOFError
            _, body = _read(connection)
            is_version_5 = body[6] == VERSION_5
            if self._welcomes(connection, turn, is_version_5=is_version_5):
                self._converse(connection)
            if self._manner is not Manner.REFUSES:
                # Whoever connected shall find out by himself that no more will come.
                threading.Event().wait()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def _converse(self, connection: socket.socket) -> None:
        while True:
            try:
                command, body = _read(connection)
            except (OSError, EOFError):
                self.ended += 1
                raise
            self.goodbyes += command & 0xF0 == Packet.DISCONNECT
            self._answer(connection, command, body)

    def _welcomes(self, connection: socket.socket, turn: int, *, is_version_5: bool) -> bool:
        """Answer to a CONNECT; whether the conversation goes on."""
        match self._manner:
            case Manner.SILENT:
                return False
            case Manner.HALF_A_CONNACK:
                connection.sendall(bytes([Packet.CONNACK, 3, 0]))
                return False
            case Manner.GARBAGE:
                connection.sendall(self._chance.randbytes(self._chance.randint(1, 5000)))
                return False
            case Manner.REFUSES:
                codes = REFUSALS_5 if is_version_5 else REFUSALS_3
                connection.sendall(_connack(codes[turn % len(codes)], is_version_5=is_version_5))
                return False
        connection.sendall(_connack(0, is_version_5=is_version_5))
        while self._manner is Manner.CONNACK_FLOOD:
            connection.sendall(100 * _connack(0, is_version_5=is_version_5))
        if self._manner is Manner.HUGE_PACKET:
            connection.sendall(bytes([Packet.PUBLISH]) + _length(HUGE) + struct.pack("!H", 1) + b"t")
            for _ in range(HUGE // 65_536):
                connection.sendall(bytes(65_536))
        return True

    def _answer(self, connection: socket.socket, command: int, body: bytes) -> None:
        match command & 0xF0:
            case Packet.PINGREQ:
                connection.sendall(bytes([Packet.PINGRESP, 0]))
            case Packet.SUBSCRIBE:
                self._subscribed(connection, body)
            case Packet.PUBLISH:
                self._published(connection, command, body)

    def _published(self, connection: socket.socket, command: int, body: bytes) -> None:
        (size,) = struct.unpack("!H", body[:2])
        topic = body[2 : 2 + size].decode()
        self.topics.append(topic)
        number = body[2 + size : 4 + size]
        is_event = topic.endswith("/violation")
        match self._manner:
            case Manner.DROPS_ALL:
                raise EOFError
            case Manner.DROPS_EVENTS if is_event:
                raise EOFError
            case Manner.NEVER_ACKNOWLEDGES | Manner.IGNORES_POISON if self._ignores(body):
                return
            case Manner.HALF_A_PACKET if is_event:
                connection.sendall(bytes([Packet.PUBACK, 4]) + number)
                return
            case Manner.LATER_GARBAGE if is_event:
                connection.sendall(self._chance.randbytes(self._chance.randint(1, 5000)))
                return
        if command & 0b110:
            connection.sendall(bytes([Packet.PUBACK, 2]) + number)
        if is_event:
            self._took(json.loads(body[body.index(b"{", 4 + size) :]))

    def _subscribed(self, connection: socket.socket, body: bytes) -> None:
        """Answer to a SUBSCRIBE of one topic, of version 5."""
        if self._manner is Manner.DROPS_SUBSCRIBERS:
            raise EOFError
        if self._manner not in {Manner.FLOODS, Manner.QOS_2, Manner.DENIES_SUBSCRIBERS}:
            return
        granted = NOT_AUTHORIZED if self._manner is Manner.DENIES_SUBSCRIBERS else 1
        connection.sendall(bytes([Packet.SUBACK, 4]) + body[:2] + bytes([0, granted]))
        topic = body[5 : body.index(b"+/set") - 1] + b"/threshold/set"
        order = struct.pack("!H", len(topic)) + topic
        if self._manner is Manner.QOS_2:
            connection.sendall(bytes([Packet.PUBLISH | 4, len(order) + 6]) + order + bytes([0, 1, 0]) + b"0.5")
        while self._manner is Manner.FLOODS:
            payload = bytes(self._chance.randrange(20_000))
            connection.sendall(
                bytes([Packet.PUBLISH]) + _length(len(order) + 1 + len(payload)) + order + b"\0" + payload
            )

    def _ignores(self, body: bytes) -> bool:
        return self._manner is Manner.NEVER_ACKNOWLEDGES or b'"poison"' in body

    def _took(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if self._manner not in TAKE_EVENTS:
            raise EOFError


def _trickle(connection: socket.socket) -> None:
    for byte in itertools.chain(HANDSHAKE, itertools.repeat(0)):
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def _connack(code: int, *, is_version_5: bool) -> bytes:
    return bytes([Packet.CONNACK, 3, 0, code, 0] if is_version_5 else [Packet.CONNACK, 2, 0, code])


def _read(connection: socket.socket) -> tuple[int, bytes]:
    """First byte and body of the next packet."""
    (command,) = _exactly(connection, 1)
    length, shift = 0, 0
    while True:
        (byte,) = _exactly(connection, 1)
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return command, _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        some = connection.recv(count - len(found))
        if not some:
            raise EOFError
        found += some
    return found


def _length(value: int) -> bytes:
    """A number as MQTT writes the length of a packet."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
