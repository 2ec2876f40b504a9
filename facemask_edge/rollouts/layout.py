"""What a rollout is made of, as its operator sees it, and as a device does.

The operator has a folder with ``fleet/`` for all, ``sites/NAME/`` for those of a site and ``devices/NAME/`` for one. In
each lie ``*.yaml`` files, as in ``config.d``, and what they name, such as ``models/``. Each becomes one archive, and on
the device one folder, so that the later one wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

METADATA = "metadata"
TARGETS = "targets"
"""Folders below the address at which rollouts are."""
FLEET, SITES, DEVICES = "fleet", "sites", "devices"


@dataclass(frozen=True, slots=True)
class Part:
    """What one audience gets."""

    archive: str
    """Name of the signed file."""
    folder: str
    """Where it is unpacked, in the folder of the rollout."""


def fleet_archive() -> str:
    """Name of what all devices get."""
    return f"{FLEET}.tar"


def site_archive(name: str) -> str:
    """Name of what those of a site get."""
    return f"{SITES}/{name}.tar"


def device_archive(name: str) -> str:
    """Name of what one device gets."""
    return f"{DEVICES}/{name}.tar"


def parts(device: str, site: str | None) -> Iterator[Part]:
    """What a device gets where there is such a thing; each wins over those before."""
    yield Part(fleet_archive(), "1-fleet")
    if site is not None:
        yield Part(site_archive(site), "2-site")
    yield Part(device_archive(device), "3-device")
