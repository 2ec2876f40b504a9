"""Counts the starts after an end that was not orderly: a fault, a kill, a power cut.

A process that dies cannot count itself, so the file always holds the number of the next start: one more while this one
runs, the same again after an orderly end.
"""

import os
from pathlib import Path

from facemask_edge.count_file import CountFile


class Restarts:
    """How often this device was started again without having been stopped.

    Args:
        outbox: The outbox, which need not be there yet: a new one begins at 0.
    """

    def __init__(self, outbox: Path) -> None:
        self._file = CountFile(
            outbox.with_name(f"{outbox.name}.restarts"), unless_kept="should this program die, nobody counts it"
        )
        # os.path: what is wrong with the path is explained where the outbox is opened.
        self.count = self._file.read() if os.path.exists(outbox) else 0  # noqa: PTH110 - as above
        """So far, with this start."""

    def begin(self) -> None:
        """The work begins."""
        self._file.write(self.count + 1)

    def end(self) -> None:
        """It ends in order."""
        self._file.write(self.count)
