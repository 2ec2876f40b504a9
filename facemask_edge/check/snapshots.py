"""Whether pictures of violations can be kept."""

import os
from collections.abc import Iterator

from facemask_edge.check.finding import Finding, ok, problem, warning
from facemask_edge.check.machine import nearest
from facemask_edge.config import Config
from facemask_edge.snapshot_folder import room


def check_snapshots(config: Config) -> Iterator[Finding]:
    """The folder that they are kept in, where they are."""
    if not config.snapshots.enabled or config.snapshots.retention_days == 0:
        return
    path = config.snapshots_path
    try:
        folder = nearest(path)
        is_open = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        is_open = False
    if not is_open:
        advice = "run this as the daemon's user, or with sudo; or set snapshots.path"
        yield problem("snapshots", f"this user may not write {path}: none is kept", advice)
        return
    if room(config, folder) <= 0:
        advice = "delete what is not needed, or lower outbox.max_bytes: events come first"
        yield warning("snapshots", f"none is kept: too little of the disk of {path} is free", advice)
    else:
        yield ok("snapshots", f"kept for {config.snapshots.retention_days:g} days in {path}")
