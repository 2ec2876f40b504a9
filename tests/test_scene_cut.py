"""Another scene is noticed; what moves or changes within one is none."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.scene_cut import SceneCuts
from facemask_edge.thumbnail import Thumbnails
from facemask_edge.values import Frame, Image, Violation
from tests.converter.portraits import astronaut


def other_scene() -> Image:
    return np.asarray(cv2.resize(astronaut(), (640, 480)), np.uint8)


def cuts_in(images: Sequence[Image], *, fps: float = 15) -> list[int]:
    """The frames that are cuts."""
    cuts, thumbnails = SceneCuts(), Thumbnails()
    return [index for index, image in enumerate(images) if cuts.is_cut(thumbnails.of(image), index / fps)]


@pytest.fixture(scope="module")
def lobby() -> list[Image]:
    """The sample's frames, every second one, small."""
    recording = Recording(SAMPLE)
    small = [cv2.resize(frame.image, (320, 240)) for frame in recording if frame.index % 2 == 0]
    recording.close()
    return [np.asarray(image, np.uint8) for image in small]


def test_people_who_walk_through_a_scene_are_no_cut(lobby: list[Image]) -> None:
    assert cuts_in(lobby, fps=7.5) == []


def test_another_scene_that_lasts_is_a_cut_once_and_so_is_the_way_back(lobby: list[Image]) -> None:
    other = other_scene()
    assert cuts_in([*lobby[:3], other, other, other, *lobby[:3]]) == [4, 7]


def test_slow_frames_are_cuts_at_once(lobby: list[Image]) -> None:
    assert cuts_in([lobby[0], other_scene(), lobby[0], other_scene()], fps=1) == [1, 2, 3]


def test_a_broken_frame_is_no_cut(lobby: list[Image]) -> None:
    broken = lobby[1].copy()
    broken[60:] = 128
    assert cuts_in([lobby[0], broken, lobby[2], other_scene(), lobby[3], lobby[4]]) == []


@pytest.mark.parametrize(("gain", "offset"), [(0.3, 0.0), (1.5, 20.0), (1.0, -60.0)])
def test_other_light_is_no_cut(gain: float, offset: float) -> None:
    lit = np.clip(other_scene() * gain + offset, 0, 255).astype(np.uint8)
    assert cuts_in([other_scene(), lit, lit, other_scene(), other_scene()]) == []


def test_darkness_and_noise_are_no_cut(lobby: list[Image]) -> None:
    random = np.random.default_rng(0)
    black = np.zeros((240, 320, 3), np.uint8)
    noise = [np.clip(random.normal(30, 20, black.shape), 0, 255).astype(np.uint8) for _ in range(10)]
    assert cuts_in([lobby[0], black, black, lobby[1]]) == []
    assert cuts_in([lobby[0], *noise, lobby[1]]) == []


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
    assert (end.event_type, end.reason) == ("violation_end", "scene_cut")
    assert end.timestamp <= last.timestamp + 1 / 15
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
