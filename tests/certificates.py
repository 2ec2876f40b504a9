"""Certificates for the tests' brokers and devices, made anew each time."""

from pathlib import Path

import trustme


def authority(file: Path) -> trustme.CA:
    """One who signs certificates; its own one is written to ``file``."""
    made = trustme.CA()
    made.cert_pem.write_to_path(file)
    return made


def issue(signed_by: trustme.CA, name: str, folder: Path) -> tuple[Path, Path]:
    """Files of a certificate for a host or person, and of its key."""
    issued = signed_by.issue_cert(name)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return certificate, key


def tls_listener(port: int, certificate: Path, key: Path, *more: str) -> list[str]:
    """Lines of Mosquitto's configuration: a further listener, with TLS."""
    return [f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}", *more]
