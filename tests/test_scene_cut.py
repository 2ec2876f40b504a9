"""Another scene is noticed; what moves or changes within one is none."""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording
from facemask_edge.config import Config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.scene_cut import LASTS, SceneCuts
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
    # Half a second, from its first frame on.
    assert cuts_in([*lobby[:3], *[other_scene()] * 12, *lobby[:12]]) == [11, 23]


def test_another_scene_is_noticed_behind_darkness(lobby: list[Image]) -> None:
    for dark in (1, 2, 15):
        (cut,) = cuts_in([*lobby[:3], *[np.zeros_like(lobby[0])] * dark, *[other_scene()] * 12])
        assert cut == 3 + dark + 8


def test_a_black_frame_with_a_clock_or_a_covered_lens_hides_no_cut(lobby: list[Image]) -> None:
    clock = np.zeros_like(lobby[0])
    cv2.putText(clock, "NO SIGNAL 12:34:56", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)
    for dark in (1, 4):
        assert cuts_in([*lobby[:3], *[clock] * dark, *[other_scene()] * 12]) == [3 + dark + 8]
        for part in (0.1, 0.5):
            one, grey, other = (
                masked(image, 0, 0, part, 1) for image in (lobby[0], np.full_like(clock, 128), other_scene())
            )
            assert cuts_in([*[one] * 3, *[grey] * dark, *[other] * 12]) == [3 + dark + 8]


def test_a_scene_that_comes_back_now_and_then_is_left_at_last(lobby: list[Image]) -> None:
    images = [lobby[0] if index % 8 == 7 else other_scene() for index in range(60)]
    assert cuts_in([*[lobby[0]] * 3, *images], fps=15)


@pytest.mark.parametrize("fps", [8, 15, 30])
@pytest.mark.parametrize("width", [0.35, 0.7, 0.9])
@pytest.mark.parametrize("seconds", [0.6, 1.5])
def test_who_passes_close_to_the_camera_is_no_cut(fps: int, width: float, seconds: float) -> None:
    images = []
    for index in range(round(fps * (seconds + 5))):
        image = other_scene().copy()
        passed = (index / fps - 2) / seconds
        if 0 <= passed <= 1:
            # A dark coat, as high as the picture.
            left = round((passed * (1 + width) - width) * 640)
            image[:, max(left, 0) : left + round(width * 640)] = (45, 35, 30)
        images.append(image)
    assert cuts_in(images, fps=fps) == []


@pytest.mark.parametrize("fps", [2, 5, 15])
@pytest.mark.parametrize("width", [0.1, 0.3, 0.5])
def test_a_door_that_opens_to_the_daylight_is_no_cut(fps: int, width: float, lobby: list[Image]) -> None:
    for scene in (other_scene(), lobby[0]):
        closed = scene.copy()
        door = np.s_[:, -round(width * scene.shape[1]) :]
        closed[door] //= 8
        opened = closed.copy()
        opened[door] = 225
        # It stays open for four seconds, twice.
        assert cuts_in(([closed] * 4 * fps + [opened] * 4 * fps) * 2, fps=fps) == []


@pytest.mark.parametrize("fps", [2, 5, 15])
def test_who_steps_close_and_stays_is_no_cut(fps: int) -> None:
    hidden = other_scene().copy()
    hidden[:, 200:520] = (45, 35, 30)
    assert cuts_in([other_scene()] * 3 * fps + [hidden] * 4 * fps + [other_scene()] * 3 * fps, fps=fps) == []


def test_a_lamp_that_lights_a_part_is_no_cut() -> None:
    dark = other_scene() // 3
    lit = dark.copy()
    cv2.circle(lit, (320, 0), 240, (255, 255, 255), -1)
    assert cuts_in([dark] * 30 + [lit] * 30) == []


@pytest.mark.parametrize("late", [0.05, 0.1, 0.15, 0.2])
def test_who_passes_slowly_in_a_pale_coat_is_no_cut(late: float) -> None:
    # Frame by frame, a little more of the scene hidden is the scene: what stood there before must be remembered longer.
    hall = np.full((480, 640, 3), 200, np.uint8)
    hall[:, :250], hall[300:] = 90, 60
    images = []
    for index in range(40):
        image = hall.copy()
        left = round(((index / 4 + late - 4) / 2.5 * 1.9 - 0.9) * 640)
        if -0.9 * 640 < left < 640:
            right = left + 576
            image[200:, max(left, 0) : right] = (200, 200, 210)
            cv2.ellipse(image, (left + 288, 125), (96, 120), 0, 0, 360, (120, 150, 200), -1)
        images.append(image)
    assert cuts_in(images, fps=4) == []


def test_a_camera_that_is_carried_away_shows_another_scene_at_last(lobby: list[Image]) -> None:
    scenes = [lobby[0], other_scene(), np.rot90(lobby[0], 2), np.rot90(other_scene(), 2)]
    images = [np.asarray(scenes[1 + index % 3], np.uint8) for index in range(60)]
    assert cuts_in([*[lobby[0]] * 3, *images])[0] == 3 + 30


def masked(image: Image, left: float, top: float, right: float, bottom: float) -> Image:
    """With a privacy mask over some of its parts, 0..1."""
    height, width = image.shape[:2]
    black = image.copy()
    black[round(top * height) : round(bottom * height), round(left * width) : round(right * width)] = 0
    return black


@pytest.mark.parametrize("mask", [(0, 0, 0.33, 1), (0, 0.5, 1, 1), (0.4, 0, 0.6, 1), (0.05, 0.05, 0.95, 0.7)])
def test_a_privacy_mask_hides_no_cut_and_is_none(mask: tuple[float, float, float, float], lobby: list[Image]) -> None:
    one, other = masked(lobby[0], *mask), masked(other_scene(), *mask)
    assert cuts_in([*[one] * 3, *[other] * 12]) == [11]
    assert cuts_in([*[other_scene()] * 3, *[other] * 12, *[other_scene()] * 12]) == []


SMALL = [(1 / 32, 1 / 24, 4 / 32, 4 / 24), (0, 0, 4 / 32, 3 / 24)]
"""Black boxes of less than two hundredths of the picture; beside a place of a thumbnail, none is half black."""


@pytest.mark.parametrize("mask", SMALL)
@pytest.mark.parametrize("grey", [60, 230])
def test_a_covered_lens_behind_a_small_mask_is_no_cut(
    mask: tuple[float, float, float, float], grey: int, lobby: list[Image]
) -> None:
    scene, covered = masked(other_scene(), *mask), masked(np.full_like(other_scene(), grey), *mask)
    assert cuts_in([*[scene] * 9, *[covered] * 30, *[scene] * 9]) == []
    assert len(cuts_in([*[scene] * 9, *[covered] * 30, *[lobby[0]] * 12])) == 1


@pytest.mark.parametrize("mask", SMALL)
def test_a_small_mask_makes_no_pale_scene_like_another(
    mask: tuple[float, float, float, float], lobby: list[Image]
) -> None:
    one, other = (
        masked(np.asarray(180 + 0.25 * image.astype(np.float32), np.uint8), *mask)
        for image in (lobby[0], other_scene())
    )
    assert cuts_in([*[one] * 3, *[other] * 12]) == [11]


def test_what_shows_nothing_for_long_leaves_no_doubt(lobby: list[Image]) -> None:
    cuts, thumbnails = SceneCuts(), Thumbnails()
    images = [*[lobby[0]] * 5, *[other_scene()] * 3, *[np.full_like(lobby[0], 128)] * 60]
    doubts = []
    for index, image in enumerate(images):
        assert not cuts.is_cut(thumbnails.of(image), index / 15)
        doubts.append(cuts.is_doubtful)
    assert doubts[7]
    assert not doubts[-1]


def test_slow_frames_are_cuts_at_once(lobby: list[Image]) -> None:
    assert cuts_in([lobby[0], other_scene(), lobby[0], other_scene()], fps=1) == [1, 2, 3]


def test_a_broken_frame_is_no_cut(lobby: list[Image]) -> None:
    broken = lobby[1].copy()
    broken[60:] = 128
    assert cuts_in([lobby[0], broken, lobby[2], other_scene(), *lobby[3:20]]) == []


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("stall", [1.2, 60])
def test_the_first_picture_after_a_stall_may_be_broken(stall: float, first: int, lobby: list[Image]) -> None:
    cuts, thumbnails = SceneCuts(), Thumbnails()
    times = [index / 15 for index in range(10)]
    times += [times[-1] + stall + index / 15 for index in range(30)]
    images = [*[lobby[0]] * 10, *[other_scene()] * (first + 1), *[lobby[0]] * (29 - first)]
    assert not any(cuts.is_cut(thumbnails.of(image), now) for image, now in zip(images, times, strict=True))


@pytest.mark.parametrize("stall", [0.8, 3, 60])
def test_what_was_broken_before_a_stall_makes_no_cut_after_it(stall: float, lobby: list[Image]) -> None:
    cuts, thumbnails = SceneCuts(), Thumbnails()
    times = [index / 15 for index in range(10)]
    times += [times[-1] + stall + index / 15 for index in range(60)]
    broken = (9, 30, 50)
    images = [other_scene() if index in broken else lobby[0] for index in range(70)]
    assert not any(cuts.is_cut(thumbnails.of(image), now) for image, now in zip(images, times, strict=True))


@pytest.mark.parametrize("fps", [1.2, 1.5, 2, 5])
def test_who_hides_the_scene_in_one_slow_frame_is_no_cut(fps: float, lobby: list[Image]) -> None:
    assert cuts_in([*lobby[:3], other_scene(), *lobby[3:9]], fps=fps) == []
    # Another scene lasts.
    assert cuts_in([*lobby[:3], *[other_scene()] * 9], fps=fps) == [3 + math.ceil(LASTS * fps)]


@pytest.mark.parametrize("every", [3, 4, 7])
def test_frames_that_are_broken_again_and_again_are_no_cut(every: int, lobby: list[Image]) -> None:
    broken = np.ascontiguousarray(np.roll(other_scene(), 200, axis=1))
    images = [broken if index % every == every - 1 else lobby[index % 2] for index in range(150)]
    assert cuts_in(images) == []


@pytest.mark.parametrize(("gain", "offset"), [(0.3, 0.0), (1.5, 20.0), (1.0, -60.0)])
def test_other_light_is_no_cut(gain: float, offset: float) -> None:
    lit = np.clip(other_scene() * gain + offset, 0, 255).astype(np.uint8)
    assert cuts_in([other_scene(), *[lit] * 12, *[other_scene()] * 12]) == []


def test_darkness_and_noise_are_no_cut(lobby: list[Image]) -> None:
    random = np.random.default_rng(0)
    black = np.zeros((240, 320, 3), np.uint8)
    noise = [np.clip(random.normal(30, 20, black.shape), 0, 255).astype(np.uint8) for _ in range(10)]
    assert cuts_in([lobby[0], *[black] * 12, *lobby[1:12]]) == []
    assert cuts_in([lobby[0], *noise, *lobby[1:12]]) == []


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
    after = [Frame(other_scene(), last.timestamp + index / 15, last.index + index) for index in range(1, 30)]
    events = [event for frame in after for event in pipeline.process(frame)]
    end, start = events
    assert (end.event_type, end.reason) == ("violation_end", "scene_cut")
    # Until then somebody of the new scene may stand where the one of the old scene stood.
    assert end.timestamp <= last.timestamp + LASTS + 1 / 15
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
    # The third look at the new pictures decides.
    assert events[2].timestamp == pytest.approx(10 / 15)
    assert events[0].track.id != events[2].track.id
