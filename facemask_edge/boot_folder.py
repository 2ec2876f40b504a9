"""The folder on the boot partition in which somebody leaves what one device is given; any computer can read it."""

import codecs
import difflib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from facemask_edge.config_layers import MAX_CONFIG_BYTES
from facemask_edge.errors import ConfigError, FacemaskError, InputError, OutputError
from facemask_edge.kept_file import sync_folder

PLACES = (Path("/boot/firmware/facemask-edge"), Path("/boot/facemask-edge"))
"""Where it lies on a Raspberry Pi."""
DEVICE = "device.yaml"
CONFIG = "config.yaml"
"""What the former is called among the settings."""
LAYERS = "config.d"
TLS = {"ca": "mqtt_ca.pem", "cert": "mqtt_cert.pem", "key": "mqtt_key.pem"}
"""Files by their keys in the section ``mqtt``."""
KNOWN = (DEVICE, "mqtt_username", "mqtt_password", "http_password", *TLS.values())
ERROR = "ERROR.txt"
LEFT_BY_WINDOWS = {"desktop.ini", "Thumbs.db"}
logger = logging.getLogger(__name__)


def read_all(folder: Path) -> dict[str, bytes]:
    """All that was left: contents by the names that the files have among the settings.

    Raises:
        InputError: Something cannot be read.
        ConfigError: A file has a name that is not known, or is no text.
        OutputError: It could not be deleted later.
    """
    files = {CONFIG if name == DEVICE else name: _text(folder / name) for name in _names(folder)}
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{folder}: it could not be deleted afterwards; let the boot partition be writable")
    return files


def delete(folder: Path) -> None:
    """Delete it with all that is in it, and for good.

    Raises:
        OutputError: It cannot be deleted.
    """
    try:
        shutil.rmtree(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise OutputError(
            f"{folder}: {error.strerror}; delete it, as everybody can read it who has the card"
        ) from error


def leave_word(folder: Path, error: FacemaskError) -> None:
    """Say there, to who pulls the card and reads it on a laptop, why nothing was done."""
    try:
        with (folder / ERROR).open("w", encoding="utf-8", newline="\r\n") as file:
            file.write(f"{error}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as fault:
        logger.warning("%s cannot be written: %s", folder / ERROR, fault.strerror)


def _names(folder: Path) -> Iterator[str]:
    try:
        for each in sorted(folder.iterdir()):
            if each.name == LAYERS and each.is_dir():
                yield from (_known(folder, f"{LAYERS}/{layer.name}") for layer in _visible(each))
        yield from (_known(folder, each.name) for each in _visible(folder) if each.name not in {ERROR, LAYERS})
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; name the folder with what this device is given") from error


def _visible(folder: Path) -> list[Path]:
    """Without what a computer on which it was edited has left there."""
    each_one = sorted(folder.iterdir())
    return [each for each in each_one if not each.name.startswith(".") and each.name not in LEFT_BY_WINDOWS]


def _known(folder: Path, name: str) -> str:
    if name in KNOWN or (name.startswith(f"{LAYERS}/") and name.endswith(".yaml")):
        return name
    close = difflib.get_close_matches(name.lower(), KNOWN, n=1)
    advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(KNOWN)} and {LAYERS}/*.yaml"
    raise ConfigError(f"{folder / name}: no file that a device is given; {advice}")


def _text(file: Path) -> bytes:
    """In UTF-8 and with line feeds, however Windows' editors and its shell have left it."""
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; it has to be a file that can be read") from error
    if not content.strip(b"\0\r\n") or len(content) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{file}: it is empty or larger than {MAX_CONFIG_BYTES} bytes; copy it there again")
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        # Not chained: that error holds what may be a password.
        raise ConfigError(f"{file}: this is no text; save it as UTF-8") from None
    return text.replace("\r\n", "\n").encode()
