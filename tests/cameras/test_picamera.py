"""The Pi's camera: against a stand-in for picamera2, whose signatures are compared with the real one's."""

import ast
import importlib.util
import inspect
import sys
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from facemask_edge.cameras import open_camera
from facemask_edge.cameras.capture import CameraLostError
from facemask_edge.cameras.orientation import Orientation
from facemask_edge.cameras.picamera import PicameraCapture
from facemask_edge.cameras.recording import Recording
from facemask_edge.cameras.status import CameraState
from facemask_edge.config import CameraConfig, Config
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import ModelError
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Box, Frame, Image
from tests import fakes
from tests.subscriber import wait_until

CONFIG = CameraConfig(name="door", source="picamera", fps=200)
AS_IT_HANGS = Orientation()


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[fakes.Picamera2]:
    """A Pi with a camera."""
    modules = fakes.picamera2_modules()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return modules["picamera2"].Picamera2  # type: ignore[no-any-return]


def numbered(index: int) -> Image:
    """A picture that tells its number: dark and grey."""
    return np.full((720, 1280, 3), 40 + index % 200, np.uint8)


def quarters(_index: int) -> Image:
    """Black, red, green and blue: upper left, upper right, lower left, lower right."""
    picture = np.zeros((720, 1280, 3), np.uint8)
    picture[:360, 640:] = 0, 0, 255
    picture[360:, :640] = 0, 255, 0
    picture[360:, 640:] = 255, 0, 0
    return picture


@pytest.mark.parametrize("insists", [None, "YUV420", "NV12"])
@pytest.mark.parametrize("size", [(1280, 720), (1000, 562)], ids=["whole rows", "padded rows"])
def test_both_pictures_show_the_same(
    picamera2: type[fakes.Picamera2], insists: str | None, size: tuple[int, int]
) -> None:
    picamera2.scene = staticmethod(quarters)
    picamera2.insists = insists
    config = CONFIG.model_copy(update={"width": size[0], "height": size[1]})
    with closing(PicameraCapture(config, AS_IT_HANGS, (320, 320))) as camera:
        picture = camera.read()
    assert picture.lores is not None
    assert picture.image.shape == (size[1], size[0], 3)
    assert picture.lores.shape == (180, 320, 3)
    for image in (picture.image, picture.lores):
        height, width = image.shape[:2]
        seen = image[height // 4 :: height // 2, width // 4 :: width // 2].reshape(4, 3).astype(int)
        assert np.abs(seen - [(0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0)]).max() <= 3  # YUV


def test_without_a_detector_there_is_no_second_picture(picamera2: type[fakes.Picamera2]) -> None:
    with closing(PicameraCapture(CONFIG, AS_IT_HANGS, None)) as camera:
        assert camera.read().lores is None
    assert picamera2.opened[0].camera_config["lores"] is None


def test_a_picture_stays_as_it_is_while_somebody_holds_it(picamera2: type[fakes.Picamera2]) -> None:
    picamera2.scene = staticmethod(numbered)
    with closing(PicameraCapture(CONFIG, AS_IT_HANGS, (320, 320))) as camera:
        held = camera.read().image
        # A part of it holds it as well.
        part = camera.read().image[100:200, 100:200]
        before = held.copy(), part.copy()
        newest = [int(camera.read().image[0, 0, 0]) for _ in range(30)]
        assert np.array_equal(held, before[0])
        assert np.array_equal(part, before[1])
    assert newest == sorted(set(newest))
    assert picamera2.opened[0].starved == 0


def test_it_is_no_copy(picamera2: type[fakes.Picamera2]) -> None:
    with closing(PicameraCapture(CONFIG, AS_IT_HANGS, (320, 320))) as camera:
        image = camera.read().image
        (fake,) = picamera2.opened
        memories = [fake._completed.request] if fake._completed else []  # noqa: SLF001 - a stand-in's inside
        assert not any(np.shares_memory(image, memory["main"]) for memory in [*fake.free, *memories] if memory)
        address = image.__array_interface__["data"][0]
        del image
        camera.read()
        camera.read()
        assert wait_until(
            lambda: any(memory["main"].__array_interface__["data"][0] == address for memory in list(fake.free)), 2
        )


def test_a_camera_that_gives_nothing_more_is_lost_and_opened_again(
    picamera2: type[fakes.Picamera2], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("facemask_edge.cameras.picamera.READ_TIMEOUT", 0.3)
    monkeypatch.setattr("facemask_edge.cameras.live.SHORTEST_BACKOFF", 0.1)
    picamera2.scene = staticmethod(numbered)
    with closing(open_camera(CONFIG)) as camera:
        assert next(frame for frame in camera if frame).width == 1280
        picamera2.opened[0].is_stalled = True
        picamera2.cameras = 0
        assert wait_until(lambda: "it gives no picture any more; is its cable loose?" in caplog.text, 5)
        assert camera.status is not None
        assert camera.status.state is CameraState.LOST
        picamera2.cameras = 1
        assert wait_until(lambda: camera.status is not None and camera.status.state is CameraState.OK, 2)
    assert not any(one.is_open for one in picamera2.opened)


def test_a_camera_that_is_not_there_says_what_to_look_at(picamera2: type[fakes.Picamera2]) -> None:
    picamera2.cameras = 1
    with pytest.raises(CameraLostError, match='No camera number 1 found - use "rpicam-hello --list-cameras"'):
        PicameraCapture(CONFIG.model_copy(update={"source": "picamera:1"}), AS_IT_HANGS, None)


def open_files() -> set[tuple[str, str]]:
    """Number and what it is of each; not only how many: those of earlier tests may be closed meanwhile."""
    found = set()
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add((file.name, str(file.readlink())))
    # Reading the folder opens it.
    return {each for each in found if not each[1].endswith("/fd")}


def test_one_that_is_tried_in_vain_leaves_nothing_open(picamera2: type[fakes.Picamera2]) -> None:
    picamera2.cameras = 0
    before = open_files()
    for _ in range(5):
        with pytest.raises(CameraLostError, match="cannot be opened"):
            PicameraCapture(CONFIG, AS_IT_HANGS, None)
    assert open_files() <= before


@pytest.mark.usefixtures("picamera2")
def test_a_detector_that_cannot_be_used_is_no_fault_of_the_camera() -> None:
    def broken(_width: int, _height: int) -> tuple[int, int]:
        raise ModelError("it is damaged")

    with pytest.raises(ModelError, match="it is damaged"):
        open_camera(CONFIG, detector_input=broken)


@pytest.mark.parametrize("size", [(319, 240), (320, 243), (160, 123), (1280, 720)])
def test_the_small_picture_is_never_larger_than_the_large_one(
    picamera2: type[fakes.Picamera2], size: tuple[int, int]
) -> None:
    config = CONFIG.model_copy(update={"width": size[0], "height": size[1]})
    with closing(PicameraCapture(config, AS_IT_HANGS, (320, 320))):
        streams = picamera2.opened[0].camera_config
    assert all(small <= large for small, large in zip(streams["lores"]["size"], streams["main"]["size"], strict=True))


@pytest.mark.parametrize(
    ("exposure", "limits"),
    [
        ({}, (33333, 33333)),
        ({"time": 0.1}, (33333, 100000)),
        ({"mode": "long"}, (33333, 83333)),
        ({"time": 0.01}, (33333, 33333)),
    ],
    ids=str,
)
def test_a_frame_lasts_as_long_as_its_exposure(
    picamera2: type[fakes.Picamera2], exposure: dict[str, object], limits: tuple[int, int]
) -> None:
    config = CameraConfig.model_validate({"source": "picamera", "exposure": exposure})
    PicameraCapture(config, AS_IT_HANGS, None).close()
    assert picamera2.opened[0].camera_config["controls"]["FrameDurationLimits"] == limits


def test_a_control_that_a_camera_lacks_is_named_and_the_camera_let_go(picamera2: type[fakes.Picamera2]) -> None:
    picamera2.controls_known = ("FrameDurationLimits",)
    config = CameraConfig.model_validate({"source": "picamera", "exposure": {"gain": 4}})
    with pytest.raises(CameraLostError, match="it does not start: Control AnalogueGain is not advertised"):
        PicameraCapture(config, AS_IT_HANGS, None)
    assert not picamera2.opened[0].is_open


def test_settings_become_controls(picamera2: type[fakes.Picamera2]) -> None:
    picamera2.controls_known = (*fakes.Picamera2.controls_known, "AfMode")
    exposure = {"mode": "short", "compensation": -1.5, "time": 0.004, "gain": 2}
    config = CameraConfig.model_validate({"source": "picamera", "fps": 15, "exposure": exposure})
    PicameraCapture(config, AS_IT_HANGS, None).close()
    assert picamera2.opened[0].camera_config["controls"] == {
        "FrameDurationLimits": (66667, 66667),
        "AeExposureMode": 1,
        "ExposureValue": -1.5,
        "ExposureTime": 4000,
        "AnalogueGain": 2,
        "AfMode": 2,
    }


def test_it_mirrors_by_itself_and_is_turned_after_that(picamera2: type[fakes.Picamera2]) -> None:
    picamera2.scene = staticmethod(quarters)
    config = CONFIG.model_copy(update={"rotation": 270})
    with closing(open_camera(config, detector_input=lambda _width, _height: (320, 320))) as camera:
        frame = next(frame for frame in camera if frame)
        assert camera.status is not None
        assert camera.status.size == (720, 1280)
    transform = picamera2.opened[0].camera_config["transform"]
    assert (transform.hflip, transform.vflip) == (True, True)
    assert frame.lores is not None
    assert frame.lores.shape == (320, 180, 3)
    assert np.array_equal(frame.image, cv2.rotate(quarters(0), cv2.ROTATE_90_COUNTERCLOCKWISE))


def test_without_picamera2_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(CameraLostError, match=r"sudo apt install python3-picamera2 .* --system-site-packages"):
        PicameraCapture(CONFIG, AS_IT_HANGS, None)


def test_picamera2_for_another_numpy_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "picamera2.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(CameraLostError, match="does not fit this virtual environment: numpy"):
        PicameraCapture(CONFIG, AS_IT_HANGS, None)


def test_faces_are_found_in_the_small_picture_and_judged_in_the_large_one(picamera2: type[fakes.Picamera2]) -> None:
    config = Config()
    models = Models(config)
    with closing(Recording(SAMPLE)) as recording:
        frames = list(islice(recording, 40, 200, 20))
    picamera2.scene = staticmethod(lambda index: frames[index % len(frames)].image)
    size = {"width": frames[0].width, "height": frames[0].height}
    with closing(
        PicameraCapture(CONFIG.model_copy(update=size), AS_IT_HANGS, models.detector_input(*size.values()))
    ) as camera:
        pictures = [camera.read() for _ in range(4)]
    found = 0
    for index, picture in enumerate(pictures):
        assert picture.lores is not None
        assert max(picture.lores.shape) == 320
        seen = [Frame(picture.image, float(index), index, lores=lores) for lores in (None, picture.lores)]
        boxes = []
        for frame in seen:
            # Each face is new to a pipeline that is new.
            pipeline = Pipeline(config, CONFIG, models)
            pipeline.process(frame)
            boxes.append([verdict.track.box for verdict in pipeline.verdicts()])
        found += len(boxes[0])
        assert len(boxes[0]) == len(boxes[1])
        assert all(min(_distance(box, other) for other in boxes[1]) < 0.1 * box.height for box in boxes[0])
    assert found >= 4


def _distance(one: Box, other: Box) -> float:
    return float(np.abs(np.subtract(tuple(one.rounded().values()), tuple(other.rounded().values()))).max())


def real_parameters(file: str, name: str, method: str) -> list[tuple[str, str]]:
    """Names and defaults of a method of the real picamera2, which is read, not imported: it needs a Pi's libraries."""
    spec = importlib.util.find_spec("picamera2")
    assert spec is not None, "pip install --no-deps picamera2==0.3.38"
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).with_name(file).read_text())
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    # The last one of that name: those before are overloads.
    function = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == method][-1]
    arguments = function.args
    assert not any((arguments.posonlyargs, arguments.kwonlyargs, arguments.vararg, arguments.kwarg))
    defaults = [ast.unparse(default) for default in arguments.defaults]
    return list(
        zip([one.arg for one in arguments.args], [""] * (len(arguments.args) - len(defaults)) + defaults, strict=True)
    )


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("picamera2.py", fakes.Picamera2),
        ("request.py", fakes.CompletedRequest),
        ("request.py", fakes.MappedArray),
    ],
)
def test_the_stand_in_has_the_signatures_of_the_real_one(file: str, kind: type) -> None:
    methods = [name for name, value in vars(kind).items() if inspect.isfunction(value) and name != "scene"]
    methods = [name for name in methods if name.startswith("__") or not name.startswith("_")]
    assert "__init__" in methods
    for method in methods:
        parameters = inspect.signature(getattr(kind, method)).parameters.values()
        ours = [(one.name, "" if one.default is one.empty else repr(one.default)) for one in parameters]
        real = real_parameters(file, kind.__name__, method)
        assert [name for name, _ in ours] == [name for name, _ in real], method
        for (name, default), (_, expected) in zip(ours, real, strict=True):
            assert default == expected or expected.startswith("libcamera."), f"{method}: {name}"


def test_what_is_used_of_a_pi_camera_are_properties_of_the_real_one() -> None:
    spec = importlib.util.find_spec("picamera2")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).with_name("picamera2.py").read_text()
    assert "@property\n    def camera_controls(self)" in source
    assert "from .request import CompletedRequest, MappedArray" in Path(spec.origin).read_text()
