"""What a command reads and writes: found out before the work whether it can, and said how far it is."""

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from converter.edgetpu_compiler import SUFFIX
from converter.picture_files import escaped, is_text
from facemask_edge.errors import InputError, OutputError
from facemask_edge.manifest import MANIFEST, read_manifest

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Files:
    """What a conversion writes."""

    int8: Path

    @property
    def float32(self) -> Path:
        """The model before it is quantized; the device does not run it."""
        return self.int8.with_name(f"{self.int8.stem.removesuffix('_int8')}_float32.tflite")

    @property
    def report(self) -> Path:
        """One page."""
        return self.int8.with_suffix(".html")

    def compiled(self, model: Path) -> Path:
        """The model that runs on an Edge TPU, of this one or of one that shares the Edge TPU with it."""
        return self.int8.with_name(f"{model.stem}{SUFFIX}.tflite")


def plain_console() -> Console:
    """A console that prints names as they are: what stands in square brackets or between colons is no markup."""
    return Console(markup=False, emoji=False)


def shown(items: Sequence[Item], what: str, console: Console) -> Iterable[Item]:
    """The items, one after the other; on a terminal with a bar that says how far that is."""
    return track(items, escape(what), len(items), console=console, transient=True, disable=not console.is_terminal)


class Steps:
    """Says what is being done, and since when.

    Args:
        console: Told a line a step.
        count: How many there are.
    """

    def __init__(self, console: Console, count: int) -> None:
        self._console = console
        self._count = count
        self._done = 0
        self._start = time.monotonic()

    def __call__(self, what: str) -> None:
        """Begin the next step."""
        self._done += 1
        seconds = time.monotonic() - self._start
        line = f"[{self._done}/{self._count}] {seconds:3.0f} s  {what}"
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def ensure_absent(files: Iterable[Path], *, force: bool) -> None:
    """Overwrite nothing that nobody asked to overwrite.

    Raises:
        OutputError: One of the files is there already.
    """
    there = [file for file in files if file.exists()]
    if there and not force:
        raise OutputError(f"{there[0]} is there already; name another --output, or overwrite it with --force")


def ensure_folder(folder: Path) -> None:
    """Find out before the work, not after it, that nothing can be written into a folder; it is made when missing.

    Raises:
        OutputError: It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{folder} cannot be written to: {error.strerror}") from error


def ensure_replaceable(file: Path) -> None:
    """Find out before the work, not after it, that a file cannot be written, or written anew.

    Raises:
        OutputError: It cannot.
    """
    ensure_folder(file.parent)
    if file.is_dir() or file.is_file():
        try:
            file.open("r+b").close()
        except OSError as error:
            raise OutputError(f"{file} cannot be written: {error.strerror}") from error


def write_text(file: Path, text: str) -> None:
    """Write a file.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}") from error


def ensure_writable(output: Path, suffix: str) -> None:
    """Find out before the work, not after it, that a file cannot be written.

    Raises:
        OutputError: Its name does not end in ``suffix``, or its folder cannot be written.
        ModelError: The manifest beside it is malformed.
    """
    if output.suffix != suffix or output.is_dir():
        raise OutputError(f"{output} is no name for the model; --output names a {suffix} file")
    ensure_folder(output.parent)
    if (output.parent / MANIFEST).exists():
        read_manifest(output.parent)


def ensure_names_differ(data: Sequence[Path]) -> None:
    """Folders are known by their names, in the manifest and in what is written down of the test part.

    Raises:
        InputError: Two have the same, or one has a name that cannot be written down.
    """
    for folder in data:
        if not is_text(folder.resolve()):
            raise InputError(f"the name of {escaped(folder)} is no UTF-8; rename it")
    names = [folder.resolve().name for folder in data]
    if len(set(names)) < len(names):
        raise InputError(f"every --data folder needs a name of its own, these are {', '.join(names)}; rename one")
