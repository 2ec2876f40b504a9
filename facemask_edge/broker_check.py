"""Finds out at the start what would otherwise only be found out when a broker is reached."""

import logging
from collections.abc import Sequence

from facemask_edge.broker_address import BrokerAddress
from facemask_edge.config import MqttConfig
from facemask_edge.credentials import credentials
from facemask_edge.errors import ConfigError
from facemask_edge.tls import tls_context

LOCAL = ("localhost", "127.0.0.1", "::1")
logger = logging.getLogger(__name__)


def check_brokers(config: MqttConfig, servers: Sequence[BrokerAddress]) -> None:
    """Read every file that a connection needs, and say what the configuration costs.

    Raises:
        ConfigError: A file with a password or a certificate cannot be used, or none of the servers uses it.
    """
    username, password = credentials(config)
    if any(server.uses_tls for server in servers):
        tls_context(config)
    elif config.ca or config.cert:
        raise ConfigError("mqtt.ca and mqtt.cert are for mqtts:// and wss://, but none of mqtt.servers is one")
    if config.protocol != "5":
        logger.warning(
            "mqtt.protocol %s: brokers acknowledge even what their access rules drop, and do not say when nobody "
            "listens or how large an event may be; use 5 where the broker can",
            config.protocol,
        )
    if password is None and username is None:
        return
    for server in servers:
        if not server.uses_tls and server.host not in LOCAL:
            logger.warning("%s: user name and password are sent unencrypted; mqtts:// protects them", server)
