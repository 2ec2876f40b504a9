"""A Debian Trixie with Home Assistant Core from PyPI, and with no more than it needs for MQTT."""

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from tests import debian

VERSION = "2026.2.3"
SUITE, PYTHON = "trixie", "3.13.5"
"""Home Assistant counts Python's patches, too."""
# Those that it has no wheel for, and where it needs none: uv installs while it runs, which it must not do here.
WITHOUT_WHEEL = {"lru-dict": "lru-dict>=1.4,<2", "uv": None}
MQTT = "paho-mqtt"
SOURCE_ONLY = "PyRIC==0.1.6.3"
"""Pure Python, needed by what it imports for Bluetooth, and published without a wheel."""


def why_not() -> str | None:
    """Why it cannot be made here; None when it can."""
    return debian.why_not()


def make_root(folder: Path) -> Path:
    """The root file system, with all of it."""
    root = debian.make_root(SUITE, "python3", folder / "root")
    library = Path(f"{root}{debian.LIBRARY}")
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), SOURCE_ONLY], check=True)
    wheel = ["download", "--quiet", "--no-deps", "--python-version", PYTHON, "--dest", str(wheels)]
    subprocess.run([*pip, *wheel, f"homeassistant=={VERSION}"], check=True, timeout=600)
    # pip would move each of its 30,000 files twice.
    (archive,) = wheels.glob("homeassistant-*.whl")
    with zipfile.ZipFile(archive) as content:
        content.extractall(library)
    constraints = folder / "constraints.txt"
    pinned = (library / "homeassistant" / "package_constraints.txt").read_text().splitlines()
    constraints.write_text("\n".join(line for line in pinned if _name(line) not in WITHOUT_WHEEL))
    # pip asks its own Python whether a package is for it.
    options = ["--ignore-requires-python", "--find-links", str(wheels), "--constraint", str(constraints)]
    debian.install(root, PYTHON, *options, *_requirements(library), MQTT)
    return root


def _requirements(library: Path) -> list[str]:
    """What it needs itself."""
    (found,) = metadata.distributions(name="homeassistant", path=[str(library)])
    needed = {_name(line): line for line in found.requires or []}
    return [line for line in (needed | WITHOUT_WHEEL).values() if line]


def _name(requirement: str) -> str:
    return requirement.partition("=")[0].strip()
