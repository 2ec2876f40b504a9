"""Builds what is released into a folder: ``python -m tests.make_release dist``.

A wheel and a source archive with models and sample, a bill of materials in CycloneDX's form (what the wheel installs,
and the models with their sums), and the SHA-256 of each. The same commit gives the same bytes, with the same hatchling
and while the packages that it depends on are the same.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from facemask_edge import __version__
from facemask_edge.manifest import packaged_models, read_manifest, sha256_of
from tests.conftest import ROOT

SUMS = "SHA256SUMS"


def make_release(folder: Path, source: Path = ROOT) -> list[Path]:
    """Build all of it.

    Args:
        folder: Made when missing; must be empty.
        source: The checkout.

    Returns:
        The files, the sums last.
    """
    if _git(source, "status", "--porcelain"):
        sys.exit("there is something that is not committed; a release is that of a commit")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        sys.exit(f"{folder} is not empty; name another folder, or empty it")
    # Files carry the time of the commit, not that of the build.
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _git(source, "log", "-1", "--format=%ct")}
    build = [sys.executable, "-m", "build", "--outdir", str(folder), str(source)]
    subprocess.run(build, env=environment, stdout=subprocess.DEVNULL, check=True)
    (wheel,) = folder.glob("*.whl")
    materials = folder / f"facemask_edge-{__version__}.cdx.json"
    materials.write_text(json.dumps(bill_of_materials(wheel), indent=2) + "\n")
    files = sorted(folder.iterdir())
    sums = folder / SUMS
    sums.write_text("".join(f"{sha256_of(file)}  {file.name}\n" for file in files))
    return [*files, sums]


def bill_of_materials(wheel: Path) -> dict[str, object]:
    """What a wheel installs, and the models in it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder, "bin", "python"))
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[demo]"], check=True)
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "pip", "setuptools"], check=True)
        command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", python]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    materials: dict[str, object] = json.loads(told)
    parts = materials["components"]
    assert isinstance(parts, list)
    # Where it was installed from is this machine's own affair.
    for part in parts:
        part.pop("externalReferences", None)
    with_models = [*parts, *_models()]
    return {**materials, "components": with_models}


def _models() -> list[dict[str, object]]:
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model:{entry.file}",
            "name": entry.file,
            "version": __version__,
            "hashes": [{"alg": "SHA-256", "content": entry.sha256}],
            "licenses": [{"license": {"id": entry.licence}}],
        }
        for entry in read_manifest(packaged_models()).models
        if entry.file.endswith(".tflite")
    ]


def _git(source: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=source, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    for made in make_release(Path(sys.argv[1])):
        print(made)
