"""A Debian Trixie with the real libcamera, whose pipeline ``virtual`` plays pictures, and the real picamera2."""

import shutil
import subprocess
import tomllib
from pathlib import Path

import cv2

from facemask_edge.cameras.recording import Recording
from facemask_edge.demo import SAMPLE
from tests import debian
from tests.conftest import ROOT

HERE = Path(__file__).parent
SUITE, PYTHON = "trixie", "3.13"
PACKAGES = "python3,python3-libcamera"
TOOLS = {"gcc": "gcc"}
"""Program and its Debian package."""
# What picamera2 needs and has wheels for; the rest is in stand_ins.
WHEELS = ["av", "jsonschema", "libarchive-c", "piexif", "pillow", "simplejpeg", "tqdm", "videodev2"]
TESTS = ["pytest", "pytest-timeout"]
CONFIGURATION = "usr/share/libcamera/pipeline/virtual/virtual.yaml"
EVERY = 10
"""Frames of the sample from one picture to the next."""
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the root's own
    "LD_PRELOAD": "/devices.so",
    "PYTHONPATH": f"/checkout/tests/picamera/stand_ins:{debian.LIBRARY}:/checkout",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def why_not() -> str | None:
    """Why it cannot be made here; None when it can."""
    return debian.why_not(TOOLS)


def make_root(folder: Path) -> Path:
    """The root file system, with all of it."""
    root = debian.make_root(SUITE, PACKAGES, folder / "root")
    debian.install(root, PYTHON, *_requirements(), *WHEELS, *TESTS)
    debian.install(root, PYTHON, "--no-deps", "picamera2==0.3.38")
    library = ["gcc", "-shared", "-fPIC", "-Wall", "-o", str(root / "devices.so"), str(HERE / "devices.c"), "-ldl"]
    subprocess.run(library, check=True)
    (root / CONFIGURATION).parent.mkdir(parents=True)
    shutil.copy(HERE / "virtual.yaml", root / CONFIGURATION)
    (root / "frames").mkdir()
    for frame in Recording(SAMPLE):
        if frame.index % EVERY == 0:
            cv2.imwrite(str(root / "frames" / f"{frame.index:04}.jpg"), frame.image)
    return root


def run(root: Path, *command: str, timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run a command in it, with this checkout in ``/checkout``."""
    inside = debian.command_in(root, {ROOT: "/checkout"}, ENVIRONMENT, *command)
    return subprocess.run(inside, capture_output=True, text=True, timeout=timeout, check=False)


def _requirements() -> list[str]:
    """What the device needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [str(line) for line in project["dependencies"]]
