"""The computer it runs on: disk, clock, temperature, accelerator, and who may read what."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from facemask_edge import raspberry_pi
from facemask_edge.cameras import is_live
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.clock import clock_is_synchronized
from facemask_edge.config import Config
from facemask_edge.errors import InputError
from facemask_edge.outbox_view import counts
from facemask_edge.redaction import address_without_password

HOT = 80.0
"""Degrees Celsius from which on a Pi slows itself down."""
THERMAL = Path("/sys/class/thermal")
LOCKS = Path("/proc/locks")
UNIT = Path("/etc/systemd/system/facemask-edge.service")
UNSEEN = {"home", "root", "tmp"}
"""Folders of the root in which the service sees nothing."""
ROOMY = 2
"""Times ``outbox.min_free_bytes`` below which the disk is soon full."""


def check_outbox(config: Config) -> Iterator[Finding]:
    """Whether events can be kept."""
    path, floor = config.outbox.path, config.outbox.min_free_bytes
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield problem("disk", f"{folder}: {error.strerror}", "choose another outbox.path")
        return
    says = f"{free / 1e9:.1f} GB free at {folder}"
    if free < floor:
        yield problem(
            "disk", f"{says}, less than outbox.min_free_bytes: events are dropped", "delete what is not needed"
        )
    elif free < ROOMY * floor:
        yield warning("disk", says, f"delete what is not needed: below {floor / 1e6:.0f} MB events are dropped")
    else:
        yield ok("disk", says)
    if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        yield problem("outbox", f"this user may not write {path}", "run this as the daemon's user, or with sudo")
    else:
        yield _events(path)


def _events(path: Path) -> Finding:
    if not path.exists():
        return ok("outbox", "no event so far")
    try:
        waiting, dead, dropped = counts(path)
    except InputError as error:
        return warning("outbox", str(error), "it is set aside when the daemon starts; what is whole of it is kept")
    says = f"{waiting} events wait, {dead} dead letters, {dropped} dropped"
    if dead:
        return warning("outbox", says, "facemask-edge outbox list --dead says why")
    return ok("outbox", says)


def is_running(config: Config, locks: Path = LOCKS) -> bool:
    """Whether a daemon uses this configuration's outbox, as the kernel's list of locks has it.

    Asking for the lock would be simpler, but a daemon that starts in that moment would be refused.
    """
    try:
        inode = Path(f"{config.outbox.path}.lock").stat().st_ino
        held = locks.read_text()
    except OSError:
        return False
    # 1: FLOCK  ADVISORY  WRITE 713 fe:00:262146 0 EOF
    return any(line.split()[1] == "FLOCK" and line.split()[5].endswith(f":{inode}") for line in held.splitlines())


def check_places(config: Config) -> Iterator[Finding]:
    """Whether the service sees all files: it runs without the homes, and with a /tmp of its own."""
    if not UNIT.exists():
        return
    mqtt = config.mqtt
    sources = [Path(camera.source) for camera in config.cameras if not is_live(camera.source)]
    models = [Path(name) for name in (config.classifier.model, config.detector.model) if name]
    files = [mqtt.username_file, mqtt.password_file, mqtt.ca, mqtt.cert, mqtt.key, *sources, *models]
    for file in files:
        if file is not None and file.is_absolute() and file.parts[1] in UNSEEN:
            yield warning("permissions", f"the service does not see {file}", "move it to /etc/facemask-edge or /srv")


def check_clock() -> Iterator[Finding]:
    """Whether the times in events can be believed."""
    if clock_is_synchronized():
        yield ok("clock", "synchronized")
    else:
        yield warning(
            "clock",
            "not synchronized: events say so, and their times may be wrong",
            "see timedatectl; it needs a network",
        )


def check_temperature(thermal: Path = THERMAL, bits: int | None = None) -> Iterator[Finding]:
    """Whether the processor is slowed down by heat or by its power supply."""
    celsius = cpu_temperature(thermal)
    if celsius is not None:
        says = f"{celsius:.0f} °C"
        yield ok("temperature", says) if celsius < HOT else warning("temperature", says, "it is slowed down; cool it")
    bits = raspberry_pi.throttled() if bits is None else bits
    if bits is None:
        return
    now, before = raspberry_pi.reasons(bits), raspberry_pi.reasons(bits, raspberry_pi.SINCE_START)
    advice = "a power supply of its own make and a heat sink mend most of it"
    if now:
        yield warning("power", f"now: {', '.join(now)}", advice)
    elif before:
        yield warning("power", f"since the start there was a time when {', '.join(before)}", advice)
    else:
        yield ok("power", "never slowed down since the start")


def cpu_temperature(thermal: Path = THERMAL) -> float | None:
    """The processor's temperature in degrees Celsius; None where nothing measures it."""
    for zone in sorted(thermal.glob("thermal_zone*")):
        try:
            kind = (zone / "type").read_text().strip().lower()
            if "cpu" in kind or "x86_pkg" in kind or "soc" in kind:
                return int((zone / "temp").read_text()) / 1000
        except (OSError, ValueError):
            continue
    return None


def check_secrets(config: Config, file: Path | None) -> Iterator[Finding]:
    """Whether others on this computer may read a password."""
    held = [] if config.mqtt.password_file is None else [config.mqtt.password_file]
    sources = [camera.source for camera in config.cameras if is_live(camera.source)]
    if file is not None and any(address_without_password(source) != source for source in sources):
        held.append(file)
    for path in held:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & stat.S_IROTH:
            yield warning("permissions", f"everybody may read {path}, which holds a password", f"chmod o= {path}")
        else:
            yield ok("permissions", f"{path} is read by its owner and group only")
