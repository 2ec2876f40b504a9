import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import cv2
import numpy as np
import pytest

from facemask_edge import live_view
from facemask_edge.cameras.recording import Recording
from facemask_edge.faces.thorough import ThoroughDetector
from facemask_edge.live_view import LONGEST_SIDE, LiveView, Shown
from facemask_edge.overlay import COLOURS
from facemask_edge.values import Box, Frame, Image, Label, Track, Verdict
from tests.subscriber import wait_until
from tests.test_daemon import RECORDINGS

Find = Callable[[Image], Iterable[Box]]
NOBODY: list[Verdict] = []


def grey(width: int, height: int, shade: int = 90) -> Frame:
    return Frame(np.full((height, width, 3), shade, np.uint8), 0.0, 0)


def decoded(shown: Shown | None) -> Image:
    assert shown is not None
    image = cv2.imdecode(np.frombuffer(shown.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image  # type: ignore[return-value] # always uint8


@contextmanager
def running(find: Find | None = None) -> Iterator[LiveView]:
    view = LiveView(["door", "yard"], find)
    view.start()
    yield view
    view.stop()


@pytest.fixture
def view() -> Iterator[LiveView]:
    """One that leaves faces as they are."""
    with running() as made:
        yield made


@pytest.fixture(scope="module")
def thorough() -> ThoroughDetector:
    return ThoroughDetector()


@pytest.fixture(scope="module")
def people() -> Frame:
    """A frame of the sample in which bare faces are to be seen."""
    with closing(Recording(RECORDINGS[0])) as recording:
        return next(frame for frame in recording if frame.index == 220)


def worked(seconds: float) -> list[Box]:
    """What a search finds that takes a processor for so long."""
    begin = time.thread_time()
    while time.thread_time() - begin < seconds:
        pass
    return []


def look(view: LiveView, frame: Frame, verdicts: Iterable[Verdict] = NOBODY, known: int = 0) -> Shown | None:
    """What somebody sees of the door who looks when the loop shows a frame of it."""
    view.next("door", known, 0.0)
    assert wait_until(lambda: view.wants("door"))
    view.show("door", frame, verdicts)
    return view.next("door", known, 5.0)


def test_as_long_as_nobody_looks_nothing_is_wanted(view: LiveView) -> None:
    assert not view.wants("door")
    assert view.next("door", 0, 0.0) is None
    assert view.wants("door")
    assert not view.wants("yard")


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1280, 720), (512, 288)), ((720, 1280), (288, 512)), ((320, 240), (320, 240)), ((1, 900), (1, 512))],
)
def test_who_looks_sees_a_small_picture(size: tuple[int, int], shown: tuple[int, int], view: LiveView) -> None:
    image = decoded(look(view, grey(*size)))
    assert (image.shape[1], image.shape[0]) == shown
    assert max(image.shape) <= LONGEST_SIDE


def test_boxes_are_where_the_faces_are(view: LiveView) -> None:
    verdict = Verdict(Track("track", Box(400, 200, 200, 300), 0.9), Label.NO_MASK, 0.97, 5)
    image = decoded(look(view, grey(1280, 720), [verdict])).astype(int)
    for x, y in ((160, 160), (240, 160), (200, 200)):
        assert np.abs(image[y, x] - COLOURS[Label.NO_MASK]).max() < 60, (x, y)
    assert np.abs(image[240, 400] - 90).max() < 10


@pytest.mark.parametrize("size", [(1280, 720), (320, 240)])
def test_the_loop_s_own_frame_stays_as_it_is(size: tuple[int, int]) -> None:
    frame = grey(*size)
    face = Box(10, 10, 60, 60)
    with running(lambda _: [face]) as view:
        assert look(view, frame, [Verdict(Track("track", face, 0.9), Label.MASK, 0.1, 5)])
    assert (frame.image == 90).all()


def inside(box: Box) -> tuple[slice, slice]:
    """The rows and columns of what is well inside."""
    part = box.rounded()
    rows = slice(part["y"] + 4, part["y"] + part["height"] - 4)
    return rows, slice(part["x"] + 4, part["x"] + part["width"] - 4)


def test_faces_cannot_be_recognized_also_those_that_nobody_follows(people: Frame, thorough: ThoroughDetector) -> None:
    with running() as view:
        as_it_is = decoded(look(view, people))
    with running(thorough.boxes) as view:
        blurred = decoded(look(view, people))
    faces = [box for box in thorough.boxes(as_it_is) if box.width > 20]
    assert len(faces) >= 2
    for face in faces:
        assert np.abs(blurred.astype(int) - as_it_is)[inside(face)].mean() > 5


def test_a_face_detector_of_another_kind_finds_no_face_any_more(people: Frame, thorough: ThoroughDetector) -> None:
    dlib = pytest.importorskip("dlib", reason="dlib-bin has no wheel for this computer")
    counts = []
    for find in (None, thorough.boxes):
        with running(find) as view:
            image = decoded(look(view, people))
        counts.append(len(dlib.get_frontal_face_detector()(image[..., ::-1].copy(), 1)))
    assert counts[0] >= 2
    assert counts[1] == 0


def test_a_face_that_is_followed_is_blurred_also_where_nothing_finds_it() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (288, 512, 3), np.uint8)
    verdict = Verdict(Track("track", Box(200, 100, 100, 100), 0.9), Label.UNDETERMINED, None, 0)
    with running(lambda _: []) as view:
        image = decoded(look(view, Frame(noise, 0.0, 0), [verdict]))
    assert image[inside(Box(200, 120, 100, 80))].std() < image[inside(Box(380, 120, 100, 80))].std() / 3


def test_no_picture_leaves_whose_faces_could_not_be_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    faults = [RuntimeError("the model fails")]

    def find(_: Image) -> list[Box]:
        if faults:
            raise faults.pop()
        return []

    with running(find) as view:
        view.next("door", 0, 0.0)
        view.show("door", grey(64, 48), NOBODY)
        assert view.next("door", 0, 0.3) is None
        assert [record.message for record in caplog.records if record.levelno == logging.ERROR] == [
            "a picture to look at failed"
        ]
        # Those after it are made.
        assert look(view, grey(64, 48))


def test_who_has_a_picture_waits_for_another_one(view: LiveView) -> None:
    first = look(view, grey(64, 48))
    assert first is not None
    assert view.next("door", first.number, 0.1) is None
    second = look(view, grey(64, 48, 200), known=first.number)
    assert second is not None
    assert second.number != first.number
    assert decoded(second).mean() > 150


def test_who_knows_a_number_of_another_time_has_the_newest_at_once(view: LiveView) -> None:
    first = look(view, grey(64, 48))
    started = time.monotonic()
    assert view.next("door", 10**9, 5.0) == view.next("door", -1, 5.0) == first
    assert time.monotonic() - started < 1


def test_two_who_look_share_one_picture_that_is_made_once() -> None:
    made: list[Image] = []

    def find(image: Image) -> list[Box]:
        made.append(image)
        return []

    with running(find) as view, ThreadPoolExecutor(2) as viewers:
        seen = [viewers.submit(view.next, "door", 0, 5.0) for _ in range(2)]
        assert wait_until(lambda: view.wants("door"))
        view.show("door", grey(64, 48), NOBODY)
        assert seen[0].result() is seen[1].result() is not None
    assert len(made) == 1


def test_each_camera_has_its_own_picture(view: LiveView) -> None:
    for camera, shade in (("door", 40), ("yard", 200)):
        view.next(camera, 0, 0.0)
        view.show(camera, grey(64, 48, shade), NOBODY)
    assert abs(decoded(view.next("door", 0, 5.0)).mean() - 40) < 5
    assert abs(decoded(view.next("yard", 0, 5.0)).mean() - 200) < 5


def test_not_every_frame_is_wanted(view: LiveView) -> None:
    assert look(view, grey(64, 48))
    view.next("door", 0, 0.0)
    view.show("door", grey(64, 48), NOBODY)
    assert not view.wants("door")
    assert wait_until(lambda: view.wants("door"), 1)


def test_a_picture_that_takes_long_is_followed_by_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(lambda _: worked(0.05)) as view:
        first = look(view, grey(64, 48))
        assert first is not None
        assert wait_until(lambda: view.wants("door"), 1)
        monkeypatch.setattr(live_view, "SHARE", 0.04)
        shown = look(view, grey(64, 48, 200), known=first.number)
        assert shown is not None
        ended = time.monotonic()
        while time.monotonic() - ended < 0.8:
            view.next("door", shown.number, 0.0)
            assert not view.wants("door")
        assert wait_until(lambda: view.next("door", shown.number, 0.0) is None and view.wants("door"), 3)


def test_also_what_came_while_a_picture_was_made_waits_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "SHARE", 0.1)
    begun: list[float] = []

    def work(_: Image) -> list[Box]:
        begun.append(time.monotonic())
        return worked(0.1)

    with running(work) as view:
        view.next("door", 0, 0.0)
        view.show("door", grey(64, 48), NOBODY)
        assert wait_until(lambda: bool(begun))
        view.show("door", grey(64, 48), NOBODY)
        assert wait_until(lambda: len(begun) == 2)
    assert begun[1] - begun[0] > 0.9


def test_a_picture_stays_while_the_next_one_may_not_come_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_view, "LOOKS", 0.3)
    monkeypatch.setattr(live_view, "SHARE", 0.05)

    with running(lambda _: worked(0.1)) as view:
        first = look(view, grey(64, 48))
        assert first is not None
        seen = []
        for _ in range(10):
            time.sleep(0.1)
            seen.append(view.next("door", 0, 0.0))
        assert seen == [first] * 10
        assert wait_until(lambda: view.next("door", 0, 0.0) is None, 5), "for ever it is not live"


def test_once_nobody_looks_nothing_is_wanted_and_no_picture_stays(
    view: LiveView, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_view, "LOOKS", 0.6)
    assert look(view, grey(64, 48))
    view.next("door", 0, 0.0)
    assert wait_until(lambda: not view._shown, 5)  # noqa: SLF001 - to ask for it would be to look
    assert not view.wants("door")


def test_a_picture_of_before_is_shown_to_nobody_as_live(view: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    first = look(view, grey(64, 48))
    assert first is not None
    monkeypatch.setattr(live_view, "LOOKS", 0.3)
    for _ in range(5):
        # The camera gives no more, as it is switched off; somebody looks all the same.
        assert view.next("door", first.number, 0.1) is None
    assert view.next("door", 0, 0.0) is None
    monkeypatch.undo()
    assert look(view, grey(64, 48), known=first.number) is not None


def test_frames_that_come_faster_than_pictures_are_made_do_not_pile_up() -> None:
    may_go_on = threading.Event()
    shades: list[float] = []

    def slow(image: Image) -> list[Box]:
        shades.append(float(image.mean()))
        may_go_on.wait(10)
        return []

    with running(slow) as view:
        view.next("door", 0, 0.0)
        started = time.monotonic()
        for shade in range(100):
            view.show("door", grey(64, 48, shade), NOBODY)
        assert time.monotonic() - started < 2
        may_go_on.set()
        assert wait_until(lambda: 99.0 in shades)
    assert len(shades) <= 3


def test_who_waits_is_woken_when_it_ends(view: LiveView) -> None:
    with ThreadPoolExecutor(1) as viewer:
        waits = viewer.submit(view.next, "door", 0, 30.0)
        assert wait_until(lambda: view.wants("door"))
        started = time.monotonic()
        view.stop()
        assert waits.result(5) is None
    assert time.monotonic() - started < 2


def test_it_may_end_without_having_begun() -> None:
    LiveView(["door"], None).stop()


def test_there_is_nothing_of_a_camera_that_is_not_there(view: LiveView) -> None:
    with pytest.raises(KeyError):
        view.next("nowhere", 0, 0.0)
