"""A Debian's root file system with wheels of PyPI in it, and what it takes to run something there.

It has no processes and no network of its own: what runs in it shares this computer's.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
TOOLS = {"mmdebstrap": "mmdebstrap", "unshare": "util-linux"}
"""Program and its Debian package."""
LIBRARY = "/packages"
"""Where the wheels lie in it."""
PLATFORMS = ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"]


def missing(tools: Mapping[str, str]) -> str | None:
    """Which Debian packages of these programs this computer lacks; None when it has all."""
    absent = sorted({package for tool, package in tools.items() if shutil.which(tool) is None})
    return f"the Debian packages {', '.join(absent)} are not installed" if absent else None


def why_not(tools: Mapping[str, str] | None = None) -> str | None:
    """Why no root can be made and used here, or which of other programs is missing; None when all is there."""
    if reason := missing({**TOOLS, **(tools or {})}):
        return reason
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "only root may mount what the root file system needs"


def make_root(suite: str, packages: str, root: Path) -> Path:
    """Make one of a suite with Debian packages, their names parted by commas."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", suite, str(root), MIRROR]
    subprocess.run(command, check=True, timeout=600)
    return root


def install(root: Path, python: str, *arguments: str) -> None:
    """Unpack wheels for the root's Python by arguments of ``pip install``; nothing is built."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-warn-conflicts", "--no-compile"]
    pip += ["--target", f"{root}{LIBRARY}", "--python-version", python, "--only-binary=:all:"]
    pip += [f"--platform={name}" for name in PLATFORMS]
    subprocess.run([*pip, *arguments], check=True, timeout=600)


def command_in(root: Path, folders: Mapping[Path, str], environment: Mapping[str, str], *command: str) -> list[str]:
    """The command that runs another in the root.

    Args:
        root: The root.
        folders: Of this computer's folders, where each is seen in the root.
        environment: All of the command's environment.
        command: What is to run; it takes the place of the process that is started.
    """
    mounts = [f"mount --rbind /{name} {root}/{name}" for name in ("proc", "sys", "dev")]
    for folder, place in folders.items():
        (root / place.removeprefix("/")).mkdir(exist_ok=True)
        mounts.append(f"mount --bind {folder} {root}{place}")
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    script = f'{" && ".join(mounts)} && exec chroot {root} env -i {variables} "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]
