"""The server that the rollout in use was had from, for the day on which that one is damaged on the card.

What says where the server is, and whom to believe that it is the one, may have come with the rollout: without it the
device knows only what its image said, which may be a server that is gone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from facemask_edge.config import RolloutConfig
from facemask_edge.rollouts.shelf import LastServer, Shelf

FILES = ("trust", "ca", "cert", "key")
"""Keys of the section that name files."""


def remember(shelf: Shelf, config: RolloutConfig, delivered: Path) -> None:
    """Keep what is needed to ask this server again.

    Args:
        shelf: Where it is kept.
        config: What was used to ask it.
        delivered: Folder of the rollout in use; what lies there is copied.

    Raises:
        OSError: It cannot be kept.
    """
    named = {key: getattr(config, key) for key in FILES}
    copies = {key: file.read_bytes() for key, file in named.items() if file and file.is_relative_to(delivered)}
    server = LastServer(section=config, copies=copies)
    if server != shelf.last_server:
        shelf.last_server = server


@contextmanager
def remembered(shelf: Shelf) -> Iterator[RolloutConfig | None]:
    """What is needed to ask it; None where none was remembered. Its copies are there as long as this lasts.

    Raises:
        OSError: There is no room for the copies.
    """
    server = shelf.last_server
    if server is None:
        yield None
        return
    with TemporaryDirectory() as temporary:
        files = {key: Path(temporary, key) for key in server.copies}
        for key, file in files.items():
            file.touch(mode=0o600)
            file.write_bytes(server.copies[key])
        yield server.section.model_copy(update=files)
