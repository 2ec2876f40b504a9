"""Brings the newest rollout to the device: nothing that the root of trust does not vouch for.

The Update Framework's client checks signatures, SHA-256, lengths, that nothing is older than what was there before, and
how long the operator vouches for it.
"""

import hashlib
import logging
import shutil
import ssl
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import IO

import urllib3
from tuf.api.exceptions import DownloadError, DownloadHTTPError, ExpiredMetadataError, RepositoryError
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from facemask_edge.config import RolloutConfig
from facemask_edge.errors import ConfigError, OutputError, ServiceError
from facemask_edge.folder_copy import copy_contents
from facemask_edge.rollouts.layout import METADATA, TARGETS, Part, parts
from facemask_edge.rollouts.shelf import Shelf
from facemask_edge.tls import tls_context

TIMEOUT = 30.0
"""Seconds to connect, and between two pieces of an answer."""
CHUNK = 65536
"""Bytes."""
WHOSE_TRUST = "put the trust.json there that facemask-edge rollout keys has made"
LARGEST_TARGETS = 50_000_000
"""Bytes of the list of all that is signed: some 200 a device."""
# The library tells of each step.
logging.getLogger("tuf").setLevel(logging.WARNING)


class Offer:
    """What a device is to have.

    Args:
        config: Whose server has it.
        updater: Has read what was signed.
        found: Where it lies.
        version: The operator's number.
    """

    def __init__(
        self, config: RolloutConfig, updater: Updater, found: list[tuple[Part, TargetFile]], version: int
    ) -> None:
        self._config = config
        self._updater = updater
        self._found = found
        self.version = version
        content = "".join(f"{part.folder} {info.hashes['sha256']}\n" for part, info in found)
        self.name = hashlib.sha256(content.encode()).hexdigest()[:16]
        """The same for the same content."""

    def take(self, shelf: Shelf) -> None:
        """Put it on the shelf, where it is not yet.

        Raises:
            ServiceError: It cannot be read, or is not to be trusted.
            OutputError: It cannot be kept.
        """
        if shelf.has(self.name):
            return
        with _explained(self._config), shelf.adding(self.name) as folder:
            for part, info in self._found:
                archive = folder / "archive.tar"
                self._updater.download_target(info, str(archive))
                _unpack(archive, folder / part.folder)
                archive.unlink()


def offered(config: RolloutConfig, device: str, shelf: Shelf) -> Offer:
    """Find out what this device is to have.

    Raises:
        ConfigError: The root of trust or a certificate cannot be read.
        ServiceError: The server cannot be reached, or what it offers is not to be trusted.
        OutputError: What was signed cannot be kept.
    """
    with _explained(config):
        updater = _refreshed(config, shelf.metadata)
        found = [(part, info) for part in parts(device, config.site) if (info := updater.get_targetinfo(part.archive))]
        return Offer(config, updater, found, _version(shelf.metadata))


def look(config: RolloutConfig, known: Path | None = None) -> int:
    """The number of the newest rollout; nothing of it is taken.

    Args:
        config: Whose server is asked.
        known: Folder of what was signed before, against which it is held; it stays as it is.

    Raises:
        ConfigError: The root of trust or a certificate cannot be read.
        ServiceError: The server cannot be reached, or what it offers is not to be trusted.
        OutputError: There is no room for what was signed.
    """
    with _explained(config), tempfile.TemporaryDirectory() as temporary:
        metadata = Path(temporary, "metadata")
        if known is None:
            metadata.mkdir()
        else:
            copy_contents(known, metadata)
        _refreshed(config, metadata)
        return _version(metadata)


@contextmanager
def _explained(config: RolloutConfig) -> Iterator[None]:
    try:
        yield
    except ExpiredMetadataError as error:
        raise ServiceError(
            f"{config.url}: nobody vouches any more for what is there; its operator has to publish again ({error})"
        ) from error
    except RepositoryError as error:
        raise ServiceError(f"{config.url}: not to be trusted, and left alone: {error}") from error
    except DownloadError as error:
        raise ServiceError(f"{config.url}: {_told(error)}") from error
    except OSError as error:
        raise OutputError(f"{error.filename or config.path}: {error.strerror or error}") from error


def _refreshed(config: RolloutConfig, metadata: Path) -> Updater:
    if config.url is None:
        raise ConfigError("rollout.url is not set: nobody says where rollouts are, see docs/fleet.md")
    fetcher = _Fetcher(tls_context(config, "rollout"))
    try:
        updater = Updater(
            metadata_dir=str(metadata),
            metadata_base_url=f"{config.url}/{METADATA}",
            target_base_url=f"{config.url}/{TARGETS}",
            fetcher=fetcher,
            config=UpdaterConfig(targets_max_length=LARGEST_TARGETS),
            bootstrap=_trust(config.trust),
        )
    except RepositoryError as error:
        raise ConfigError(f"rollout.trust {config.trust}: no root of trust; {WHOSE_TRUST}") from error
    updater.refresh()
    return updater


def _unpack(archive: Path, folder: Path) -> None:
    """Write the files of an archive, in which there is nothing else.

    By hand, as the Python of Debian 12 (3.11.2) knows no filter yet that would keep ``tarfile`` from all the rest.
    """
    folder.mkdir()
    try:
        with tarfile.open(archive, "r:") as content:
            for name, packed in _files(content):
                file = folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("xb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
    except (tarfile.TarError, FileExistsError) as error:
        raise ServiceError(f"{folder.name}: no archive that facemask-edge rollout publish has made") from error


def _files(archive: tarfile.TarFile) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    for member in archive:
        name = PurePosixPath(member.name)
        packed = archive.extractfile(member) if member.isreg() else None
        if packed is None or name.is_absolute() or ".." in name.parts:
            raise tarfile.TarError(f"{name}: no file that belongs there")
        yield name, packed


def _version(metadata: Path) -> int:
    """Of what was read last."""
    return Metadata[Targets].from_file(str(metadata / "targets.json")).signed.version


def _trust(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"rollout.trust {file}: {error.strerror}; {WHOSE_TRUST}") from error


def _told(error: DownloadError) -> str:
    if isinstance(error, DownloadHTTPError):
        return f"the server answers {error.status_code}; is this where facemask-edge rollout publish has written to?"
    cause = error.__cause__
    if isinstance(cause, urllib3.exceptions.MaxRetryError):
        cause = cause.reason
    return f"cannot be read: {cause or error}"


class _Fetcher(FetcherInterface):
    """Reads by HTTPS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        # A server that is busy for an hour is asked again later, by the timer.
        retries = urllib3.Retry(2, redirect=False, respect_retry_after_header=False)
        self._pool = urllib3.PoolManager(ssl_context=context, timeout=urllib3.Timeout(TIMEOUT), retries=retries)

    def _fetch(self, url: str) -> Iterator[bytes]:
        # A redirection must not lead to where nothing is encrypted.
        response = self._pool.request("GET", url, preload_content=False, redirect=False)
        if response.status != HTTPStatus.OK:
            response.close()
            raise DownloadHTTPError(f"{url}: {response.status}", response.status)
        return _pieces(response)


def _pieces(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK)
    except urllib3.exceptions.HTTPError as error:
        # Only what comes before the first piece is one already.
        raise DownloadError(f"broke off: {error}") from error
    finally:
        response.close()
