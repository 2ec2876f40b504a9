"""What is tried with the real picamera2 on the real libcamera: runs in a root file system, see ``test_real.py``."""

import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import picamera2.picamera2
import pytest
from picamera2.allocators import LibcameraAllocator

from facemask_edge.cameras import open_camera
from facemask_edge.cameras.capture import CameraLostError
from facemask_edge.cameras.orientation import Orientation
from facemask_edge.cameras.picamera import PicameraCapture
from facemask_edge.cameras.recording import read_picture
from facemask_edge.cameras.status import CameraState
from facemask_edge.config import CameraConfig, Config
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Image

CONFIG = CameraConfig(name="door", source="picamera", width=640, height=480)
AS_IT_HANGS = Orientation()


@pytest.fixture(autouse=True)
def a_camera_without_a_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """The virtual camera has no raw mode, and two planes in each buffer: picamera2's usual memory has one."""
    camera = picamera2.picamera2.Picamera2
    begin = camera.__init__

    def with_its_memory(self: picamera2.picamera2.Picamera2, number: int = 0) -> None:
        begin(self, number)
        self.allocator = LibcameraAllocator(self.camera)

    monkeypatch.setattr(camera, "__init__", with_its_memory)
    monkeypatch.setattr(camera, "_get_raw_modes", lambda _: [{"format": "SRGGB10", "size": (640, 480)}])


def opened(lores: tuple[int, int] | None = (320, 320)) -> PicameraCapture:
    """A camera that gives pictures: the player may be done before picamera2 listens, and then stays still."""
    for _ in range(5):
        camera = PicameraCapture(CONFIG, AS_IT_HANGS, lores)
        try:
            camera.read()
        except CameraLostError:
            camera.close()
        else:
            return camera
    raise AssertionError("it gave no picture five times")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pictures() -> list[Image]:
    """What it plays."""
    return [read_picture(file) for file in sorted(Path("/frames").iterdir())]


def read_all(camera: PicameraCapture) -> None:
    """All that it still has."""
    while True:
        camera.read()


def test_both_pictures_show_what_it_sees() -> None:
    played = pictures()
    with closing(opened()) as camera:
        for _ in range(20):
            picture = camera.read()
            assert picture.image.shape == (480, 640, 3)
            assert picture.lores is not None
            assert picture.lores.shape == (240, 320, 3)
            # The player keeps the whole range of values, where a sensor's YUV leaves some out: the contrast differs.
            likeness = [np.corrcoef(picture.image.ravel(), one.ravel())[0, 1] for one in played]
            assert max(likeness) > 0.995
            small = cv2.resize(picture.image, (320, 240), interpolation=cv2.INTER_AREA)
            assert np.abs(small.astype(int) - picture.lores).mean() < 4


def test_it_is_opened_again_and_again_without_leaving_anything() -> None:
    counts = []
    for _ in range(6):
        with closing(opened()) as camera:
            camera.read()
        counts.append(open_files())
    # What the newest one left is found by the next; three files each would be fifteen more.
    assert max(counts[1:]) <= counts[1] + 3


def test_one_that_is_tried_in_vain_leaves_nothing_either() -> None:
    counts = []
    absent = CONFIG.model_copy(update={"source": "picamera:3"})
    with closing(PicameraCapture(CONFIG, AS_IT_HANGS, None)):
        for _ in range(30):
            for config in (CONFIG, absent):
                with pytest.raises(CameraLostError, match="cannot be opened"):
                    PicameraCapture(config, AS_IT_HANGS, None)
            counts.append(open_files())
    # The camera that is open has its requests, of which now and then more are under way: the fewest are what stays.
    assert min(counts[15:]) <= min(counts[1:15])


def test_a_picture_that_is_not_copied_outlives_its_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    # It gives NV12 only, which has to be converted: as if that were what is wanted. That others do not overwrite it is
    # shown with the stand-in: this camera completes its four requests at once, and stops when some are kept.
    monkeypatch.setattr("facemask_edge.cameras.picamera.BGR", "NV12")
    counts = []
    for _ in range(4):
        with closing(opened(None)) as camera:
            held = camera.read().image
            part, copy = held[100:200, 100:200], held.copy()
        assert np.array_equal(held, copy)
        del held
        assert np.array_equal(part, copy[100:200, 100:200])
        # The virtual camera gives nothing but broken pictures now and then, while those of one that is closed are held.
        del part, camera
        counts.append(open_files())
    assert max(counts[1:]) <= counts[1] + 3


def test_one_that_gives_nothing_more_is_lost_and_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.cameras.picamera.READ_TIMEOUT", 1.0)
    camera = opened()
    # As a loose cable: libcamera completes no request any more, and picamera2 does not know.
    camera._camera.camera.stop()  # noqa: SLF001 - nobody else can
    with pytest.raises(CameraLostError, match=r"is its cable loose|it fails: Failed to queue request"):
        read_all(camera)
    camera.close()
    with closing(opened()) as again:
        assert again.read().image.shape == (480, 640, 3)


def test_one_that_somebody_uses_or_that_is_not_there_is_named() -> None:
    with closing(PicameraCapture(CONFIG, AS_IT_HANGS, None)), pytest.raises(CameraLostError, match="cannot be opened"):
        PicameraCapture(CONFIG, AS_IT_HANGS, None)
    with pytest.raises(CameraLostError, match="No camera number 3 found"):
        PicameraCapture(CONFIG.model_copy(update={"source": "picamera:3"}), AS_IT_HANGS, None)


def test_a_control_that_it_lacks_is_named() -> None:
    config = CameraConfig.model_validate({"source": "picamera", "width": 640, "height": 480, "exposure": {"gain": 4}})
    with pytest.raises(CameraLostError, match="Control AnalogueGain is not advertised by libcamera"):
        PicameraCapture(config, AS_IT_HANGS, None)
    PicameraCapture(CONFIG, AS_IT_HANGS, None).close()


def test_faces_are_found_and_judged_as_it_goes_by() -> None:
    config = Config.model_validate({"cameras": [CONFIG.model_dump()]})
    models = Models(config)
    pipeline = Pipeline(config, config.cameras[0], models, is_live=True)
    with closing(open_camera(CONFIG, detector_input=models.detector_input)) as camera:
        seen: set[str] = set()
        for frame in islice(camera, 200):
            if frame is not None:
                assert frame.lores is not None
                pipeline.process(frame)
                seen |= {str(verdict.label) for verdict in pipeline.verdicts()}
        assert camera.status is not None
        assert camera.status.state is CameraState.OK
    assert seen >= {"mask", "no_mask"}


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--color", "no", __file__]))
