import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.converter.pictures import single_faces

pytestmark = pytest.mark.converter


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"from converter.cli import {name.replace('-', '_')} as run; run()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("name", ["train-model", "train-detector", "convert-model", "evaluate-model"])
def test_help_does_not_wait_for_tensorflow(name: str) -> None:
    started = time.monotonic()
    result = _run(name, "--help")
    assert result.returncode == 0
    assert f"Usage: {name}" in result.stdout
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("name", ["train-model", "train-detector", "convert-model", "evaluate-model"])
def test_wrong_usage_ends_with_64(name: str) -> None:
    assert _run(name, "--nonsense").returncode == 64


def test_a_missing_tensorflow_is_one_sentence(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['tensorflow'] = None; sys.modules['keras'] = None\n"
        "from converter.cli import convert_model as run; run()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "model.keras", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 70
    assert result.stderr.startswith("convert-model: TensorFlow is not installed here")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "arguments", "code", "sentence"),
    [
        ("train-model", ["--weights", "absent.h5", "--output", "{tmp}/m.keras"], 66, "absent.h5 does not exist"),
        ("train-model", ["--weights", "absent.h5", "--output", "{tmp}/data/with_mask/0.png/m.keras"], 73, "cannot be"),
        ("convert-model", ["absent.keras", "--output", "{tmp}/m.tflite"], 78, "absent.keras does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_code(
    tmp_path: Path, name: str, arguments: list[str], code: int, sentence: str
) -> None:
    pytest.importorskip("tensorflow", reason="the converter extra is not installed; run: pip install -e '.[converter]'")
    data = single_faces(tmp_path / "data", 1)
    result = _run(name, *(part.replace("{tmp}", str(tmp_path)) for part in arguments), "--data", str(data))
    assert result.returncode == code
    assert result.stderr.startswith(f"{name}: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
