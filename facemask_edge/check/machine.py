"""The computer it runs on: disk, clock, temperature, accelerator, and who may read what."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from facemask_edge import raspberry_pi
from facemask_edge.cameras import is_live
from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.clock import clock_is_synchronized
from facemask_edge.config import Config
from facemask_edge.config_layers import read_layers
from facemask_edge.errors import InputError
from facemask_edge.outbox_view import counts
from facemask_edge.redaction import address_without_password
from facemask_edge.temperature import THERMAL, cpu_temperature

HOT = 80.0
"""Degrees Celsius from which on a Pi slows itself down."""
ROOMY = 2
"""Times ``outbox.min_free_bytes`` below which the disk is soon full."""


def check_outbox(config: Config) -> Iterator[Finding]:
    """Whether events can be kept."""
    path, floor = config.outbox.path, config.outbox.min_free_bytes
    try:
        folder = nearest(path.parent)
        disk = os.statvfs(folder)
    except OSError as error:
        advice = "run this as the daemon's user, or with sudo; or choose another outbox.path"
        yield problem("disk", f"{error.filename}: {error.strerror}", advice)
        return
    free = disk.f_bavail * disk.f_frsize
    says = f"{free / 1e9:.1f} GB free at {folder}"
    if free < floor:
        yield problem(
            "disk", f"{says}, less than outbox.min_free_bytes: events are dropped", "delete what is not needed"
        )
    elif free < ROOMY * floor:
        yield warning("disk", says, f"delete what is not needed: below {floor / 1e6:.0f} MB events are dropped")
    else:
        yield ok("disk", says)
    if disk.f_flag & os.ST_RDONLY:
        advice = "sudo dmesg says why; a card that fails is made read-only: copy it to a new one"
        yield problem("outbox", f"the file system of {folder} is read-only", advice)
    elif not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        yield problem("outbox", f"this user may not write {path}", "run this as the daemon's user, or with sudo")
    else:
        yield _events(path)


def nearest(folder: Path) -> Path:
    """The folder, or the first one above it that is there.

    Raises:
        OSError: This user may not even look.
    """
    return next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())


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


def check_secrets(config: Config, file: Path | None) -> Iterator[Finding]:
    """Whether others on this computer may read a password, or a private key."""
    files = config.mqtt.password_file, config.mqtt.key, config.http.password_file, config.http.key
    held = [file for file in files if file]
    sources = [camera.source for camera in config.cameras if is_live(camera.source)]
    if file is not None and any(address_without_password(source) != source for source in sources):
        held += [layer.path for layer in read_layers(file) if "cameras" in layer.values]
    for path in held:
        try:
            is_open = _is_open_to_all(path)
        except OSError:
            continue
        if is_open:
            yield warning("permissions", f"everybody may read {path}, which holds a secret", f"chmod o= {path}")
        else:
            yield ok("permissions", f"{path} is read by its owner and group only")


def _is_open_to_all(path: Path) -> bool:
    """Whether everybody may read a file: it, and no folder above keeps others out."""
    folders = path.absolute().parents
    return bool(path.stat().st_mode & stat.S_IROTH) and all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
