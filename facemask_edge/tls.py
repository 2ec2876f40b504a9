"""How brokers and devices prove to each other who they are."""

import ssl

from facemask_edge.config import MqttConfig
from facemask_edge.errors import ConfigError


def tls_context(config: MqttConfig) -> ssl.SSLContext:
    """How a broker's certificate is checked, and which one is shown to it.

    Raises:
        ConfigError: A file cannot be read or is no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(config.ca) if config.ca else None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"mqtt.ca {config.ca}: {_file_fault(error, 'certificate')}") from error
    if config.cert is not None:
        try:
            # An encrypted key would ask for its password on the terminal.
            context.load_cert_chain(config.cert, config.key, password=_no_password)
        except (OSError, ValueError) as error:
            fault = _file_fault(error, "certificate and key that belong together")
            raise ConfigError(f"mqtt.cert {config.cert} with mqtt.key {config.key}: {fault}") from error
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; store one without a password")


def _file_fault(error: Exception, expected: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no PEM {expected} ({error.reason or error})"
    return getattr(error, "strerror", None) or str(error)
