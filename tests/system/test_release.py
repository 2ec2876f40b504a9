"""The release archive that is made for a Pi, which no machine here can run."""

import subprocess
from pathlib import Path

import pytest

from tests.system.release import PIP, bundle

pytestmark = [pytest.mark.system, pytest.mark.full, pytest.mark.timeout(900)]


def test_the_archive_for_a_pi_is_complete(tmp_path: Path) -> None:
    archive = bundle(tmp_path, "aarch64", "3.11", "3.13")
    subprocess.run(["sha256sum", "--quiet", "--check", "SHA256SUMS"], check=True, cwd=archive)
    listed = (archive / "SHA256SUMS").read_text().splitlines()
    assert len(listed) == sum(path.is_file() for path in archive.rglob("*")) - 1
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in range(17, 37)]
    for python in ("3.11", "3.13"):
        # pip finds all that it would install on such a Pi, and nothing else to find it in.
        chosen = tmp_path / python
        tags = ["--implementation=cp", f"--abi=cp{python.replace('.', '')}", "--abi=abi3", "--abi=none"]
        command = [*PIP, "download", "--quiet", "--no-index", f"--find-links={archive / 'wheels'}", f"--dest={chosen}"]
        command += ["--only-binary=:all:", *platforms, "--platform=manylinux2014_aarch64", *tags]
        subprocess.run([*command, f"--python-version={python}", "facemask-edge"], check=True, timeout=300)
        names = {wheel.name.partition("-")[0] for wheel in chosen.glob("*.whl")}
        assert names >= {"facemask_edge", "numpy", "opencv_python_headless", "ai_edge_litert", "edgefirst_tracker"}
