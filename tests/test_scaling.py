"""Pictures are scaled once for the face detector, by whoever reads them, and are judged as those that are not."""

from contextlib import closing
from itertools import islice

import cv2
import numpy as np
import pytest

from facemask_edge.buffers import Buffers
from facemask_edge.cameras import open_camera
from facemask_edge.cameras.orientation import Orientation
from facemask_edge.cameras.prepared import prepared
from facemask_edge.cameras.recording import Recording
from facemask_edge.config import CameraConfig, Config
from facemask_edge.config_file import load_config
from facemask_edge.demo import SAMPLE
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.privacy import PrivacyMasks
from facemask_edge.scaling import fitted
from facemask_edge.thumbnail import Thumbnails
from facemask_edge.values import Box, Frame, Label
from tests.motion_jpeg import MotionJpeg, grey


def small_input(_width: int, _height: int) -> tuple[int, int]:
    return 80, 80


def frames_of(source: str, count: int) -> list[Frame]:
    with closing(open_camera(CameraConfig(name="door", source=source), detector_input=small_input)) as camera:
        return list(islice((frame for frame in camera if frame is not None), count))


def test_a_picture_is_scaled_as_a_whole_and_never_up() -> None:
    picture = grey(128)
    assert fitted(picture, (160, 120)) is picture
    assert fitted(picture, (320, 320)) is picture
    assert fitted(picture, (80, 80)).shape == (60, 80, 3)
    assert fitted(np.zeros((3, 4000, 3), np.uint8), (320, 320)).shape == (1, 320, 3)
    assert np.all(fitted(picture, (80, 80), Buffers()) == 128)


def test_frames_of_every_source_bring_the_smaller_picture(
    stream: tuple[str, type[MotionJpeg]],
) -> None:
    for source in (str(SAMPLE), stream[0]):
        # Each has its own, however many are held.
        for frame in frames_of(source, 5):
            assert frame.lores is not None
            assert np.array_equal(frame.lores, fitted(frame.image, (80, 80)))
            assert frame.thumbnail is not None
            assert np.array_equal(frame.thumbnail.gray, Thumbnails().of(frame.lores).gray)


@pytest.mark.parametrize("changes", [{"rotation": 90}, {"privacy_masks": [[[0, 0], [1, 0], [1, 0.5]]]}])
def test_the_scene_is_known_by_what_was_made_ready_not_by_what_the_camera_gave(changes: dict[str, object]) -> None:
    config = CameraConfig.model_validate({"name": "door", "source": str(SAMPLE), **changes})
    with closing(open_camera(config, detector_input=small_input)) as camera:
        frame = next(iter(camera))
    assert frame is not None
    assert frame.thumbnail is None


@pytest.mark.parametrize(("rotation", "shape"), [(0, (144, 192, 3)), (90, (256, 192, 3)), (180, (144, 192, 3))])
def test_a_picture_that_is_turned_is_scaled_for_an_input_that_is_upright(
    rotation: int, shape: tuple[int, int, int]
) -> None:
    config = CameraConfig.model_validate({"name": "door", "source": str(SAMPLE), "rotation": rotation})
    with closing(open_camera(config, detector_input=lambda _width, _height: (192, 320))) as camera:
        frame = next(iter(camera))
    assert frame is not None
    assert frame.lores is not None
    assert frame.lores.shape == shape


def test_nothing_of_what_is_masked_is_in_the_smaller_picture() -> None:
    mask = [(0.0, 0.0), (0.4512, 0.0), (0.3512, 0.7373), (0.0, 0.7373)]
    for side in (160, 300, 320, 512):
        secret = np.zeros((480, 640, 3), np.uint8)
        # All that the mask covers is white, and nothing else.
        cv2.fillPoly(secret, [np.round(np.array(mask) * (640, 480)).astype(np.int32)], (255, 255, 255))
        small = fitted(secret, (side, side))
        assert prepared(small, Orientation(), PrivacyMasks([mask]), Buffers(), is_scaled=True).max() == 0


def test_frames_that_are_small_enough_bring_none() -> None:
    with closing(
        open_camera(CameraConfig(name="door", source=str(SAMPLE)), detector_input=lambda *size: size)
    ) as camera:
        frame = next(iter(camera))
    assert frame is not None
    assert (frame.lores, frame.thumbnail) == (None, None)


def test_where_nobody_detects_the_scene_is_known_by_what_is_judged() -> None:
    # Who only reads may change the picture before it is judged, as annotate does.
    recording = Recording(SAMPLE)
    frame = next(iter(recording))
    recording.close()
    assert (frame.lores, frame.thumbnail) == (None, None)


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 480), (1280, 720), (3840, 2160)])
@pytest.mark.parametrize("model", ["", "face_detector_512_int8.tflite"])
def test_the_size_is_that_of_the_detectors_input(width: int, height: int, model: str) -> None:
    models = Models(load_config(None, [f"detector.model={model}"] if model else []))
    assert models.detector_input(width, height) == models.detector(width, height).model.size


def test_a_recording_is_judged_alike_however_it_is_scaled() -> None:
    config = Config()
    models = Models(config)
    judged = []
    for detector_input in (None, models.detector_input):
        pipeline = Pipeline(config, config.cameras[0], models)
        camera = CameraConfig(name="door", source=str(SAMPLE))
        with closing(open_camera(camera, detector_input=detector_input)) as frames:
            judged.append([_verdicts(pipeline, frame) for frame in frames])
    assert judged[0] == judged[1]
    assert any(judged[0])


def _verdicts(pipeline: Pipeline, frame: Frame | None) -> list[tuple[Box, Label, float | None]]:
    """Without the ids, which are new each time."""
    assert frame is not None
    pipeline.process(frame)
    return [(verdict.track.box, verdict.label, verdict.probability) for verdict in pipeline.verdicts()]
