from pathlib import Path

import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config, load_config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Violation
from tests.judge_recordings import as_in_the_ground_truth, judged
from tests.make_recordings import RECORDINGS

PORTRAIT = "[[0.40, 0.13], [0.60, 0.13], [0.60, 0.55], [0.40, 0.55]]"
"""The painting behind the four people, as fractions of the frame."""


def of_type(events: list[Violation], event_type: str) -> list[Violation]:
    return [event for event in events if event.event_type == f"violation_{event_type}"]


@pytest.mark.parametrize("path", [path for path, _ in RECORDINGS], ids=lambda path: path.stem)
def test_a_recording_is_judged_as_its_ground_truth_says(path: Path) -> None:
    assert as_in_the_ground_truth(path, judged(path, Config()))


def test_a_wrong_judgement_is_not_taken_for_the_ground_truth() -> None:
    events = judged(SAMPLE, Config())
    assert not as_in_the_ground_truth(SAMPLE, events[2:])
    assert not as_in_the_ground_truth(SAMPLE, [event for event in events if event.event_type == "violation_start"])
    assert not as_in_the_ground_truth(SAMPLE, [])


def test_nobody_in_an_ignore_zone_is_reported() -> None:
    everything = "[[0, 0], [1, 0], [1, 1], [0, 1]]"
    assert judged(SAMPLE, load_config(None, [f"cameras=[{{name: door, ignore_zones: [{everything}]}}]"])) == []


def test_no_frame_costs_more_classifications_than_the_budget() -> None:
    config = load_config(None, ["compliance.classifications_per_frame=1"])
    models = Models(config)
    pipeline = Pipeline(config, config.cameras[0], models)
    most = 0
    for frame in Recording(SAMPLE):
        before = models.classifier.model.invocations
        pipeline.process(frame)
        most = max(most, models.classifier.model.invocations - before)
    assert most == 1


@pytest.mark.shared_data
def test_four_people_who_put_masks_on_start_four_violations_and_end_them(shared: Path) -> None:
    config = load_config(None, [f"cameras=[{{name: door, ignore_zones: [{PORTRAIT}]}}]"])
    events = judged(shared / "data" / "clips" / "four_people_put_on_masks.mp4", config)
    starts, ends = of_type(events, "start"), of_type(events, "end")
    assert len(starts) == len({start.id for start in starts}) == 4
    assert all(start.timestamp < 1 for start in starts)
    assert {start.id for start in starts} == {end.id for end in ends}
    assert [end.reason for end in ends] == ["mask_on"] * 4


@pytest.mark.shared_data
@pytest.mark.parametrize("clip", ["intel_bottles_noface.mp4", "intel_worker_zone.gif"])
def test_no_violation_where_no_face_is(shared: Path, clip: str) -> None:
    assert judged(shared / "data" / "clips" / clip, Config()) == []
