"""The Mosquitto of docs/fleet, with all its files in one folder."""

from pathlib import Path

from tests.make_dashboard import FLEET

PLACES = ("/etc/mosquitto/certs/", "/etc/mosquitto/")
"""Folders of the example."""


def example_broker(folder: Path, port: int) -> list[str]:
    """Lines of its configuration, for a port of 127.0.0.1; its access rules are put into the folder.

    Its certificates are to lie there: ``fleet-ca.pem``, ``broker.pem`` and ``broker.key``.
    """
    (folder / "fleet.acl").write_text((FLEET / "mosquitto.acl").read_text())
    example = (FLEET / "mosquitto.conf").read_text().replace("listener 8883", f"listener {port} 127.0.0.1")
    for place in PLACES:
        example = example.replace(place, f"{folder}/")
    # Where its files are is set already; the tests' own listener lets nobody in.
    return [line for line in example.splitlines() if not line.startswith("persistence_location")]
