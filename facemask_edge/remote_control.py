"""What others may say to this device over MQTT, and how it tells them."""

import logging
from collections.abc import Callable, Mapping
from itertools import islice

from facemask_edge.config import Config
from facemask_edge.errors import OutputError
from facemask_edge.homeassistant import ANNOUNCE, HEAR, HomeAssistant
from facemask_edge.kept_file import no_longer_there
from facemask_edge.messages import Topics, refusal_payload
from facemask_edge.mqtt import Publisher
from facemask_edge.orders import ANSWER, LISTEN, Orders, shown
from facemask_edge.states import Once
from facemask_edge.switches import OVERRIDES, SWITCHES, TELL, RefusedError, Switches

MOST_ORDERS = 1
"""Carried out between two frames: each may have to wait for the disk, and frames must not."""
logger = logging.getLogger(__name__)


class RemoteControl:
    """Takes orders, answers those that are refused, and announces itself to Home Assistant.

    Args:
        config: The whole configuration.
        device: Name of this device.
        actions: See ``Orders``.
        has_page: Whether switches can be changed there, too.
    """

    def __init__(
        self, config: Config, *, device: str, actions: Mapping[str, Callable[[], None]], has_page: bool = False
    ) -> None:
        self._topics = Topics(config.mqtt.prefix, device)
        self._takes_orders = config.mqtt.orders
        is_open = self._takes_orders or has_page
        self.switches = Switches(config, config.outbox.beside(OVERRIDES) if is_open else None)
        self._orders = Orders(self.switches, actions)
        self.listen_to = {LISTEN: self._topics.orders} if self._takes_orders else {}
        """Topics on which something may come, by what it is good for."""
        self._gone = no_longer_there(
            config.outbox.beside("cameras.json"),
            {camera.name: "" for camera in config.cameras},
            unless_kept="of a camera that is removed, the broker keeps the counts",
        )
        self._home_assistant: HomeAssistant | None = None
        if config.homeassistant.discovery:
            file = config.outbox.beside("homeassistant.json")
            self._home_assistant = HomeAssistant(config, device=device, file=file, actions=actions)
            self.listen_to[HEAR] = self._home_assistant.birth_topic

    def begin(self, publisher: Publisher) -> None:
        """Say what can be switched, and how it is now."""
        self._announce(publisher)
        self._tell_states(publisher)
        for name in SWITCHES.keys() - self.switches.shown().keys():
            publisher.publish_latest(self._topics.switch(name), "", extra=TELL)
        for camera in self._gone:
            # An empty payload: the broker forgets what it retains.
            publisher.publish_latest(self._topics.people(camera), "")

    def order(self, name: str, payload: bytes, publisher: Publisher) -> None:
        """Carry out an order that came another way, and tell how the switches are then.

        Raises:
            RefusedError: It cannot be done, and nothing was changed.
            OutputError: It is done, but forgotten when the daemon ends.
        """
        try:
            self._orders.carry_out(name, payload)
        finally:
            self._tell_states(publisher)

    def take_orders(self, publisher: Publisher) -> bool:
        """Carry out what came since this was asked last; whether a switch may be another now."""
        has_orders = False
        for received in islice(publisher.received(), MOST_ORDERS):
            if self._home_assistant and received.topic == self._home_assistant.birth_topic:
                self._home_assistant.heard(received.payload)
                continue
            has_orders = True
            try:
                self._orders.carry_out(self._topics.name_of_order(received.topic), received.payload)
            except (RefusedError, OutputError) as error:
                logger.warning("order on %s: %s", received.topic, error)
                refusal = refusal_payload(received.topic, shown(received.payload), f"{error}")
                publisher.tell(Once(self._topics.error, refusal, ANSWER))
        if has_orders:
            self._tell_states(publisher)
        if self._home_assistant and self._home_assistant.is_due():
            self._announce(publisher)
        return has_orders

    def _announce(self, publisher: Publisher) -> None:
        if self._home_assistant:
            publisher.publish_latest(self._home_assistant.topic, self._home_assistant.announcement, extra=ANNOUNCE)

    def _tell_states(self, publisher: Publisher) -> None:
        """Also those that are as before: who asked for them waits for an answer."""
        for name, value in self.switches.shown().items() if self._takes_orders else ():
            publisher.publish_latest(self._topics.switch(name), value, extra=TELL)
