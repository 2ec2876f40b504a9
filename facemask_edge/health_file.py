"""The newest health message as a file, for who looks after the daemon on the same device while no broker may be there.

systemd makes the folder (``RuntimeDirectory=``), and deletes it with all in it when the daemon ends.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

HEALTH_FILE = "health.json"
SERVICE_FOLDER = Path("/run/facemask-edge")
"""That of the installed service."""
GROUP_READABLE = 0o640


class HealthFile:
    """The file.

    Args:
        environment: Holds ``RUNTIME_DIRECTORY`` where there is such a folder.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        folder = environment.get("RUNTIME_DIRECTORY")
        self._file = Path(folder) / HEALTH_FILE if folder else None

    def write(self, message: str) -> None:
        """Replace what was said before; in memory, so nothing is waited for."""
        if self._file is None:
            return
        new = self._file.with_suffix(".new")
        # Whoever reads it finds nothing, and draws the conclusion.
        with suppress(OSError):
            new.write_text(message)
            new.chmod(GROUP_READABLE)
            new.replace(self._file)
