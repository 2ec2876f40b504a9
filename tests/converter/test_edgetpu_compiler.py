"""Reading what ``edgetpu_compiler`` prints, as others published it; calling a stand-in that prints the same."""

from pathlib import Path

import pytest

from converter.edgetpu_compiler import compiled, compiler_version, failure, parsed_logs, parsed_section
from converter.edgetpu_operations import ensure_taken
from converter.tflite_file import read_tflite
from facemask_edge.errors import ModelError
from facemask_edge.manifest import packaged_models
from tests.converter.tflite_files import chain
from tests.fakes import edgetpu_compiler

LOGS = Path(__file__).parent / "edgetpu_logs"
CLASSIFIER = packaged_models() / "mask_classifier_int8.tflite"
DETECTOR = packaged_models() / "face_detector_320_int8.tflite"


def _published(name: str) -> str:
    return (LOGS / f"{name}.log").read_text()


def test_a_model_that_is_mapped_whole() -> None:
    printed = _published("all_mapped")
    (log,) = parsed_logs(printed)
    assert compiler_version(printed) == "16.0.384591198"
    assert (log.model, log.mapped, log.left) == ("runs/train/exp8/weights/best-int8.tflite", 246, 0)
    assert (log.rows[5].operation, log.rows[5].count, log.rows[5].mapped) == ("LOGISTIC", 64, True)
    assert len(log.rows) == 8


def test_success_with_nothing_mapped_is_seen_through() -> None:
    (log,) = parsed_logs(_published("none_mapped"))
    assert (log.mapped, log.left, log.rows) == (0, 69, ())


@pytest.mark.parametrize(("name", "mapped", "left"), [("partly_mapped", 261, 6), ("few_mapped", 2, 153)])
def test_what_stays_on_the_cpu_is_counted_and_explained(name: str, mapped: int, left: int) -> None:
    log = parsed_section(_published(name))
    assert (log.mapped, log.left) == (mapped, left)
    statuses = {(row.operation, row.status) for row in log.rows if not row.mapped}
    assert statuses & {
        ("TRANSPOSE", "Operation not supported"),
        ("DEQUANTIZE", "Operation is working on an unsupported data type"),
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("large_activations", "Compilation failed due to large activation tensors in model."),
        ("internal_error", "Internal compiler error"),
        ("unknown_version", "Registration failed."),
    ],
)
def test_a_failure_is_told_in_its_own_words(name: str, reason: str) -> None:
    assert parsed_logs(_published(name)) == []
    assert failure(_published(name)) == reason


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
    with pytest.raises(
        ModelError, match=r"16\.0\.384591198 failed: Compilation failed due to large activation tensors"
    ):
        compiled(str(compiler), [CLASSIFIER])


def test_a_compiler_that_never_ends_is_stopped(tmp_path: Path) -> None:
    compiler = edgetpu_compiler(tmp_path, "hangs")
    with pytest.raises(ModelError, match=r"did not end within 0\.5 s"):
        compiled(str(compiler), [CLASSIFIER], time_limit=0.5)


def test_a_compiler_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "edgetpu_compiler").write_text("no program")
    with pytest.raises(ModelError, match="cannot be run"):
        compiled(str(tmp_path / "edgetpu_compiler"), [CLASSIFIER])


def test_what_would_stay_on_the_cpu_is_refused_before_it_is_compiled(tmp_path: Path) -> None:
    ensure_taken(CLASSIFIER)
    with pytest.raises(ModelError, match=r"not run on an Edge TPU whole \(1 HARD_SWISH: the Edge TPU does not know it"):
        ensure_taken(chain(tmp_path / "model.tflite", [("ADD", 2), ("HARD_SWISH", 1)]))
