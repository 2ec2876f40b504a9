"""Boots Debian's kernel under QEMU, with this computer's own files and a V4L2 camera that the kernel makes up.

The machine's root is this computer's root, read only over 9p: what runs in it is this checkout, by this Python. Its
camera is the driver ``vivid``. Needs root and the Debian packages qemu-system-x86, busybox-static, kmod and cpio; the
kernel is fetched by apt. Without KVM, which is not everywhere: it takes six seconds to boot, and all runs slower.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KERNEL_PACKAGE = "linux-image-amd64"
MODULES = ("virtio_pci", "9pnet_virtio", "9p")
"""What the first minute needs; the camera's driver is loaded from there, too."""
CAMERA = ("vivid", "n_devs=1 node_types=0x1")
TOOLS = ("qemu-system-x86_64", "busybox", "modprobe", "depmod", "cpio", "apt-get", "dpkg-deb")
MEMORY = "1024"
"""MiB."""
_EXIT = re.compile(r"^ended with (\d+)\r?$", re.MULTILINE)
_INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
load() {{ while read -r module; do insmod $module || echo "not loaded: $module"; done <$1; }}
load /modules
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose root /root
load /camera
mkdir /dev/shm /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t devpts devpts /dev/pts
for place in proc sys dev; do mount --move /$place /root/$place; done
chroot /root /bin/sh -c {command} </root/dev/null
echo "ended with $?"
echo o >/root/proc/sysrq-trigger; sleep 60
"""


def why_not() -> str | None:
    """What this computer lacks; None when it can boot the machine."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing: install the Debian packages qemu-system-x86 busybox-static kmod cpio"
    if os.geteuid():
        return "needs root: the machine reads all files of this computer"
    return None


def fetch_kernel(folder: Path) -> Path:
    """Unpack the newest kernel of this Debian into a folder; nothing is installed.

    Raises:
        subprocess.CalledProcessError: It cannot be fetched.
    """
    shown = _output("apt-cache", "depends", KERNEL_PACKAGE)
    package = next(line.split()[-1] for line in shown.splitlines() if "Depends: linux-image-" in line)
    _output("apt-get", "download", "-qq", package, cwd=folder)
    (archive,) = folder.glob("linux-image-*.deb")
    _output("dpkg-deb", "--extract", archive.name, ".", cwd=folder)
    archive.unlink()
    (modules,) = (folder / "lib" / "modules").iterdir()
    _output("depmod", "-b", str(folder), modules.name)
    return folder


def run(kernel: Path, command: str, *, timeout: float) -> tuple[int, str]:
    """Boot the machine, run a shell command in it and switch it off.

    Args:
        kernel: As ``fetch_kernel`` leaves it.
        command: Runs as root in this computer's files, of which only ``/dev/shm`` can be written.
        timeout: Seconds for all of it.

    Returns:
        The command's exit code and all that the machine's console showed.

    Raises:
        RuntimeError: It did not boot, or did not come to the command's end in time.
    """
    with tempfile.TemporaryDirectory() as folder:
        initial = _initial_files(Path(folder), kernel, command)
        (image,) = (kernel / "boot").glob("vmlinuz-*")
        shared = "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"
        machine = [
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            MEMORY,
            "-smp",
            "2",
            "-kernel",
            str(image),
        ]
        machine += ["-initrd", str(initial), "-append", "console=ttyS0 quiet panic=1", "-virtfs", shared]
        machine += ["-nographic", "-no-reboot", "-nic", "none"]
        try:
            done = subprocess.run(machine, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as late:
            raise RuntimeError(
                f"not ended after {timeout:g} s:\n{(late.stdout or b'').decode(errors='replace')}"
            ) from None
    console = done.stdout.decode(errors="replace")
    ended = _EXIT.search(console)
    if ended is None:
        raise RuntimeError(f"it did not come so far:\n{console}\n{done.stderr.decode(errors='replace')}")
    return int(ended[1]), console


def _initial_files(folder: Path, kernel: Path, command: str) -> Path:
    """The files that the kernel starts with: busybox, the modules and what is to be done."""
    root = folder / "root"
    for name in ("bin", "proc", "sys", "dev", "root", "lib"):
        (root / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox") or "", root / "bin" / "busybox")
    listed: list[str] = []
    for name, wanted in (("modules", [(module, "") for module in MODULES]), ("camera", [CAMERA])):
        lines = []
        for module, options in wanted:
            for path in _modules(kernel, module):
                if path.name not in listed:
                    listed.append(path.name)
                    shutil.copy(path, root / "lib" / path.name)
                    lines.append(f"/lib/{path.name} {options if path.stem == module else ''}".rstrip())
        (root / name).write_text("\n".join(lines) + "\n")
    init = root / "init"
    init.write_text(_INIT.format(command=shlex.quote(command)))
    init.chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in [root, *root.rglob("*")])
    archive = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc"],
        input=names.encode(),
        cwd=root,
        capture_output=True,
        check=True,
    ).stdout
    initial = folder / "initial.cpio"
    initial.write_bytes(archive)
    return initial


def _modules(kernel: Path, name: str) -> list[Path]:
    """A module's file after those that it needs."""
    (modules,) = (kernel / "lib" / "modules").iterdir()
    shown = _output("modprobe", "-d", str(kernel), "-S", modules.name, "--show-depends", name)
    return [Path(line.split()[1]) for line in shown.splitlines() if line.startswith("insmod ")]


def _output(*command: str, cwd: Path | None = None) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as kernel_folder:
        code, shown_there = run(fetch_kernel(Path(kernel_folder)), " ".join(sys.argv[1:]) or "id", timeout=600)
    print(shown_there)
    sys.exit(code)
