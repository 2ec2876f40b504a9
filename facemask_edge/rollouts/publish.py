"""The operator's side: signs a folder of configuration and models, for a web server to hand out.

Signed by The Update Framework (https://theupdateframework.io): with it a device also notices an older rollout that
somebody offers as the newest one, and one that is held back, and learns of a new key by itself.
"""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner, Signer, SSlibKey
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from facemask_edge.config import is_name
from facemask_edge.config_file import validated
from facemask_edge.config_layers import Layer, read_folder
from facemask_edge.errors import ConfigError, InputError, OutputError
from facemask_edge.kept_file import replace_for_good
from facemask_edge.manifest import MANIFEST, find_model, read_manifest
from facemask_edge.rollouts.layout import (
    DEVICES,
    FLEET,
    METADATA,
    SITES,
    TARGETS,
    device_archive,
    fleet_archive,
    site_archive,
)

ROOT_YEARS = 10
"""For which a root of trust holds; a new one is signed with ``renew`` before."""
OWN = ("device", "name"), ("rollout", "site")
"""What a device knows before it asks; its own part may still say of which site it is."""
ROOT_KEY, ROLLOUT_KEY = "root.pem", "rollout.pem"
TRUST = "trust.json"
"""The newest root of trust: what each device gets a copy of."""
ROLES = Targets.type, Snapshot.type, Timestamp.type
"""What the key of the rollouts signs."""
NUMBER = "number"
"""File beside the keys with the number of the newest rollout."""
PUBLIC = 0o644


@dataclass(frozen=True, slots=True)
class Published:
    """What was signed."""

    version: int
    archives: tuple[str, ...]
    until: datetime


def make_keys(folder: Path) -> Path:
    """Make the two keys of a fleet, and the root of trust that its devices get.

    Args:
        folder: For them; that of the root can be kept elsewhere until ``renew`` needs it.

    Returns:
        The file for the devices.

    Raises:
        OutputError: There are keys already, or it cannot be written.
    """
    if (folder / TRUST).exists():
        raise OutputError(f"{folder} has keys already; devices trust no others: name another folder for another fleet")
    root_key, rollout_key = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    root = Root()
    root.add_key(root_key.public_key, Root.type)
    for role in ROLES:
        root.add_key(rollout_key.public_key, role)
    _write(folder / ROOT_KEY, root_key.private_bytes)
    _write(folder / ROLLOUT_KEY, rollout_key.private_bytes)
    return _sign_root(root, root_key, folder)


def renew(folder: Path) -> Path:
    """Make another key for the rollouts, and a root of trust that says so; devices learn of it with the next rollout.

    Raises:
        InputError: There are no keys, or that of the root is not the one that devices trust.
        OutputError: It cannot be written.
    """
    root = _read_root(folder)
    root_key, rollout_key = _key(folder / ROOT_KEY), CryptoSigner.generate_ed25519()
    if root_key.public_key.keyid not in root.roles[Root.type].keyids:
        raise InputError(f"{folder / ROOT_KEY} is not the key of {folder / TRUST}")
    for role in ROLES:
        for former in list(root.roles[role].keyids):
            root.revoke_key(former, role)
        root.add_key(rollout_key.public_key, role)
    root.version += 1
    # At last: before, the former key fits the former root.
    trust = _sign_root(root, root_key, folder)
    _write(folder / ROLLOUT_KEY, rollout_key.private_bytes)
    return trust


def publish(source: Path, keys: Path, output: Path, *, days: int) -> Published:
    """Sign what a fleet is to have, and leave it for a web server.

    Args:
        source: Folder of the rollout, see ``layout.py``.
        keys: Folder that ``make_keys`` has made; the key of the root is not needed.
        output: Folder of the web server; what was published there before stays, for those who are reading it.
        days: For which devices believe that this is the newest; then they want it to be signed again.

    Raises:
        InputError: The rollout or a key cannot be read.
        ConfigError: A configuration is wrong.
        ModelError: A model is not the one of its manifest.
        OutputError: It cannot be written.
    """
    archives = {name: _packed(folder) for name, folder in _audiences(source)}
    root, signer = _read_root(keys), _key(keys / ROLLOUT_KEY)
    if signer.public_key.keyid not in root.roles[Targets.type].keyids:
        raise InputError(f"{keys / ROLLOUT_KEY} is not the key that {keys / TRUST} names")
    # Also where the web server's folder is another one: devices take no number that they had.
    version = max(_last_version(output), _last_number(keys)) + 1
    _write(keys / NUMBER, f"{version}\n".encode())
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    targets = Targets(version=version, expires=until)
    for name, content in archives.items():
        info = TargetFile.from_data(name, content, ["sha256"])
        targets.targets[name] = info
        _write(output / TARGETS / info.get_prefixed_paths()[0], content, PUBLIC)
    snapshot = Snapshot(version=version, expires=until, meta={"targets.json": MetaFile(version)})
    timestamp = Timestamp(version=version, expires=until, snapshot_meta=MetaFile(version))
    metadata = output / METADATA
    for number in range(1, root.version + 1):
        name = f"{number}.root.json"
        _write(metadata / name, _read(keys / name), PUBLIC)
    _write(metadata / f"{version}.targets.json", _signed(targets, signer), PUBLIC)
    _write(metadata / f"{version}.snapshot.json", _signed(snapshot, signer), PUBLIC)
    # At last: with it a device begins.
    _write(metadata / "timestamp.json", _signed(timestamp, signer), PUBLIC)
    return Published(version, tuple(archives), until)


def _audiences(source: Path) -> Iterator[tuple[str, Path]]:
    """Each archive's name and folder; what is in it is checked as far as it can be here."""
    strangers = sorted({entry.name for entry in _entries(source)} - {FLEET, SITES, DEVICES})
    if strangers:
        raise InputError(
            f"{source / strangers[0]}: a rollout has {FLEET}/, {SITES}/NAME/ and {DEVICES}/NAME/, no other"
        )
    fleet: list[Layer] = []
    if (source / FLEET).exists():
        _entries(source / FLEET)
        fleet = _checked(source / FLEET, [], OWN)
        yield fleet_archive(), source / FLEET
    for kind, archive in ((SITES, site_archive), (DEVICES, device_archive)):
        for folder in _entries(source / kind) if (source / kind).exists() else ():
            if not is_name(folder.name) or not folder.is_dir():
                raise InputError(f"{folder}: here are folders, each called as a device or a site may be")
            _checked(folder, fleet, OWN if kind == SITES else OWN[:1])
            yield archive(folder.name), folder


def _checked(folder: Path, before: list[Layer], own: Sequence[tuple[str, str]]) -> list[Layer]:
    added = read_folder(folder)
    layers = [*before, *added]
    validated(layers)
    for layer in added:
        for section, key in own:
            if key in layer.values.get(section, {}):
                raise ConfigError(f"{layer.path}: {section}.{key} says which parts a device gets, and cannot be in one")
        if layer.values.get("rollout", {}).get("url", "") is None:
            raise ConfigError(f"{layer.path}: rollout.url is null: no device that takes this would take another one")
    for manifest in folder.rglob(MANIFEST):
        for entry in read_manifest(manifest.parent).models:
            find_model(f"{manifest.parent.absolute() / entry.file}")
    return layers


def _packed(folder: Path) -> bytes:
    """All files, in the same bytes each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise InputError(f"{path}: a rollout is made of files and folders only")
            if path.is_file():
                content = _read(path)
                member = tarfile.TarInfo(path.relative_to(folder).as_posix())
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _sign_root(root: Root, key: Signer, folder: Path) -> Path:
    root.expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365 * ROOT_YEARS)
    content = _signed(root, key)
    _write(folder / f"{root.version}.root.json", content, PUBLIC)
    trust = folder / TRUST
    _write(trust, content, PUBLIC)
    return trust


def _signed(content: Root | Targets | Snapshot | Timestamp, key: Signer) -> bytes:
    metadata: Metadata[Any] = Metadata(content)
    metadata.sign(key)
    return metadata.to_bytes()


def _read_root(folder: Path) -> Root:
    try:
        return Metadata[Root].from_bytes(_read(folder / TRUST)).signed
    except (DeserializationError, RepositoryError) as error:
        raise InputError(f"{folder / TRUST}: no root of trust, make one with: facemask-edge rollout keys") from error


def _key(file: Path) -> CryptoSigner:
    try:
        private = load_pem_private_key(_read(file), None)
        return CryptoSigner(private, SSlibKey.from_crypto(private.public_key()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file}: no key that facemask-edge rollout keys has made") from error


def _last_version(output: Path) -> int:
    file = output / METADATA / "timestamp.json"
    if not file.exists():
        return 0
    try:
        return Metadata[Timestamp].from_bytes(_read(file)).signed.version
    except (DeserializationError, RepositoryError) as error:
        raise InputError(f"{file}: cannot be read, and devices take no older version; restore it") from error


def _last_number(keys: Path) -> int:
    file = keys / NUMBER
    if not file.exists():
        return 0
    try:
        return int(_read(file))
    except ValueError as error:
        raise InputError(f"{file}: write the number of the newest rollout there, which devices have") from error


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; name the folder of a rollout") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error


def _write(file: Path, content: bytes, mode: int = 0o600) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_for_good(file, content, mode)
    except OSError as error:
        raise OutputError(f"{file}: {error.strerror}") from error
