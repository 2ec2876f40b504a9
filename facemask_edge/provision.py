"""First boot: puts what was left on the boot partition for this very device into its settings, and deletes it there.

All of it is checked first; then each file is put in place, at once and for good; then all of it is deleted. A power cut
in between leaves the folder, or the rest of it, and the next boot does it once more: to do it twice changes nothing.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from facemask_edge import boot_folder
from facemask_edge.boot_folder import CONFIG, DEVICE, LAYERS, PLACES, TLS
from facemask_edge.commented_config import commented_config
from facemask_edge.config import Config, HttpConfig, MqttConfig
from facemask_edge.config_file import load_config
from facemask_edge.credentials import credentials, page_password
from facemask_edge.device_identity import read_identity
from facemask_edge.errors import ConfigError, FacemaskError, OutputError
from facemask_edge.folder_copy import copy_contents
from facemask_edge.kept_file import replace_for_good, sync_folder
from facemask_edge.tls import tls_context

BY_CERTIFICATE = f"{LAYERS}/90-certificate.yaml"
"""The layer that says where certificate and key are and, where no other says it, the name of the device."""
MODELS = "models"
"""Of the settings, what is large and not looked at."""
logger = logging.getLogger(__name__)


def provision(folder: Path | None, settings: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Take over what lies in a folder, and delete the folder; what it does not have stays as it is.

    When something is wrong nothing is changed, and ``ERROR.txt`` in the folder says what it is.

    Args:
        folder: With any of the files of ``boot_folder.KNOWN``, and ``config.d/*.yaml``; None takes the first of
            ``boot_folder.PLACES`` that is there.
        settings: A folder; its group may read what is put there.
        environment: As ``load_config`` takes it.

    Raises:
        InputError: The folder cannot be read.
        ConfigError: A file is none that is known, is wrong, or does not fit to the others.
        OutputError: The settings cannot be written, or the folder cannot be deleted.
    """
    # It is written down.
    settings = settings.absolute()
    folder = folder or next((place for place in PLACES if place.is_dir()), PLACES[0])
    try:
        files = _checked(boot_folder.read_all(folder), settings, environment)
        _put(files, settings)
        boot_folder.delete(folder)
    except FacemaskError as error:
        if folder.is_dir():
            boot_folder.leave_word(folder, error)
        raise
    logger.info("%s: put in place from %s, which is deleted: %s", settings, folder, ", ".join(files) or "nothing")


def _checked(left: Mapping[str, bytes], settings: Path, environment: Mapping[str, str]) -> dict[str, bytes]:
    """All that is to be put in place, after it was tried in a copy of the settings."""
    if not left:
        return {}
    with TemporaryDirectory() as temporary:
        copy = Path(temporary, "settings")
        try:
            copy_contents(settings, copy, without=MODELS)
        except OSError as error:
            raise OutputError(f"{settings}: {error.strerror}; run this as root, after install.sh") from error
        begun = {} if (copy / CONFIG).exists() else {CONFIG: commented_config().encode()}
        try:
            return _Trial(settings, copy, environment).of({**begun, **left})
        except FacemaskError as error:
            # As who left the files knows them.
            said = f"{error}".replace(f"{copy}/{CONFIG}", DEVICE if CONFIG in left else f"{settings}/{CONFIG}")
            raise type(error)(said.replace(f"{copy}/", "")) from None
        except OSError as error:
            raise OutputError(f"{temporary}: {error.strerror}; the settings are tried there, make room") from error


class _Trial:
    """How the settings will be.

    Args:
        settings: As they are.
        copy: Of them, to be tried in.
        environment: As ``load_config`` takes it.
    """

    def __init__(self, settings: Path, copy: Path, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._copy = copy
        self._environment = environment

    def of(self, files: dict[str, bytes]) -> dict[str, bytes]:
        """The same files, with what follows from a certificate.

        Raises:
            ConfigError: The daemon would not start with them, or a broker would drop all that it says.
        """
        self._write(files)
        used = {key: str(self._settings / name) for key, name in TLS.items() if (self._copy / name).exists()}
        if ("cert" in used) != ("key" in used):
            raise ConfigError(f"{TLS['cert']} and {TLS['key']} belong together; give both")
        if used:
            files |= self._write({BY_CERTIFICATE: _layer({"mqtt": used})})
        config = self._loaded()
        if config.mqtt.cert != self._settings / TLS["cert"]:
            return files
        identity = read_identity(self._copy / TLS["cert"])
        if config.device.name is None:
            files |= self._write({BY_CERTIFICATE: _layer({"device": {"name": identity.name}, "mqtt": used})})
            config = self._loaded()
        if config.device.name != identity.name:
            raise ConfigError(
                f"device.name is {config.device.name}, but the certificate is for {identity.name}: a broker that goes "
                "by its name would drop every message; have one issued for this name, or leave device.name out"
            )
        if identity.is_expired:
            logger.warning("the certificate has expired on %s, if this clock is right", identity.valid_until.date())
        return files

    def _write(self, files: dict[str, bytes]) -> dict[str, bytes]:
        (self._copy / LAYERS).mkdir(exist_ok=True)
        for name, content in files.items():
            (self._copy / name).write_bytes(content)
        return files

    def _loaded(self) -> Config:
        config = load_config(self._copy / CONFIG, (), self._environment)
        secrets = {**self._environment, "CREDENTIALS_DIRECTORY": f"{self._copy}"}
        mqtt = config.mqtt.model_copy(update=self._moved(config.mqtt))
        credentials(mqtt, secrets)
        tls_context(mqtt)
        page_password(config.http.model_copy(update=self._moved(config.http)), secrets)
        return config

    def _moved(self, section: MqttConfig | HttpConfig) -> dict[str, Path]:
        """Files among the settings, which are to be looked for in the copy."""
        paths = {key: value for key, value in section if isinstance(value, Path)}
        return {
            key: self._copy / path.relative_to(self._settings)
            for key, path in paths.items()
            if path.is_relative_to(self._settings)
        }


def _layer(values: dict[str, dict[str, str]]) -> bytes:
    return f"# Made from the certificate by facemask-edge provision.\n{yaml.safe_dump(values)}".encode()


def _put(files: Mapping[str, bytes], settings: Path) -> None:
    try:
        group = settings.stat().st_gid
        if any(name.startswith(LAYERS) for name in files):
            _make_folder(settings / LAYERS, group)
        for name, content in files.items():
            replace_for_good(settings / name, content, 0o640, group)
    except OSError as error:
        raise OutputError(f"{settings}: {error.strerror}; run this as root, on a disk that can be written") from error


def _make_folder(folder: Path, group: int) -> None:
    """For the group to read, also where root keeps all to himself."""
    before = os.umask(0o027)
    try:
        # Not chmod: that would take from it, or may not give it, the bit that hands its group on.
        folder.mkdir(mode=0o750, exist_ok=True)
    finally:
        os.umask(before)
    os.chown(folder, -1, group)
    sync_folder(folder.parent)
