"""Reading what ``edgetpu_compiler`` prints; calling a stand-in that prints the same."""

import time
from pathlib import Path

import pytest

from converter.edgetpu_compiler import compiled, compiler_version, failure, parsed_logs
from converter.edgetpu_operations import ensure_taken
from converter.tflite_file import read_tflite
from facemask_edge.errors import ModelError
from facemask_edge.manifest import packaged_models
from tests.converter.tflite_files import chain
from tests.fakes import edgetpu_compiler

LOGS = Path(__file__).parent / "edgetpu_logs"
CLASSIFIER = packaged_models() / "mask_classifier_int8.tflite"
DETECTOR = packaged_models() / "face_detector_320_int8.tflite"


def _printed(name: str) -> str:
    return (LOGS / f"{name}.log").read_text()


def test_a_model_that_is_mapped_whole() -> None:
    printed = _printed("all_mapped")
    (log,) = parsed_logs(printed)
    assert compiler_version(printed) == "16.0.384591198"
    assert (log.model, log.result) == ("models/mask_classifier_int8.tflite", "out/mask_classifier_int8_edgetpu.tflite")
    assert (log.mapped, log.left, len(log.rows)) == (66, 0, 6)
    assert (log.rows[1].operation, log.rows[1].count, log.rows[1].mapped) == ("DEPTHWISE_CONV_2D", 17, True)


def test_models_compiled_together_have_one_headline_and_a_part_each() -> None:
    logs = parsed_logs(_printed("together"))
    assert [(Path(log.model).name, log.mapped, log.left) for log in logs] == [
        ("mask_classifier_int8.tflite", 66, 0),
        ("face_detector_320_int8.tflite", 59, 0),
    ]


def test_success_with_nothing_mapped_is_seen_through() -> None:
    (log,) = parsed_logs(_printed("none_mapped"))
    assert (log.mapped, log.left, log.rows) == (0, 69, ())


def test_what_stays_on_the_cpu_is_counted_and_explained() -> None:
    (log,) = parsed_logs(_printed("partly_mapped"))
    assert (log.mapped, log.left) == (3, 28)
    assert [(row.count, row.status) for row in log.rows if row.operation == "CONV_2D"] == [
        (2, "Mapped to Edge TPU"),
        (22, "More than one subgraph is not supported"),
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("failed", "The activations of the model are too large."), ("internal_error", "Internal compiler error")],
)
def test_a_failure_is_told_in_its_own_words(name: str, reason: str) -> None:
    assert parsed_logs(_printed(name)) == []
    assert failure(_printed(name)) == reason


def test_two_models_are_compiled_together(tmp_path: Path) -> None:
    compiler = edgetpu_compiler(tmp_path, "maps")
    both = compiled(str(compiler), [CLASSIFIER, DETECTOR])
    for place, content in enumerate(both):
        path = tmp_path / f"{place}.tflite"
        path.write_bytes(content)
        assert read_tflite(path).compiled


def test_a_success_that_maps_nothing_is_a_failure(tmp_path: Path) -> None:
    compiler = edgetpu_compiler(tmp_path, "maps nothing")
    with pytest.raises(ModelError, match=r"maps 0 of 66 operations of mask_classifier_int8.*35 CONV_2D: Operation is"):
        compiled(str(compiler), [CLASSIFIER])


def test_a_failing_compiler_is_an_error_with_its_reason(tmp_path: Path) -> None:
    compiler = edgetpu_compiler(tmp_path, "fails")
    with pytest.raises(ModelError, match=r"16\.0\.384591198 failed: The activations of the model are too large"):
        compiled(str(compiler), [CLASSIFIER])


def test_a_compiler_that_never_ends_is_stopped(tmp_path: Path) -> None:
    compiler = edgetpu_compiler(tmp_path, "hangs")
    with pytest.raises(ModelError, match=r"did not end within 2 s; it is stopped"):
        compiled(str(compiler), [CLASSIFIER], time_limit=2)
    # With its child, as the real one works in one.
    child = int((tmp_path / "child.pid").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and Path(f"/proc/{child}/stat").exists():
        if Path(f"/proc/{child}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


def test_a_compiler_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "edgetpu_compiler").write_text("no program")
    with pytest.raises(ModelError, match="cannot be run"):
        compiled(str(tmp_path / "edgetpu_compiler"), [CLASSIFIER])


def test_what_would_stay_on_the_cpu_is_refused_before_it_is_compiled(tmp_path: Path) -> None:
    ensure_taken(CLASSIFIER)
    with pytest.raises(ModelError, match=r"not run on an Edge TPU whole \(1 HARD_SWISH: the Edge TPU does not know it"):
        ensure_taken(chain(tmp_path / "model.tflite", [("ADD", 2), ("HARD_SWISH", 1)]))
