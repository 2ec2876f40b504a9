"""The service that install.sh installs: whether it runs, what it sees, and where it may write."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from facemask_edge.cameras import is_live
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.config import Config

UNIT = Path("/etc/systemd/system/facemask-edge.service")
SYSTEMCTL = "/usr/bin/systemctl"
PATIENCE = 10.0
"""Seconds that systemd may take to answer."""
LOCKS = Path("/proc/locks")
STATE = Path("/var/lib/facemask-edge")
"""Where the unit lets it write."""
UNSEEN = tuple(Path("/", name) for name in ("home", "root", "run/user", "tmp", "var/tmp"))
"""Folders in which the service sees nothing of what others see: the homes, and those it has of its own."""


def check_daemon(*, is_used: bool) -> Finding:
    """Whether the daemon does what it is installed for.

    Args:
        is_used: As ``is_running`` says.
    """
    if is_used:
        return ok("daemon", "runs")
    if UNIT.exists():
        return problem("daemon", "does not run", "systemctl status facemask-edge; journalctl -u facemask-edge")
    return ok("daemon", "does not run now")


def is_running(config: Config, locks: Path = LOCKS) -> bool:
    """Whether a daemon runs: the service, or another one that uses this configuration's outbox."""
    # First the service: on a card that cannot be written there is no lock.
    return _known("MainPID") not in {"", "0"} or _is_locked(config.outbox.path, locks)


def check_places(config: Config) -> Iterator[Finding]:
    """Whether the service sees all files, and may write its own."""
    if not UNIT.exists():
        return
    mqtt, outbox = config.mqtt, config.outbox.path
    pictures = config.snapshots_path if config.snapshots.enabled and config.snapshots.retention_days else None
    sources = [Path(camera.source) for camera in config.cameras if not is_live(camera.source)]
    models = [Path(name) for name in (config.classifier.model, config.detector.model) if name]
    secrets = mqtt.username_file, mqtt.password_file, mqtt.ca, mqtt.cert, mqtt.key
    for file in (*secrets, *sources, *models, outbox, pictures):
        if file is not None and any(file.is_relative_to(folder) for folder in UNSEEN):
            advice = "keep it in /etc/facemask-edge or /srv, outbox and snapshots in /var/lib/facemask-edge"
            yield warning("permissions", f"the service does not see {file}", advice)
    # As a drop-in may have it; a path that need not be there begins with a minus.
    allowed = [STATE, *(Path(path.lstrip("-+")) for path in _known("ReadWritePaths").split()), *UNSEEN]

    def may_not_write(path: Path, subject: str, says: str) -> Iterator[Finding]:
        if any(path.is_relative_to(each) for each in allowed):
            return
        folder, drop_in = path.parent, f"{UNIT}.d/{subject}.conf"
        yield warning(
            subject,
            f"the service may not write {folder}: {says}",
            rf"printf '[Service]\nReadWritePaths={folder}\n' | sudo install -D -m 644 /dev/stdin {drop_in}; "
            "sudo systemctl daemon-reload; sudo systemctl restart facemask-edge",
        )

    yield from may_not_write(outbox, "outbox", "its events are kept in memory only")
    if pictures is not None and pictures.parent != outbox.parent:
        yield from may_not_write(pictures, "snapshots", "no picture is kept")


def _known(name: str) -> str:
    """What systemd knows of the service; empty where it is not installed, or systemd does not say."""
    if not UNIT.exists():
        return ""
    command = [SYSTEMCTL, "show", "--property", name, "--value", UNIT.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603 - the system's own
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _is_locked(outbox: Path, locks: Path) -> bool:
    """Whether somebody holds the outbox's lock, as the kernel's list of locks has it.

    Asking for the lock would be simpler, but a daemon that starts in that moment would be refused.
    """
    try:
        inode = Path(f"{outbox}.lock").stat().st_ino
        held = locks.read_text()
    except OSError:
        return False
    # 1: FLOCK  ADVISORY  WRITE 713 fe:00:262146 0 EOF
    return any(line.split()[1] == "FLOCK" and line.split()[5].endswith(f":{inode}") for line in held.splitlines())
