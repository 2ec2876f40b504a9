"""The server that was asked last, for the day on which what says which one that is is damaged on the card.

That may have come with the rollout in use: without it the device knows only what its image said, which may be a server
that is gone. Or it is the image's own file, which the rollout in use does not repeat.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from facemask_edge.config import RolloutConfig
from facemask_edge.rollouts.shelf import LastServer, Shelf

FILES = ("trust", "ca")
"""Keys of the section that name files which are copied: what is secret is not, and is in no rollout."""


def as_said(config: RolloutConfig) -> LastServer:
    """A server as a configuration says it, with what is in the files that it names.

    Raises:
        OSError: They cannot be read.
    """
    named = {key: getattr(config, key) for key in FILES}
    return LastServer(
        section=config, copies={key: file.read_bytes() for key, file in named.items() if file is not None}
    )


def remember(shelf: Shelf, server: LastServer) -> None:
    """Keep what is needed to ask it again.

    Raises:
        OSError: It cannot be kept.
    """
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
