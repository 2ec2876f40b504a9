"""The release archive that is made for a Pi, which no machine here can run."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.make_release import make_release
from tests.system.release import PIP, as_on_a_pi, bundle

pytestmark = [pytest.mark.system, pytest.mark.full, pytest.mark.timeout(900)]


def test_the_archive_for_a_pi_is_complete(tmp_path: Path) -> None:
    archive = bundle(tmp_path, "aarch64", "3.11", "3.13")
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], check=True, cwd=archive)
    listed = (archive / "SHA256SUMS").read_text().splitlines()
    assert len(listed) == sum(path.is_file() for path in archive.rglob("*")) - 1
    for python in ("3.11", "3.13"):
        chosen = tmp_path / python
        command = [*PIP, "download", "--quiet", f"--dest={chosen}", *as_on_a_pi(python, archive / "wheels")]
        subprocess.run([*command, "facemask-edge[fleet]"], check=True, timeout=300)
        names = {wheel.name.partition("-")[0] for wheel in chosen.glob("*.whl")}
        assert names >= {"facemask_edge", "numpy", "opencv_python_headless", "ai_edge_litert", "edgefirst_tracker"}
        assert "cryptography" in names


def test_a_commit_gives_the_same_release_each_time_and_it_can_be_installed(tmp_path: Path) -> None:
    sums = []
    for name in ("one", "another"):
        clone = tmp_path / name
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        *made, listed = make_release(tmp_path / f"{name}-release", clone)
        sums.append(listed.read_text())
    assert sums[0] == sums[1]
    (wheel,) = (file for file in made if file.suffix == ".whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"facemask_edge/models/mask_classifier_int8.tflite", "facemask_edge/sample/sample.mp4"} <= set(names)
    assert not [name for name in names if name.endswith(".keras")]
    (materials,) = (json.loads(file.read_text()) for file in made if file.suffix == ".json")
    assert {"numpy", "mask_classifier_int8.tflite"} <= {part["name"] for part in materials["components"]}
    # As pipx does.
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "pipx")], check=True)
    programs = tmp_path / "pipx" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", f"{wheel}[demo]"], check=True)
    subprocess.run([programs / "facemask-edge", "demo", "--output", str(tmp_path / "demo")], check=True, cwd=tmp_path)
    assert (tmp_path / "demo" / "contact-sheet.png").is_file()
