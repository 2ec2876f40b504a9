"""Calls ``edgetpu_compiler`` and reads what it prints: "compiled successfully" also of a model left to the CPU whole.

The compiler is closed; the last one is 16.0 (2021). With ``-s`` it prints, for each model, a summary and a table of
operations with their counts and what became of them.
"""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from converter.quantize import write_model
from facemask_edge.errors import ModelError, OutputError
from facemask_edge.manifest import find_model

COMPILER = "edgetpu_compiler"
MAPPED = "Mapped to Edge TPU"
TIME_LIMIT = 180
"""Seconds. The classifier takes a few; some models never end."""
SUFFIX = "_edgetpu"
INSTALLATION = (
    "edgetpu_compiler is not installed here. It is a Debian package for x86-64 of Google's Coral archive: see "
    "https://coral.ai/docs/edgetpu/compiler/, add the archive as it says, and run: sudo apt install edgetpu-compiler"
)

_VERSION = re.compile(r"^Edge TPU Compiler version (\S+)", re.MULTILINE)
_SECTION = re.compile(r"^(?=Model compiled successfully)", re.MULTILINE)
_MODEL = re.compile(r"^Input model: (.+)$", re.MULTILINE)
_TOTAL = re.compile(r"^Total number of operations: (\d+)", re.MULTILINE)
_ON_TPU = re.compile(r"^Number of operations that will run on Edge TPU: (\d+)", re.MULTILINE)
_ON_CPU = re.compile(r"^Number of operations that will run on CPU: (\d+)", re.MULTILINE)
_ROW = re.compile(r"^([A-Z][A-Za-z0-9_]*) +(\d+) +(\S.*?)\s*$", re.MULTILINE)
_REASON = re.compile(r"^(?:ERROR: (.+)|Compilation failed: (.+)|(Internal compiler error).*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class LogRow:
    """What became of the operations of one kind."""

    operation: str
    count: int
    status: str

    @property
    def mapped(self) -> bool:
        """Whether they run on the Edge TPU."""
        return self.status == MAPPED


@dataclass(frozen=True, slots=True)
class CompilerLog:
    """What the compiler says of one model."""

    model: str
    """The path it was given; empty when it does not say."""
    mapped: int
    """How many operations run on the Edge TPU."""
    left: int
    """How many stay on the CPU."""
    rows: tuple[LogRow, ...]
    """May hold fewer: the table is only printed with ``-s``."""


def compiler_version(printed: str) -> str:
    """The version of the compiler that printed this, or ``unknown``."""
    found = _VERSION.search(printed)
    return found[1] if found else "unknown"


def parsed_logs(printed: str) -> list[CompilerLog]:
    """What the compiler printed of each model that it says it compiled."""
    _, *sections = _SECTION.split(printed)
    return [parsed_section(section) for section in sections]


def failure(printed: str) -> str:
    """Why the compiler failed, in its own words."""
    reasons = [next(filter(None, found)) for found in _REASON.findall(printed)]
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    # The last reason is the most special one: "ERROR" alone often only says that something else failed.
    return reasons[-1] if reasons else lines[-1] if lines else "it says nothing"


def parsed_section(section: str) -> CompilerLog:
    """What one model's part of the output says, or a piece of it."""
    rows = tuple(LogRow(name, int(count), status) for name, count, status in _ROW.findall(section))
    model, total, on_tpu, on_cpu = (pattern.search(section) for pattern in (_MODEL, _TOTAL, _ON_TPU, _ON_CPU))
    # The summary has these two lines only when something stays on the CPU.
    left = int(on_cpu[1]) if on_cpu else sum(row.count for row in rows if not row.mapped)
    mapped = (
        int(on_tpu[1]) if on_tpu else int(total[1]) - left if total else sum(row.count for row in rows if row.mapped)
    )
    return CompilerLog(model[1] if model else "", mapped, max(left, int(total[1]) - mapped if total else 0), rows)


def find_compiler() -> str | None:
    """The compiler's path; None when it is not installed."""
    return shutil.which(COMPILER)


def compiled(compiler: str, models: Sequence[Path], *, time_limit: float = TIME_LIMIT) -> list[bytes]:
    """Compile models for the Edge TPU, together, so that all of them stay in its cache.

    Args:
        compiler: See ``find_compiler``.
        models: Fully int8 .tflite files.
        time_limit: Seconds.

    Returns:
        The compiled .tflite files, in the order of ``models``.

    Raises:
        ModelError: The compiler fails, takes too long, or leaves operations to the CPU; says which and why.
    """
    with tempfile.TemporaryDirectory(prefix="edgetpu-") as folder:
        command = [compiler, "-s", "-o", folder, *(str(model.resolve()) for model in models)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=time_limit, check=False)  # noqa: S603 - the program that the user installed, and no shell
        except subprocess.TimeoutExpired as error:
            raise ModelError(f"{COMPILER} did not end within {time_limit:g} s; it is stopped") from error
        except OSError as error:
            raise ModelError(f"{compiler} cannot be run: {error.strerror}") from error
        printed = ended.stdout + ended.stderr
        files = [Path(folder) / f"{model.stem}{SUFFIX}.tflite" for model in models]
        if ended.returncode or not all(file.is_file() for file in files):
            raise ModelError(f"{COMPILER} {compiler_version(printed)} failed: {failure(printed)}")
        logs = {Path(log.model).name: log for log in parsed_logs(printed)}
        for model in models:
            _ensure_mapped(model, logs.get(model.name), compiler_version(printed))
        return [file.read_bytes() for file in files]


def _ensure_mapped(model: Path, log: CompilerLog | None, version: str) -> None:
    if log is None:
        raise ModelError(f"{COMPILER} {version} does not say what became of {model.name}")
    if log.left == 0 and log.mapped > 0:
        return
    reasons = "; ".join(f"{row.count} {row.operation}: {row.status}" for row in log.rows if not row.mapped)
    raise ModelError(
        f"{COMPILER} {version} maps {log.mapped} of {log.mapped + log.left} operations of {model.name}; the rest would "
        f"run on the CPU ({reasons or 'it names none'}); see convert-model --check"
    )


def compile_for_edgetpu(models: Sequence[Path], folder: Path, console: Console) -> None:
    """Write models compiled for an Edge TPU together, with manifest entries; without a compiler, say how to get it.

    Args:
        models: Fully int8 .tflite files, each with its manifest entry.
        folder: Where ``<name>_edgetpu.tflite`` of each is written.
        console: Told what was written, or what is missing.

    Raises:
        ModelError: The compiler fails or leaves operations to the CPU.
        OutputError: A file cannot be written.
    """
    compiler = find_compiler()
    if compiler is None:
        console.print(f"not compiled for the Edge TPU: {INSTALLATION}", highlight=False, soft_wrap=True)
        return
    for model, content in zip(models, compiled(compiler, models), strict=True):
        target = folder / f"{model.stem}{SUFFIX}.tflite"
        entry = find_model(str(model.absolute()))[1]
        digest = hashlib.sha256(content).hexdigest()
        try:
            write_model(target, content, entry.model_copy(update={"file": target.name, "sha256": digest}))
        except OSError as error:
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error
        console.print(f"wrote {target}, {len(content) >> 10} kB", highlight=False, soft_wrap=True)
