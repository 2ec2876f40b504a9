"""``facemask-edge top``: how all devices are, live in a terminal, from what they say over MQTT."""

import dataclasses
import json
import time
from collections.abc import Sequence
from contextlib import closing, suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Column, Table
from rich.text import Text

from facemask_edge.broker_address import parse_address
from facemask_edge.broker_visit import BrokerVisit, VisitError
from facemask_edge.config import Config, MqttConfig
from facemask_edge.devices import Devices, Row
from facemask_edge.errors import ServiceError

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
    with closing(_Listener(devices, config.mqtt)) as listener:
        listener.connect()
        if once or as_json or not console.is_terminal:
            _hear_until_quiet(listener)
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


def _hear_until_quiet(listener: "_Listener") -> None:
    give_up = time.monotonic() + LONGEST_WAIT
    while listener.hear(QUIET) and time.monotonic() < give_up:
        pass


def _show_live(devices: Devices, listener: "_Listener", console: Console) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(shown(devices.rows(), listener.says), refresh=True)
            if listener.is_connected:
                listener.hear(REFRESH)
            else:
                time.sleep(PAUSE)
                with suppress(ServiceError):
                    listener.connect()


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


class _Listener:
    """Hears what devices say at the first broker that lets us read."""

    def __init__(self, devices: Devices, config: MqttConfig) -> None:
        self._devices = devices
        self._config = config
        self._visit: BrokerVisit | None = None
        self.says = ""
        """How the connection is."""

    @property
    def is_connected(self) -> bool:
        """Whether anything can come."""
        return self._visit is not None

    def connect(self) -> None:
        """Connect and subscribe.

        Raises:
            ServiceError: No broker answers, or none lets us read.
            ConfigError: A file with a password or certificate cannot be used.
        """
        faults = []
        for address in map(parse_address, self._config.servers):
            self._visit = BrokerVisit(address, self._config)
            try:
                self._subscribe(self._visit)
            except VisitError as error:
                faults.append(f"{address}: {error}; {error.advice}")
                self._lose(f"{error}")
            else:
                self.says = f"{address}"
                return
        raise ServiceError("; ".join(faults))

    def hear(self, seconds: float) -> bool:
        """Take in what comes in this time; whether anything came."""
        has_come = False
        for kind, content in self._visit.heard(seconds) if self._visit else ():
            if kind == "ended":
                self._lose(content)
                break
            # A broker may well say welcome twice.
            if "/" in kind:
                self._devices.heard(kind, content)
                has_come = True
        return has_come

    def close(self) -> None:
        """End the connection."""
        if self._visit is not None:
            self._visit.close()
        self._visit = None

    def _lose(self, reason: str) -> None:
        if self._visit is not None:
            self.says = f"{self._visit.address}: {reason}; trying again"
        self.close()

    def _subscribe(self, visit: BrokerVisit) -> None:
        visit.connect()
        if not any(visit.subscribe(self._devices.topics)):
            raise VisitError(f"it does not let this user read {self._devices.topics[0]}", "see its access rules")
