"""A Debian Trixie with Home Assistant Core from PyPI: with what it needs to start and for MQTT, and its front end."""

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from tests import debian

VERSION = "2026.2.3"
SUITE, PYTHON = "trixie", "3.13.5"
"""Home Assistant asks for a patch of Python's, too."""
OTHERWISE = {"lru-dict": "lru-dict>=1.4,<2", "uv": None}
"""Of what it needs: one that has wheels in a later version only, and what it installs others with, which it may not."""
INTEGRATIONS = "paho-mqtt", "numpy", "av", "PyTurboJPEG", "home-assistant-frontend"
"""What its integrations MQTT, camera and frontend need, in the versions that it pins."""
SOURCE_ONLY = "PyRIC==0.1.6.3", "PyTurboJPEG==1.8.0"
"""Pure Python, needed by what it needs for Bluetooth and for cameras."""


def why_not() -> str | None:
    """Why it cannot be made here; None when it can."""
    return debian.why_not()


def make_root(folder: Path) -> Path:
    """The root file system, with all of it, in a folder that has room for what it is made from, too."""
    root = debian.make_root(SUITE, "python3,libturbojpeg0", folder / "root")
    library = Path(f"{root}{debian.LIBRARY}")
    wheels, constraints = folder / "wheels", folder / "constraints.txt"
    _pip("wheel", "--wheel-dir", str(wheels), *SOURCE_ONLY)
    _pip("download", "--dest", str(wheels), "--python-version", PYTHON, f"homeassistant=={VERSION}")
    # By pip each of its 47,000 files would be written twice.
    (archive,) = wheels.glob("homeassistant-*.whl")
    with zipfile.ZipFile(archive) as content:
        content.extractall(library)
    pinned = (library / "homeassistant" / "package_constraints.txt").read_text().splitlines()
    constraints.write_text("\n".join(line for line in pinned if _name(line) not in OTHERWISE))
    # Otherwise pip asks its own Python whether a package is for it.
    options = ["--ignore-requires-python", "--find-links", str(wheels), "--constraint", str(constraints)]
    debian.install(root, PYTHON, *options, *_requirements(library), *INTEGRATIONS)
    return root


def _pip(command: str, *arguments: str) -> None:
    """Fetch one package."""
    pip = [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", *arguments]
    subprocess.run(pip, check=True, timeout=600)


def _requirements(library: Path) -> list[str]:
    """What it needs for itself."""
    (found,) = metadata.distributions(name="homeassistant", path=[str(library)])
    needed = {_name(line): line for line in found.requires or []}
    return [line for line in (needed | OTHERWISE).values() if line]


def _name(requirement: str) -> str:
    return requirement.partition("=")[0]
