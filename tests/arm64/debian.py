"""A Debian for arm64 with what a release archive installs on a Pi, run by qemu-user without the kernel's binfmt."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.arm64.judge import Boxes
from tests.debian import MIRROR
from tests.system.release import PIP, as_on_a_pi, bundle

HERE = Path(__file__).parent
EMULATOR = "qemu-aarch64-static"
TOOLS = {"mmdebstrap": "mmdebstrap", EMULATOR: "qemu-user-static"}
"""Program and its Debian package."""
# base-files has the links of a merged /usr, and the wheels want libstdc++, which every Debian has, because apt does.
PACKAGES = "base-files,python3,libstdc++6"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/bin", "PYTHONPATH": "/packages", "PYTHONDONTWRITEBYTECODE": "1"}


def why_not() -> str | None:
    """Why it cannot be made here; None when it can."""
    missing = sorted({package for program, package in TOOLS.items() if shutil.which(program) is None})
    if missing:
        return f"the Debian packages {', '.join(missing)} are not installed"
    return None if os.geteuid() == 0 else "only root may change its root file system"


def make_root(suite: str, python: str, folder: Path) -> Path:
    """The root file system of a Debian suite, whose Python has what a release archive brings for it."""
    root = folder / suite
    # Nothing is configured: that would start programs, each of which starts others.
    command = ["mmdebstrap", "--quiet", "--variant=extract", "--architectures=arm64", f"--include={PACKAGES}"]
    subprocess.run([*command, suite, str(root), MIRROR], check=True, timeout=600)
    wheels = bundle(folder, "aarch64", python) / "wheels"
    # From outside: pip needs a minute and more where it is emulated. It would ask its own Python what a wheel requires.
    pip = [*PIP, "install", "--quiet", "--target", str(root / "packages"), "--ignore-requires-python", "--no-compile"]
    subprocess.run([*pip, *as_on_a_pi(python, wheels), "facemask-edge[fleet]"], check=True, timeout=300)
    shutil.copy(str(shutil.which(EMULATOR)), root)
    return root


def judged(root: Path, processor: str, pictures: Path, boxes: Boxes, timeout: float) -> dict[str, Any]:
    """What ``judge.py`` prints in it, on a processor that QEMU knows."""
    shutil.copy(HERE / "judge.py", root)
    (root / "boxes.json").write_text(json.dumps(boxes))
    shutil.copytree(pictures, root / "pictures")
    # Named, and not left to binfmt, which few containers have.
    command = ["chroot", str(root), f"/{EMULATOR}", "-cpu", processor, "/usr/bin/python3", "/judge.py"]
    command += ["/pictures", "/boxes.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    return result
