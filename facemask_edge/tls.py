"""How brokers and devices prove to each other who they are."""

import ssl
from pathlib import Path

from facemask_edge.config import HttpConfig, MqttConfig, RolloutConfig
from facemask_edge.errors import ConfigError


def tls_context(config: MqttConfig | RolloutConfig, section: str = "mqtt") -> ssl.SSLContext:
    """How a server's certificate is checked, and which one is shown to it.

    Args:
        config: Has the files.
        section: Its name, for errors.

    Raises:
        ConfigError: A file cannot be read or is no certificate.
    """
    try:
        context = ssl.create_default_context(cafile=str(config.ca) if config.ca else None)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{section}.ca {config.ca}: {_file_fault(error, 'certificate')}") from error
    # Debian's Python leaves it to the system's OpenSSL.
    context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
    if config.cert is not None:
        _load(context, section, config.cert, config.key)
    return context


def check_certificate(config: HttpConfig) -> bool:
    """Whether the HTTP server is to show a certificate, which can be used.

    Raises:
        ConfigError: A file cannot be read or is no certificate.
    """
    if config.cert is None:
        return False
    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "http", config.cert, config.key)
    return True


def _load(context: ssl.SSLContext, section: str, cert: Path, key: Path | None) -> None:
    try:
        # An encrypted key would ask for its password on the terminal.
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        fault = _file_fault(error, "certificate and key that belong together")
        raise ConfigError(f"{section}.cert {cert} with {section}.key {key}: {fault}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted; store one without a password")


def _file_fault(error: Exception, expected: str) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no PEM {expected} ({error.reason or error})"
    return getattr(error, "strerror", None) or str(error)
