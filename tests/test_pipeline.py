import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.crowd import Scene
from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.config_file import load_config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Box, Frame, Image
from tests.conftest import ROOT
from tests.converter.portraits import astronaut
from tests.judge_recordings import as_in_the_ground_truth, judged
from tests.make_recordings import RECORDINGS


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


def test_other_zones_hold_from_the_next_frame_on() -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    ignored = config.cameras[0].model_copy(update={"ignore_zones": [[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]]})
    frame = next(frame for frame in Recording(SAMPLE) if frame.index == 60)
    for number, (camera, is_seen) in enumerate(((ignored, False), (config.cameras[0], True), (ignored, False))):
        pipeline.set_zones(camera)
        pipeline.process(dataclasses.replace(frame, timestamp=number / 10))
        assert (pipeline.faces > 0) is is_seen


def test_heat_shows_what_of_a_face_decided() -> None:
    config = Config()
    models = Models(config)
    pipeline = Pipeline(config, config.cameras[0], models)
    for frame in Recording(SAMPLE):
        if starts := [event for event in pipeline.process(frame) if event.event_type == "violation_start"]:
            break
    box = starts[0].track.box
    judged = models.classifier.model.invocations
    heat = models.heat(frame.image, box)
    assert heat is not None
    assert heat.shape == (7, 7)
    assert (heat.min() >= 0, heat.max()) == (True, 1.0)
    # It was judged a moment ago: that costs no invocation more.
    assert models.classifier.model.invocations == judged
    other = models.heat(frame.image, Box(box.x - 40, box.y, box.width, box.height))
    again = models.heat(frame.image, box)
    # Another picture is another face, whatever it shows.
    models.heat(frame.image.copy(), box)
    assert models.classifier.model.invocations == judged + 3
    assert other is not None
    assert not np.array_equal(other, heat)
    np.testing.assert_array_equal(again, heat)
    # A face that the tracker foretells outside the picture is no fault.
    for box in (Box(-500, -500, 40, 50), Box(9_000, 9_000, 40, 50), Box(5, 5, 0, 0)):
        outside = models.heat(frame.image, box)
        assert outside is None or outside.max() == 1.0


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


def test_the_same_picture_again_is_no_evidence() -> None:
    config = Config()
    models = Models(config)
    # One in which bare faces are to be seen.
    frame = next(frame for frame in Recording(SAMPLE) if frame.index == 60)

    def started(*, is_repeat: bool) -> int:
        pipeline = Pipeline(config, config.cameras[0], models)
        frames = (dataclasses.replace(frame, timestamp=n / 10, is_repeat=is_repeat and n > 0) for n in range(30))
        events = [event for frame in frames for event in pipeline.process(frame)]
        looked_at = [verdict for verdict in pipeline.verdicts() if verdict.observations > 1]
        # Where it was seen, nobody has left.
        assert bool(looked_at) is not is_repeat
        assert {event.event_type for event in events} <= {"violation_start"}
        return len(events)

    assert started(is_repeat=False) > 0
    assert started(is_repeat=True) == 0


def test_a_frame_costs_no_new_picture() -> None:
    command = [sys.executable, "-m", "tests.measure_allocations"]
    ended = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert 0 < int(ended.stdout) < 224 * 224 * 3 / 2


def test_the_times_of_all_stages_are_known() -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    recording = Recording(SAMPLE)
    frames = [pipeline.process(frame) for frame in recording]
    recording.close()
    assert list(pipeline.times.seconds) == ["detection", "scene", "tracking", "classification", "judgement"]
    assert {len(seconds) for seconds in pipeline.times.seconds.values()} == {len(frames)}
    assert all(second > 0 for seconds in pipeline.times.seconds.values() for second in seconds)


@pytest.mark.parametrize("count", [3, 30, 100])
def test_a_crowd_is_judged_within_three_seconds_and_costs_a_look_a_frame_soon_after(count: int) -> None:
    scene = Scene(count, Models(Config()))
    for index in range(80):
        scene.judge(index)
        if index == 45:
            # What is nobody's face may be judged, too, as long as it starts no violation.
            assert scene.is_judged()
    assert max(scene.looks) <= Config().compliance.classifications_per_frame
    # Something that is nobody's face is looked at in every frame until it was refused three times.
    assert sum(scene.looks[70:]) / len(scene.looks[70:]) <= 1.5
    assert {event.event_type for event in scene.events} == {"violation_start"}
    assert scene.right_starts()


@pytest.mark.parametrize("kind", ["zones", "ignore_zones"])
@pytest.mark.parametrize(("sway", "period"), [(3, 6), (20, 4), (15, 6)])
def test_who_stands_at_the_edge_of_a_zone_is_one_violation(sway: float, period: float, kind: str) -> None:
    left = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    config = load_config(None, [f"cameras=[{{name: door, {kind}: {json.dumps([left])}}}]"])
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    face = np.asarray(cv2.resize(astronaut(), (256, 256)), np.uint8)
    events = []
    for index in range(12 * 15):
        # The middle of the face, 113 px from the left of its picture, stands a little outside or sways over the edge.
        start = round(322 - 113 - sway * np.cos(2 * np.pi * index / 15 / period))
        image = np.full((480, 640, 3), 128, np.uint8)
        image[100 : 100 + 256, start : start + 256] = face
        events += pipeline.process(Frame(image, index / 15, index))
    assert [event.event_type for event in events] == ["violation_start"]


def seen_and_missed() -> tuple[Image, Image]:
    """A frame with somebody who stands there, and one in which the face cannot be found."""
    seen = np.full((480, 640, 3), 128, np.uint8)
    seen[100 : 100 + 256, 200 : 200 + 256] = cv2.resize(astronaut(), (256, 256))
    missed = seen.copy()
    missed[110:210, 265:365] = 128
    return seen, missed


@pytest.mark.parametrize("interval", [0.1, 0.5, 1.0, 1.6, 4.0])
def test_who_stands_there_is_one_violation_however_rare_frames_are(interval: float) -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    seen, missed = seen_and_missed()
    events = []
    for index in range(40):
        is_missed = index > 5 and index % 9 == 3
        events += pipeline.process(Frame(missed if is_missed else seen, index * interval, index))
        assert pipeline.faces == (0 if is_missed else 1)
    assert [event.event_type for event in events] == ["violation_start"]
    # Who is there no more has left, and not only at the end.
    for index in range(40, 60):
        events += pipeline.process(Frame(missed, index * interval, index))
    assert [event.reason for event in events[1:]] == ["left"]
    assert events[1].timestamp == 38 * interval


@pytest.mark.parametrize(("pause", "starts"), [(1.4, 1), (3.0, 1), (4.4, 1), (6.0, 2)])
def test_who_stands_there_before_and_behind_a_pause_is_one_violation_unless_it_was_long(
    pause: float, starts: int
) -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    seen, missed = seen_and_missed()
    events = []
    for index in range(60):
        timestamp = index / 15 + (pause if index >= 30 else 0.0)
        # Not found again at once.
        events += pipeline.process(Frame(missed if 30 <= index < 35 else seen, timestamp, index))
    assert [event.event_type for event in events].count("violation_start") == starts
    assert pipeline.open_violations == 1
    events = []
    for index in range(60, 100):
        events += pipeline.process(Frame(missed, index / 15 + pause, index))
    assert [(event.reason, event.timestamp) for event in events] == [("left", 59 / 15 + pause)]


@pytest.mark.parametrize("interval", [0.1, 1.6])
def test_who_counts_beyond_an_edge_does_when_frames_are_rare_and_other_zones_are_drawn(interval: float) -> None:
    left = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    config = load_config(None, [f"cameras=[{{name: door, zones: {json.dumps([left])}}}]"])
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    face = np.asarray(cv2.resize(astronaut(), (256, 256)), np.uint8)
    events = []
    for index in range(20):
        # The middle of the face, 113 px from the left of its picture, is inside at first, and a little outside then.
        start = (316 if index < 6 else 325) - 113
        image = np.full((480, 640, 3), 128, np.uint8)
        image[100 : 100 + 256, start : start + 256] = face
        if index in (9, 14):
            # Missed.
            image[110:210, start + 65 : start + 165] = 128
        if index == 12:
            corner = [(0.9, 0.9), (1.0, 0.9), (1.0, 1.0)]
            pipeline.set_zones(config.cameras[0].model_copy(update={"ignore_zones": [corner]}))
        events += pipeline.process(Frame(image, index * interval, index))
        assert pipeline.tracks == (0 if index in (9, 14) else 1)
    assert [event.event_type for event in events] == ["violation_start"]
