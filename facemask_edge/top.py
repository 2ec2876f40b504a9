"""``facemask-edge top``: how all devices are, live in a terminal, from what they say over MQTT."""

import dataclasses
import json
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from facemask_edge.broker_address import BrokerAddress, parse_address
from facemask_edge.broker_connection import (
    CONNECT_TIMEOUT,
    KEEPALIVE,
    MOST_RECEIVED,
    BoundedClient,
    ending_of,
    new_client,
    welcome_of,
)
from facemask_edge.config import Config
from facemask_edge.devices import Devices, Row
from facemask_edge.errors import ServiceError
from facemask_edge.redaction import printable

QUIET, LONGEST_WAIT = 1.0, 5.0
"""Seconds without a message after which all that a broker keeps has come, and those after which enough has."""
REFRESH = 0.5
"""Seconds between two pictures."""
PAUSE = 2.0
"""Seconds before a broker that is lost is tried again."""
STYLES = {
    "online": "green",
    "offline": "red",
    "stopped": "yellow",
    "ok": "green",
    "opening": "yellow",
    "ended": "yellow",
}
"""Of a status or state; all others are faults."""
WORDS = ("device", "status", "camera", "state")
NUMBERS = ("fps", "p95 ms", "faces", "mask", "no mask", "unsure", "queue", "°C")


def top(device: str | None, config: Config, *, once: bool, as_json: bool) -> None:
    """Show how devices are until interrupted, or once.

    Args:
        device: Its name; None for all.
        config: Its section ``mqtt`` says which broker is asked.
        once: Print what the broker keeps, and end; without a terminal it is always so.
        as_json: Likewise, as JSON.

    Raises:
        ServiceError: No broker answers, or it does not let us read.
        ConfigError: A file with a password or certificate cannot be used.
    """
    console = Console(highlight=False)
    devices = Devices(config.mqtt.prefix, device)
    with _listening(devices, config) as listener:
        if once or as_json or not console.is_terminal:
            listener.wait_until_quiet()
            rows = devices.rows()
            if as_json:
                print(json.dumps([dataclasses.asdict(row) for row in rows]))  # noqa: T201 - the result
            else:
                console.print(shown(rows, listener.says))
            return
        try:
            _show_live(devices, listener, console)
        except KeyboardInterrupt:
            # How this is meant to end.
            return


def _show_live(devices: Devices, listener: "_Listener", console: Console) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(shown(devices.rows(), listener.says), refresh=True)
            time.sleep(REFRESH)
            if not listener.is_connected:
                live.update(shown(devices.rows(), listener.says), refresh=True)
                time.sleep(PAUSE)
                listener.try_again()


def shown(rows: Sequence[Row], caption: str) -> RenderableType:
    """The table, and below it what is warned of.

    Args:
        rows: As ``Devices.rows`` has them.
        caption: One line more.
    """
    words = [Column(name, no_wrap=True) for name in WORDS]
    numbers = [Column(name, justify="right", min_width=max(map(len, name.split()))) for name in NUMBERS]
    table = Table(*words, *numbers, box=None, padding=(0, 1, 0, 0), header_style="bold")
    before = ""
    for row in rows:
        is_first = row.device != before
        before = row.device
        table.add_row(
            Text(row.device if is_first else ""),
            _colored(row.status if is_first else ""),
            Text(row.camera),
            _colored(row.state),
            _number(row.fps, 1),
            _number(row.latency_p95_ms),
            _number(row.faces),
            _number(row.mask),
            Text(_number(row.no_mask), style="bold red" if row.no_mask else ""),
            _number(row.undetermined),
            _number(row.queued) if is_first else "",
            _number(row.cpu_temperature_c) if is_first else "",
            # What a device that is away said last is of another time.
            style="" if row.status == "online" else "dim",
        )
    warnings = [Text(f"! {row.device}: {says}", style="yellow") for row in rows for says in row.warnings]
    return Group(table, *([Text(), *warnings] if warnings else []), Text(f"\n{caption}", style="dim"))


def _colored(word: str) -> Text:
    return Text(word, style=STYLES.get(word, "red"))


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"


@contextmanager
def _listening(devices: Devices, config: Config) -> Iterator["_Listener"]:
    listener = _Listener(devices, config)
    listener.connect()
    try:
        yield listener
    finally:
        listener.close()


class _Listener:
    """Hears what devices say at the first broker that answers."""

    def __init__(self, devices: Devices, config: Config) -> None:
        self._devices = devices
        self._config = config
        self._client: BoundedClient | None = None
        self._answered = threading.Event()
        self._fault = ""
        self._address: BrokerAddress | None = None
        self._heard_at = 0.0
        self.is_connected = False

    @property
    def says(self) -> str:
        """How the connection is."""
        return f"{self._address}" if self.is_connected else f"{self._address}: {self._fault}; trying again"

    def connect(self) -> None:
        """Connect and subscribe.

        Raises:
            ServiceError: No broker answers, or none lets us read.
        """
        faults = []
        for server in self._config.mqtt.servers:
            self._address = parse_address(server)
            if self._try(self._address):
                return
            faults.append(f"{self._address}: {self._fault}")
        raise ServiceError(f"{', '.join(faults)}; is it running, and are mqtt.servers and mqtt.username right?")

    def try_again(self) -> None:
        """Connect again, if that works by now."""
        with suppress(ServiceError):
            self.connect()

    def wait_until_quiet(self) -> None:
        """Wait until nothing came for a while."""
        give_up = time.monotonic() + LONGEST_WAIT
        while self.is_connected and time.monotonic() < min(self._heard_at + QUIET, give_up):
            time.sleep(QUIET / 10)

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.disconnect()

    def _try(self, address: BrokerAddress) -> bool:
        """Connect to one broker and subscribe; whether that worked."""
        self._answered.clear()
        self._fault = "it ended the connection before it answered"
        client = new_client(BoundedClient, address, self._config.mqtt, f"facemask-edge-top-{secrets.token_hex(4)}")
        client.on_connect = self._welcomed
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        self._client = client
        try:
            client.connect(address.host, address.port, keepalive=KEEPALIVE, properties=self._bounds())
        except (OSError, ValueError) as error:
            self._fault = ending_of(error).reason
            return False
        except Exception as error:  # noqa: BLE001 - paho raises others, too, for a WebSocket that is none
            self._fault = printable(f"it answers with what is no WebSocket: {error}")
            return False
        threading.Thread(target=self._listen, args=(client,), name="listener", daemon=True).start()
        if not self._answered.wait(CONNECT_TIMEOUT):
            self._fault = "it does not answer"
            client.disconnect()
        return self.is_connected

    def _bounds(self) -> Properties | None:
        """What the broker is asked not to send; MQTT 3.1.1 has no word for that."""
        if self._config.mqtt.protocol != "5":
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.MaximumPacketSize = MOST_RECEIVED
        return properties

    def _listen(self, client: BoundedClient) -> None:
        fault = ""
        try:
            client.loop_forever()
        except Exception as error:  # noqa: BLE001 - whatever a broker sends that is no MQTT
            fault = printable(f"it sent what is no answer: {error}")
        if client is self._client:
            if fault or self.is_connected:
                self._fault = fault or "it ended the connection"
            self.is_connected = False
            self._answered.set()

    def _welcomed(self, client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _more: object) -> None:
        refusal = welcome_of(reason, None).refusal
        if refusal is not None:
            self._fault = refusal.partition(";")[0]
            client.disconnect()
        else:
            client.subscribe([(topic, 1) for topic in self._devices.topics])

    def _subscribed(
        self, client: paho.Client, _data: object, _number: int, reasons: list[ReasonCode], _more: object
    ) -> None:
        if all(reason.is_failure for reason in reasons):
            self._fault = f"it does not let this user read {self._devices.topics[0]}"
            client.disconnect()
            return
        self._heard_at = time.monotonic()
        self.is_connected = True
        self._answered.set()

    def _received(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self._heard_at = time.monotonic()
        self._devices.heard(message.topic, bytes(message.payload))
