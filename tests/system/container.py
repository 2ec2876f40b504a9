"""A Debian that is really booted: systemd as process 1, in a container of systemd-nspawn, with the host's network."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError

from tests import debian

PACKAGES = "systemd,systemd-sysv,dbus,udev,python3,python3-venv,ca-certificates,procps"
NEEDS = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "nsenter": "util-linux"}
"""Program and its Debian package."""
SOURCES = {"Debian's mirror": debian.MIRROR, "PyPI": "https://pypi.org/simple/hatchling/"}
"""Where what is installed in a container comes from."""
BOOT_TIMEOUT = 60


def why_not() -> str | None:
    """Why no container can be made here; None when one can."""
    if reason := debian.missing(NEEDS):
        return reason
    if os.geteuid() != 0:
        return "only root may boot a container"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this machine makes no namespaces"


def unreachable() -> str | None:
    """Which place in the Internet, of those that are needed, does not answer; None when all do."""
    for name, url in SOURCES.items():
        try:
            urllib.request.urlopen(url, timeout=20).close()  # noqa: S310 - those of above
        except HTTPError:
            continue
        except OSError as error:
            return f"{name} cannot be reached: {error}"
    return None


def make_root(suite: str, folder: Path) -> Path:
    """A root file system of a Debian suite."""
    return debian.make_root(suite, PACKAGES, folder / suite)


class Container:
    """A running container."""

    def __init__(self, root: Path, init: int) -> None:
        self.root = root
        self._init = init

    def run(self, command: str, *, timeout: float = 120, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command of the shell inside, as root; with ``check``, it must succeed."""
        inside = ["nsenter", "--target", str(self._init), "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--"]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(
            [*inside, "sh", "-c", command],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
        assert not check or done.returncode == 0, (
            f"{command}: {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
        return done

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run(f"systemctl show --property {name} --value {unit}").stdout.strip()

    def log(self, unit: str) -> str:
        """All that a unit has logged."""
        return self.run(f"journalctl --unit {unit} --no-pager --output cat").stdout


@contextmanager
def booted(root: Path) -> Iterator[Container]:
    """Boot a root file system; it is changed by what is done inside."""
    command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe"]
    command += ["--directory", str(root), "--machine", f"facemask-{os.getpid()}", "--link-journal=no"]
    # Without it nspawn lets nobody ask for the clock's state, which systemd's own hardening must not do either.
    command += ["--capability=CAP_SYS_TIME"]
    # With the disks of other tests among its mounts, a container would keep those from being unmounted.
    leave = 'awk \'$3 ~ /^fuse/ {print $2}\' /proc/self/mounts | xargs -r umount --lazy; exec "$0" "$@"'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", leave, *command]
    nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        container = Container(root, _init_of(nspawn.pid))
        deadline = time.monotonic() + BOOT_TIMEOUT
        while time.monotonic() < deadline:
            state = container.run("systemctl is-system-running", check=False).stdout.strip()
            # Degraded: a unit that needs hardware has failed.
            if state in {"running", "degraded"}:
                break
            time.sleep(0.2)
        else:
            raise AssertionError("the container does not boot")
        yield container
    finally:
        # nspawn takes this for the wish to power off; then it is made to.
        nspawn.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            nspawn.wait(15)
        nspawn.kill()
        nspawn.communicate()


def _init_of(nspawn: int) -> int:
    """The container's process 1, as the host sees it."""
    children = Path(f"/proc/{nspawn}/task/{nspawn}/children")
    deadline = time.monotonic() + BOOT_TIMEOUT
    while time.monotonic() < deadline:
        for child in children.read_text().split():
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() in {"systemd", "init"}:
                    return int(child)
        time.sleep(0.1)
    raise AssertionError("the container does not start")
