"""Another scene is noticed; what moves or changes within one is none."""

import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.scene_cut import SceneCuts
from facemask_edge.values import Frame, Image, Violation
from tests.converter.portraits import astronaut


def other_scene() -> Image:
    return np.asarray(cv2.resize(astronaut(), (640, 480)), np.uint8)


def test_people_who_walk_through_a_scene_are_no_cut() -> None:
    cuts = SceneCuts()
    recording = Recording(SAMPLE)
    assert not any(cuts.is_cut(frame.image) for frame in recording)
    recording.close()


def test_another_scene_is_a_cut_once_and_so_is_the_way_back() -> None:
    recording = Recording(SAMPLE)
    frames = iter(recording)
    images = [next(frames).image.copy() for _ in range(2)]
    recording.close()
    cuts = SceneCuts()
    sequence = [*images, other_scene(), other_scene(), *images]
    assert [cuts.is_cut(image) for image in sequence] == [False, False, True, False, True, False]


@pytest.mark.parametrize(("gain", "offset"), [(0.3, 0.0), (1.5, 20.0), (1.0, -60.0)])
def test_other_light_is_no_cut(gain: float, offset: float) -> None:
    cuts = SceneCuts()
    lit = np.clip(other_scene() * gain + offset, 0, 255).astype(np.uint8)
    assert not cuts.is_cut(other_scene())
    assert not cuts.is_cut(lit)


def test_a_black_frame_is_no_cut_by_itself() -> None:
    cuts = SceneCuts()
    black = np.zeros((480, 640, 3), np.uint8)
    assert [cuts.is_cut(image) for image in (black, black, other_scene(), black)] == [False] * 4


def test_a_cut_ends_what_is_open_and_the_next_scene_starts_anew() -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    recording = Recording(SAMPLE)
    events: list[Violation] = []
    last = None
    for last in recording:
        events += pipeline.process(last)
        if events:
            break
    recording.close()
    assert last is not None
    before = [verdict.track.id for verdict in pipeline.verdicts()]
    after = [Frame(other_scene(), last.timestamp + index / 15, last.index + index) for index in range(1, 15)]
    events = [event for frame in after for event in pipeline.process(frame)]
    end, start = events
    assert (end.event_type, end.reason, end.timestamp) == ("violation_end", "scene_cut", last.timestamp)
    assert start.event_type == "violation_start"
    assert start.id != end.id
    assert start.track.id not in before


def test_frames_of_another_size_are_another_scene() -> None:
    config = Config()
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    large = np.asarray(cv2.resize(other_scene(), (800, 600)), np.uint8)
    images = [other_scene()] * 8 + [large] * 8
    events = [
        event for index, image in enumerate(images) for event in pipeline.process(Frame(image, index / 15, index))
    ]
    assert [event.reason for event in events] == [None, "scene_cut", None]
    assert events[0].track.id != events[2].track.id
