"""What others may say to this device over MQTT, and how it tells them."""

import logging
from collections.abc import Callable, Mapping

from facemask_edge.config import Config
from facemask_edge.errors import OutputError
from facemask_edge.homeassistant import ANNOUNCE, HomeAssistant
from facemask_edge.messages import Topics, refusal_payload
from facemask_edge.mqtt import Publisher
from facemask_edge.orders import Orders, shown
from facemask_edge.switches import RefusedError, Switches

logger = logging.getLogger(__name__)


class RemoteControl:
    """Takes orders, answers those that are refused, and announces itself to Home Assistant.

    Args:
        config: The whole configuration.
        device: Name of this device.
        actions: See ``Orders``.
    """

    def __init__(self, config: Config, *, device: str, actions: Mapping[str, Callable[[], None]]) -> None:
        # Beside the outbox: they outlive this process, too.
        folder = config.outbox.path.parent
        self._topics = Topics(config.mqtt.prefix, device)
        self.switches = Switches(config, folder / "overrides.json")
        self._orders = Orders(self.switches, actions)
        self.listen_to = [self._topics.orders] if config.mqtt.orders else []
        """Topics on which something may come."""
        self._home_assistant: HomeAssistant | None = None
        if config.homeassistant.discovery:
            file = folder / "homeassistant.json"
            self._home_assistant = HomeAssistant(config, device=device, file=file, actions=actions)
            self.listen_to.append(self._home_assistant.birth_topic)

    def begin(self, publisher: Publisher) -> None:
        """Say what can be switched, and how it is now."""
        self._announce(publisher)
        self._tell_states(publisher)

    def take_orders(self, publisher: Publisher) -> bool:
        """Carry out what came since this was asked last; whether a switch may be another now."""
        has_orders = False
        for received in publisher.received():
            if self._home_assistant and received.topic == self._home_assistant.birth_topic:
                self._home_assistant.heard(received.payload)
                continue
            has_orders = True
            try:
                self._orders.carry_out(self._topics.name_of_order(received.topic), received.payload)
            except (RefusedError, OutputError) as error:
                logger.warning("order on %s: %s", received.topic, error)
                refusal = refusal_payload(received.topic, shown(received.payload), f"{error}")
                publisher.tell(self._topics.error, refusal)
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
        for name, value in self.switches.shown().items():
            publisher.publish_latest(self._topics.switch(name), value, qos=1)
