"""Whom a device's certificate names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facemask_edge.config import is_name
from facemask_edge.errors import ConfigError, ServiceError


@dataclass(frozen=True, slots=True)
class Identity:
    """What a certificate says of who shows it."""

    name: str
    """Its common name, which a device is called by: a broker's access rules go by it (docs/fleet/mosquitto.acl)."""
    valid_until: datetime

    @property
    def is_expired(self) -> bool:
        """By this computer's clock, which may be wrong."""
        return self.valid_until < datetime.now(UTC)


def read_identity(certificate: Path) -> Identity:
    """Read the first certificate of a PEM file.

    Raises:
        ConfigError: It is none, or its common name cannot be a device's.
        ServiceError: What reads certificates is not installed.
    """
    try:
        from cryptography import x509  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ServiceError("to read a certificate, install facemask-edge[fleet]") from error
    try:
        read = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = [str(each.value) for each in read.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{certificate}: no PEM certificate") from error
    # A broker takes the first one.
    name = names[0] if names else ""
    if not is_name(name):
        raise ConfigError(
            f"{certificate}: its common name {name!r} cannot be a device's; issue one for a name of letters, digits, "
            "hyphens, underscores and dots"
        )
    return Identity(name, read.not_valid_after_utc)
