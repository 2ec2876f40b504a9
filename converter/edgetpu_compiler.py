"""Calls ``edgetpu_compiler`` and reads what it prints: "compiled successfully" also of a model left to the CPU whole.

The compiler is closed; the last one is 16.0 (2021). With ``-s`` it prints, for each model, a summary and a table of
operations with their counts and what became of them.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from facemask_edge.errors import ModelError

COMPILER = "edgetpu_compiler"
MAPPED = "Mapped to Edge TPU"
TIME_LIMIT = 200
"""Seconds. The classifier takes a few; the compiler itself gives up after 180, and says so."""
SUFFIX = "_edgetpu"
INSTALLATION = (
    "edgetpu_compiler is not installed here. It is a Debian package for x86-64 of Google's Coral archive: see "
    "https://coral.ai/docs/edgetpu/compiler/, add the archive as it says, and run: sudo apt install edgetpu-compiler"
)

_VERSION = re.compile(r"^Edge TPU Compiler version (\S+)", re.MULTILINE)
_SECTION = re.compile(r"^(?=Input model: )", re.MULTILINE)
_MODEL = re.compile(r"^Input model: (.+?)\s*$", re.MULTILINE)
_TOTAL = re.compile(r"^Total number of operations: (\d+)", re.MULTILINE)
_ON_TPU = re.compile(r"^Number of operations that will run on Edge TPU: (\d+)", re.MULTILINE)
_ON_CPU = re.compile(r"^Number of operations that will run on CPU: (\d+)", re.MULTILINE)
_RESULT = re.compile(r"^Output model: (.+?)\s*$", re.MULTILINE)
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
    result: str
    """The path of the compiled model; likewise."""
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
    patterns = (_MODEL, _RESULT, _TOTAL, _ON_TPU, _ON_CPU)
    model, result, total, on_tpu, on_cpu = (pattern.search(section) for pattern in patterns)
    # The summary has these two lines only when something stays on the CPU.
    left = int(on_cpu[1]) if on_cpu else sum(row.count for row in rows if not row.mapped)
    count = int(total[1]) if total else sum(row.count for row in rows)
    mapped = int(on_tpu[1]) if on_tpu else count - left
    names = model[1] if model else "", result[1] if result else ""
    return CompilerLog(*names, mapped, max(left, count - mapped), rows)


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
        # Under names of our own: equal names of different folders, and links, would meet in one result.
        named = [Path(folder) / f"{place}.tflite" for place in range(len(models))]
        for name, model in zip(named, models, strict=True):
            name.symlink_to(model.resolve())
        printed, code = _run([compiler, "-s", "-o", folder, *map(str, named)], time_limit)
        logs = {Path(log.model).name: log for log in parsed_logs(printed)}
        contents = []
        for name, model in zip(named, models, strict=True):
            log = logs.get(name.name)
            result = Path(folder) / Path(log.result).name if log and log.result else name
            if code or log is None or not result.is_file() or result == name:
                raise ModelError(f"{COMPILER} {compiler_version(printed)} failed: {failure(printed)}")
            _ensure_mapped(model, log, compiler_version(printed))
            contents.append(result.read_bytes())
        return contents


def _run(command: list[str], time_limit: float) -> tuple[str, int]:
    """What a program prints, and its exit code; it and what it started are stopped when it takes too long."""
    try:
        program = subprocess.Popen(  # noqa: S603 - the program that the user installed, and no shell
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
    except OSError as error:
        raise ModelError(f"{command[0]} cannot be run: {error.strerror}") from error
    with program:
        try:
            printed, _ = program.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired as error:
            # The compiler works in a child of its own.
            os.killpg(program.pid, signal.SIGKILL)
            raise ModelError(f"{COMPILER} did not end within {time_limit:g} s; it is stopped") from error
        except BaseException:
            os.killpg(program.pid, signal.SIGKILL)
            raise
    return printed.decode(errors="replace"), program.returncode


def _ensure_mapped(model: Path, log: CompilerLog, version: str) -> None:
    if log.left == 0 and log.mapped > 0:
        return
    reasons = "; ".join(f"{row.count} {row.operation}: {row.status}" for row in log.rows if not row.mapped)
    raise ModelError(
        f"{COMPILER} {version} maps {log.mapped} of {log.mapped + log.left} operations of {model.name}; the rest would "
        f"run on the CPU ({reasons or 'it names none'}); see convert-model --check"
    )
