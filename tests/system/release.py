"""Release archives as systemd/bundle.sh makes them, and versions that differ from this one."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from facemask_edge import __version__
from tests.conftest import ROOT

PIP = [sys.executable, "-m", "pip"]
SOURCES = ("facemask_edge", "converter", "models", "config.yaml", "pyproject.toml", "README.md", "LICENSE", "NOTICE")
SUMS = "find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs sha256sum >SHA256SUMS"
Change = tuple[str, str, str]
"""A file of the package, a text that occurs in it once, and what stands there instead."""


def bundle(folder: Path, architecture: str, *pythons: str) -> Path:
    """Make a release archive and unpack it beside itself; the folder that it holds."""
    command = [str(ROOT / "systemd" / "bundle.sh"), str(folder), architecture, *pythons]
    environment = {"PIP": " ".join(PIP), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    archive = Path(done.stdout.splitlines()[-1])
    shutil.unpack_archive(archive, folder)
    return folder / archive.name.removesuffix(f"-{architecture}.tar.gz")


def as_on_a_pi(python: str, wheels: Path) -> list[str]:
    """Options of pip: it chooses what it would on a Pi for a Python, from nothing but a folder of wheels."""
    constraints = ROOT / "systemd" / f"constraints-{python}.txt"
    tags = ["--implementation=cp", f"--abi=cp{python.replace('.', '')}", "--abi=abi3", "--abi=none"]
    # The glibc of the oldest system, Bookworm, is 2.36.
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 37)]
    return [
        *("--no-index", f"--find-links={wheels}", "--only-binary=:all:", f"--python-version={python}"),
        *(*platforms, "--platform=manylinux2014_aarch64", *tags),
        *([f"--constraint={constraints}"] if constraints.exists() else []),
    ]


def make_other_version(archive: Path, version: str, *changes: Change) -> None:
    """Let an archive that is unpacked hold another version of this project, with ``changes`` in it."""
    own = next((archive / "wheels").glob("facemask_edge-*.whl"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source")
        source.mkdir()
        for name in SOURCES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
        package = source / "facemask_edge"
        _replace(package / "__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{version}"')
        for file, before, after in changes:
            _replace(package / file, before, after)
        own.unlink()
        command = [*PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(archive / "wheels"), str(source)]
        subprocess.run(command, check=True, timeout=300)
    subprocess.run(SUMS, shell=True, cwd=archive, check=True)  # noqa: S602 - as bundle.sh has it


def _replace(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert text.count(before) == 1, (file, before)
    file.write_text(text.replace(before, after))
