"""Finds and reads the files of a folder of pictures."""

import os
from pathlib import Path

from facemask_edge.cameras.recording import read_picture as device_picture
from facemask_edge.errors import InputError
from facemask_edge.values import Image


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, linked ones too, in a fixed order; what is hidden is left out.

    Raises:
        InputError: A folder cannot be read.
    """
    found: list[Path] = []
    seen: set[Path] = set()
    # Links come last: a folder that lies here and is linked to from here keeps its own name, and a loop ends.
    folders, links = [folder], list[Path]()
    while folders or links:
        here = (folders or links).pop(0)
        if here.resolve() in seen:
            continue
        seen.add(here.resolve())
        try:
            inside = sorted(path for path in here.iterdir() if not path.name.startswith("."))
        except OSError as error:
            raise InputError(f"the folder {escaped(here)} cannot be read: {error.strerror}") from error
        for path in inside:
            if path.is_dir():
                (links if path.is_symlink() else folders).append(path)
            elif path.is_file():
                found.append(path)
    return sorted(found)


def read_picture(path: Path) -> Image | None:
    """Read a picture as the device does.

    Returns:
        uint8, height x width x 3, BGR, whatever its file holds (grey, transparent, 16 bit), turned as its EXIF data
        say; None when it cannot be read, or has a name that no page, manifest or split file could hold.
    """
    if not is_text(path):
        return None
    try:
        return device_picture(path)
    except InputError:
        return None


def ensure_size(path: Path, image: Image, size: tuple[int, int] | None) -> None:
    """Boxes belong to a picture of one size: in any other they lie beside the faces.

    Args:
        path: For the error.
        image: The picture, as it was read.
        size: Width and height by its line in the list of scenes; None where no list speaks of it.

    Raises:
        InputError: The sizes differ.
    """
    height, width = image.shape[:2]
    if size is None or size == (width, height):
        return
    turned = "; its EXIF data turn it: box it as it is shown" if size == (height, width) else ""
    raise InputError(
        f"{path} has {width} x {height} pixels, and {size[0]} x {size[1]} by the list of scenes, so its boxes are not "
        f"where its faces are{turned}"
    )


def is_text(path: Path) -> bool:
    """Whether a path is UTF-8, as all is that is written down."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(path: Path) -> str:
    """A path for a terminal; bytes that are no UTF-8 are written in hexadecimal."""
    return os.fsencode(path).decode(errors="backslashreplace")


def left_out(path: Path) -> str:
    """The line that says that a picture cannot be read."""
    why = "" if is_text(path) else ": its name is no UTF-8; rename it"
    return f"cannot read {escaped(path)}{why}; left out"
