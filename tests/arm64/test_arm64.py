"""The wheels that a Pi gets, on its processor: they judge the sample as they do here."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from converter.detector_data import overlaps
from facemask_edge import inference
from facemask_edge.cameras.recording import Recording
from facemask_edge.classifier import MaskClassifier
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.values import Box
from tests.arm64 import debian
from tests.arm64.judge import judged, probabilities

EVERY = 12
"""Frames of the sample from one picture to the next."""
TIMEOUT = 1800
CLASSIFIER = Config().classifier.model


@pytest.mark.full
@pytest.mark.timeout(TIMEOUT + 900)
@pytest.mark.parametrize(
    ("suite", "python", "processor", "libraries"),
    [
        # The processors of a Pi 4 and of a Pi 5: the runtime chooses its kernels by what they can do.
        ("bookworm", "3.11", "cortex-a72", {"numpy": "1.26.", "opencv": "4.11."}),
        ("trixie", "3.13", "cortex-a76", {"numpy": "2.", "opencv": "4.12."}),
    ],
)
def test_the_sample_is_judged_as_here(  # noqa: PLR0913 - what is varied, and what pytest gives
    *,
    suite: str,
    python: str,
    processor: str,
    libraries: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reason = debian.why_not()
    if reason:
        pytest.skip(reason)
    # As files without loss: a processor's own decoder gives pictures that differ by a third of a grey level.
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for frame in Recording(SAMPLE):
        if frame.index % EVERY == 0:
            cv2.imwrite(str(pictures / f"{frame.index:04}.png"), frame.image)
    here = judged(pictures)
    boxes = [[face["box"] for face in faces] for faces in here["pictures"]]
    there = debian.judged(debian.make_root(suite, python, tmp_path), processor, pictures, boxes, TIMEOUT)

    print(there["machine"], there["python"], there["libraries"])
    assert there["machine"] == "aarch64"
    assert there["python"].startswith(f"{python}.")
    assert there["libraries"]["runtime"].startswith("ai-edge-litert ")
    assert all(there["libraries"][name].startswith(version) for name, version in libraries.items())
    assert len(here["events"]) == 8
    assert there["events"] == here["events"]
    faces_here, faces_there = ([face for faces in result["pictures"] for face in faces] for result in (here, there))
    assert {face["label"] for face in faces_here} == {"mask", "no_mask"}
    assert [len(faces) for faces in there["pictures"]] == [len(faces) for faces in here["pictures"]]
    assert [face["label"] for face in faces_there] == [face["label"] for face in faces_here]
    for face_here, face_there in zip(faces_here, faces_there, strict=True):
        assert overlaps(Box(*face_there["box"]), np.array([face_here["box"]], np.float32))[0] > 0.8
    # Two processors' kernels may err in opposite directions; each is compared with what the rounding should be.
    exact = probabilities(pictures, boxes, reference_classifier(monkeypatch))
    kernels_here = probabilities(pictures, boxes, MaskClassifier(CLASSIFIER))
    print([list(each) for each in zip(exact, kernels_here, there["probabilities"], strict=True) if len(set(each)) > 1])
    assert kernels_here == pytest.approx(exact, abs=0.02)
    assert there["probabilities"] == pytest.approx(exact, abs=0.02)


def reference_classifier(monkeypatch: pytest.MonkeyPatch) -> MaskClassifier:
    """The packaged one, run by TensorFlow Lite's reference kernels, which follow its specification to the letter."""
    slow = partial(Interpreter, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    with monkeypatch.context() as patch:
        patch.setattr(inference, "interpreter_class", lambda: slow)
        return MaskClassifier(CLASSIFIER)
