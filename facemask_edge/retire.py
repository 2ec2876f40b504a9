"""``facemask-edge retire``: has the brokers, and with them Home Assistant, forget this device."""

from collections.abc import Callable

from facemask_edge.broker_address import BrokerAddress, parse_address
from facemask_edge.broker_visit import RETAINED_PATIENCE, BrokerVisit, VisitError
from facemask_edge.config import Config
from facemask_edge.errors import ServiceError
from facemask_edge.homeassistant import discovery_topic
from facemask_edge.messages import Topics
from facemask_edge.switches import SWITCHES


def retire(config: Config, say: Callable[[str], None], *, force: bool = False) -> None:
    """Have each broker forget all that it retains of this device.

    Args:
        config: The whole configuration.
        say: Told in a sentence what became of each broker.
        force: Also of a device that is online as they say; one that lost a last will says so for ever.

    Raises:
        ServiceError: The device is online, or a broker is not there or does not do it.
        ConfigError: A file with a password or a certificate cannot be used.
    """
    failed = []
    for address in map(parse_address, config.mqtt.servers):
        try:
            count = _forgotten(address, config, force=force)
        except VisitError as error:
            failed.append(f"{address}: {error}; {error.advice}")
            continue
        say(f"{address} has forgotten {count} topics of {config.device_name}")
    if failed:
        raise ServiceError("; ".join(failed))


def _forgotten(address: BrokerAddress, config: Config, *, force: bool) -> int:
    """How many topics a broker has forgotten.

    Raises:
        VisitError: It has not.
        ServiceError: The device is online.
    """
    topics = Topics(config.mqtt.prefix, config.device_name)
    discovery = discovery_topic(config, config.device_name)
    with BrokerVisit(address, config.mqtt) as visit:
        visit.connect()
        visit.subscribe([topics.everything, discovery])
        retained = dict(visit.heard(RETAINED_PATIENCE))
        if retained.get(topics.status) == b"online" and not force:
            raise ServiceError(
                f"{config.device_name} is online, says {address}; stop it first (sudo systemctl stop facemask-edge), "
                "or use --force where it is long gone"
            )
        found = {topic for topic in retained if "/" in topic}
        # What it may not read it writes all the same.
        found |= {topics.status, topics.health, discovery, *map(topics.switch, SWITCHES)}
        found |= {topics.people(camera.name) for camera in config.cameras}
        # First what the others belong to: Home Assistant must not wonder about states without a value.
        if not visit.empty(sorted(found, key=lambda topic: topic != discovery)):
            raise VisitError("it does not forget them all", "do its access rules let this device write them?")
        return len(retained.keys() & found)
