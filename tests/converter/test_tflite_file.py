"""Reading .tflite files: the shipped ones, small ones written for it, and damaged ones, which are never believed."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from converter.check_model import checked
from converter.tflite_file import COMPILED, read_tflite
from facemask_edge.errors import InputError, ModelError
from facemask_edge.manifest import packaged_models
from tests.converter.tflite_files import chain, compiled, endless

CLASSIFIER = packaged_models() / "mask_classifier_int8.tflite"
DETECTOR = packaged_models() / "face_detector_320_int8.tflite"
MEMORY = 1 << 30
"""Bytes of address space for reading damaged files: a few hundred MiB are Python and numpy."""
READ_ALL = """
import sys
from pathlib import Path
from converter.check_model import checked
from converter.tflite_file import read_tflite
from facemask_edge.errors import ModelError
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        checked(read_tflite(path), path.name)
        print(path.name, "read")
    except ModelError:
        print(path.name, "refused")
"""


def test_the_classifier_is_what_it_is() -> None:
    graph = read_tflite(CLASSIFIER).main
    (picture,) = (graph.tensors[place] for place in graph.inputs)
    outputs = {graph.tensors[place].shape: graph.tensors[place] for place in graph.outputs}
    assert (picture.shape, picture.dtype, picture.zero_points) == ((1, 224, 224, 3), "int8", (-1,))
    assert picture.scales == pytest.approx((1 / 127.5,))
    assert set(outputs) == {(1, 2), (1, 7, 7, 1280)}
    assert not outputs[1, 2].constant
    names = [operation.name for operation in graph.operations]
    assert names[-2:] == ["FULLY_CONNECTED", "SOFTMAX"]
    convolution = graph.operations[names.index("CONV_2D")]
    picture, weights, bias = graph.given(convolution)
    assert weights.constant
    assert len(weights.scales) == weights.shape[0]
    assert bias.dtype == "int32"
    assert (convolution.version, convolution.options["StrideH"]) == (3, 2)


def test_a_custom_operation_has_its_own_name(tmp_path: Path) -> None:
    file = read_tflite(compiled(tmp_path / "model.tflite"))
    assert [operation.name for operation in file.main.operations] == [COMPILED, "SOFTMAX"]
    assert file.compiled
    assert not read_tflite(chain(tmp_path / "other.tflite", [("ADD", 2)])).compiled


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "is no TensorFlow Lite model (it is a JPEG picture)"),
        (b"PK\x03\x04 keras", "zip file, as .keras files are"),
        (b"", "it is empty"),
        (b"anything else", "it is of no kind known here"),
        (b"\xff\0\0\0TFL3", "damaged or cut off"),
    ],
)
def test_other_files_are_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said.replace("(", r"\(").replace(")", r"\)")):
        read_tflite(path)


def test_an_absent_file_and_a_folder_are_input_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tflite", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_tflite(path)


def test_a_file_cut_off_in_its_weights_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for missing in (1, 10_000, 1_000_000):
        path.write_bytes(CLASSIFIER.read_bytes()[:-missing])
        with pytest.raises(ModelError, match="damaged or cut off"):
            read_tflite(path)


@pytest.mark.parametrize(
    ("what", "value"), [("opcodeIndex", 7), ("outputs", [9]), ("outputs", [-1]), ("inputs", [-2]), ("buffer", 5)]
)
def test_an_index_outside_its_table_is_damage(what: str, value: Any, tmp_path: Path) -> None:
    path = chain(tmp_path / "model.tflite", [("ADD", 2)])
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
    (graph,) = model.subgraphs
    setattr(graph.tensors[0] if what == "buffer" else graph.operators[0], what, value)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(builder.Output())
    with pytest.raises(ModelError, match="damaged or cut off"):
        read_tflite(path)


def test_an_operation_without_its_inputs_is_still_explained(tmp_path: Path) -> None:
    for name, version in (("FULLY_CONNECTED", 4), ("STRIDED_SLICE", 2), ("MEAN", 2), ("PRELU", 1), ("SPLIT", 2)):
        path = chain(tmp_path / "model.tflite", [(name, version)])
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes())
        model.subgraphs[0].operators[0].inputs = []
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(builder.Output())
        assert checked(read_tflite(path), path.name).operations[0].operation == name


def test_no_damaged_file_takes_memory_or_ends_in_a_traceback(tmp_path: Path) -> None:
    """Cut off anywhere it is refused; with any bytes changed it is read or refused, in bounded memory."""
    whole = DETECTOR.read_bytes()
    random = np.random.default_rng(0)
    for length in [*range(0, 64, 3), *random.integers(64, len(whole), 60)]:
        (tmp_path / f"cut-{length}").write_bytes(whole[:length])
    for number in range(300):
        changed = bytearray(whole)
        # The tables stand at the front of the file, and the weights hardly matter.
        for place in random.integers(0, 40_000, random.integers(1, 30)):
            changed[place] = random.choice([0, 0x7F, 0x80, 0xFF])
        (tmp_path / f"changed-{number}").write_bytes(changed)
    endless(tmp_path / "endless-shape", tensors=50_000, sides=100_000, letters=1)
    endless(tmp_path / "endless-name", tensors=50_000, sides=1, letters=1_000_000)
    ended = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    outcomes = dict(line.split() for line in ended.stdout.splitlines())
    assert len(outcomes) == len(list(tmp_path.iterdir()))
    assert {outcome for name, outcome in outcomes.items() if name.startswith("cut")} == {"refused"}
    assert {outcome for name, outcome in outcomes.items() if name.startswith("endless")} == {"refused"}
    assert {outcome for name, outcome in outcomes.items() if name.startswith("changed")} == {"read", "refused"}
