"""A Debian Trixie with the real libcamera, whose pipeline ``virtual`` plays pictures, and the real picamera2."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2

from facemask_edge.cameras.recording import Recording
from facemask_edge.demo import SAMPLE
from tests.conftest import ROOT
from tests.system.container import MIRROR

HERE = Path(__file__).parent
SUITE, PYTHON = "trixie", "3.13"
PACKAGES = "python3,python3-libcamera"
TOOLS = {"mmdebstrap": "mmdebstrap", "gcc": "gcc", "unshare": "util-linux"}
"""Program and its Debian package."""
# What picamera2 needs and has wheels for; the rest is in stand_ins.
WHEELS = ["av", "jsonschema", "libarchive-c", "piexif", "pillow", "simplejpeg", "tqdm", "videodev2"]
TESTS = ["pytest", "pytest-timeout"]
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"]
CONFIGURATION = "usr/share/libcamera/pipeline/virtual/virtual.yaml"
EVERY = 10
"""Frames of the sample from one picture to the next."""
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the root's own
    "LD_PRELOAD": "/devices.so",
    "PYTHONPATH": "/checkout/tests/picamera/stand_ins:/packages:/checkout",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def why_not() -> str | None:
    """Why it cannot be made here; None when it can."""
    missing = sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None})
    if missing:
        return f"the Debian packages {', '.join(missing)} are not installed"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "only root may mount what the root file system needs"


def make_root(folder: Path) -> Path:
    """The root file system, with all of it."""
    root = folder / "root"
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root), MIRROR]
    subprocess.run(command, check=True, timeout=600)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root / "packages")]
    pip += ["--python-version", PYTHON, "--only-binary=:all:", *(f"--platform={name}" for name in PLATFORMS)]
    subprocess.run([*pip, *_requirements(), *WHEELS, *TESTS], check=True, timeout=600)
    subprocess.run([*pip, "--no-deps", "picamera2==0.3.38"], check=True, timeout=600)
    library = ["gcc", "-shared", "-fPIC", "-Wall", "-o", str(root / "devices.so"), str(HERE / "devices.c"), "-ldl"]
    subprocess.run(library, check=True)
    (root / CONFIGURATION).parent.mkdir(parents=True)
    shutil.copy(HERE / "virtual.yaml", root / CONFIGURATION)
    (root / "frames").mkdir()
    (root / "checkout").mkdir()
    for frame in Recording(SAMPLE):
        if frame.index % EVERY == 0:
            cv2.imwrite(str(root / "frames" / f"{frame.index:04}.jpg"), frame.image)
    return root


def run(root: Path, *command: str, timeout: float) -> "subprocess.CompletedProcess[str]":
    """Run a command in it, with this checkout in ``/checkout``."""
    mounts = [f"mount --rbind /{name} {root}/{name}" for name in ("proc", "sys", "dev")]
    mounts.append(f"mount --bind {ROOT} {root}/checkout")
    environment = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    script = f'{" && ".join(mounts)} && exec chroot {root} env -i {environment} "$@"'
    inside = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
    return subprocess.run(inside, capture_output=True, text=True, timeout=timeout, check=False)


def _requirements() -> list[str]:
    """What the device needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [str(line) for line in project["dependencies"]]
