import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from itertools import count, cycle, pairwise

import numpy as np
import pytest

from facemask_edge.cameras import open_camera
from facemask_edge.cameras.capture import CameraLostError, Picture
from facemask_edge.cameras.live import LiveCamera
from facemask_edge.cameras.status import CameraState
from facemask_edge.config import CameraConfig
from facemask_edge.values import Image
from tests.motion_jpeg import MotionJpeg, encoded, grey, lighter, part
from tests.subscriber import wait_until

Stream = tuple[str, type[MotionJpeg]]
NOTICED = 5.0
"""Seconds within which every fault is to be noticed."""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter pauses."""
    monkeypatch.setattr("facemask_edge.cameras.live.SHORTEST_BACKOFF", 0.1)


def camera_of(url: str) -> LiveCamera:
    camera = open_camera(CameraConfig(name="door", source=url)).source
    assert isinstance(camera, LiveCamera)
    return camera


def state_within(camera: LiveCamera, state: CameraState, seconds: float = NOTICED) -> bool:
    return wait_until(lambda: camera.status.state is state, seconds)


def noisy() -> Iterator[bytes]:
    """What a sensor sends of a scene in which nothing moves, 20 a second."""
    random = np.random.default_rng(0)
    while True:
        yield part(encoded(random.integers(90, 110, (120, 160, 3)).astype(np.uint8)))
        time.sleep(0.05)


def test_a_stream_gives_the_newest_frame_and_never_a_queue(stream: Stream) -> None:
    with closing(camera_of(stream[0])) as camera:
        frames = []
        for frame in camera:
            if frame is not None:
                frames.append(frame)
                time.sleep(0.3)  # slower than the stream
            if len(frames) == 5:
                break
        status = camera.status
    assert status.busy >= sum(after.index - before.index - 1 for before, after in pairwise(frames))
    # One may be on its way.
    assert status.frames - len(frames) - 1 <= status.busy + status.stale <= status.frames - len(frames)
    gaps = [after.index - before.index for before, after in pairwise(frames)]
    assert all(gap >= 3 for gap in gaps)
    assert [frame.timestamp for frame in frames] == sorted(frame.timestamp for frame in frames)
    assert frames[-1].image.mean() > frames[0].image.mean()


def test_a_camera_that_is_switched_off_is_let_go_of_and_opened_again(stream: Stream) -> None:
    url, handler = stream
    watched: list[str] = []

    def counted() -> Iterator[bytes]:
        watched.append("opened")
        try:
            yield from noisy()
        finally:
            watched.append("let go")

    handler.stream = staticmethod(counted)
    with closing(camera_of(url)) as camera:
        assert state_within(camera, CameraState.OK)
        camera.switch(on=False)
        assert state_within(camera, CameraState.OFF)
        assert wait_until(lambda: watched == ["opened", "let go"])
        # Nothing of before is judged later.
        assert next(iter(camera)) is None
        assert camera.is_alive
        frames, losses = camera.status.frames, camera.status.losses
        camera.switch(on=True)
        assert state_within(camera, CameraState.OK)
        assert wait_until(lambda: camera.status.frames > frames)
        assert camera.status.losses == losses == 0


def test_a_camera_that_is_not_there_is_off_at_once() -> None:
    with closing(camera_of("http://127.0.0.1:9/")) as camera:
        assert state_within(camera, CameraState.LOST)
        # In the pause before the third try, which is of seconds.
        time.sleep(2.5)
        camera.switch(on=False)
        assert state_within(camera, CameraState.OFF, 1)


def test_a_camera_that_is_off_can_be_closed(stream: Stream) -> None:
    camera = camera_of(stream[0])
    camera.switch(on=False)
    assert state_within(camera, CameraState.OFF)
    camera.close()
    assert wait_until(lambda: not camera.is_alive)


def test_a_frame_that_nobody_took_in_time_is_too_old_and_counted(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask_edge.cameras.live.MOST_AGE", 0.1)
    url, handler = stream
    handler.stream = staticmethod(partial(lighter, 1))
    with closing(camera_of(url)) as camera:
        assert wait_until(lambda: camera.status.frames == 1)
        time.sleep(0.2)
        assert next(iter(camera)) is None
        assert (camera.status.busy, camera.status.stale) == (0, 1)


@pytest.mark.usefixtures("soon")
def test_a_stream_that_ends_is_opened_again(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    url, handler = stream
    handler.stream = staticmethod(partial(lighter, 20))
    with closing(camera_of(url)) as camera:
        seen: list[int] = []
        started = time.monotonic()
        for frame in camera:
            if frame is not None:
                seen.append(frame.index)
            if (seen and seen[-1] > 25) or time.monotonic() - started > 20:
                break
    assert seen[-1] > 25
    assert "camera door: it has ended the stream; trying again in" in caplog.text


def test_a_camera_that_is_not_there_gives_none_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with closing(camera_of("http://user:secret@127.0.0.1:9/stream.mjpg")) as camera:
        assert next(iter(camera)) is None
        assert state_within(camera, CameraState.LOST)
        assert "camera door: it cannot be reached: Connection refused; trying again" in caplog.text
        assert "secret" not in caplog.text
        assert camera.is_alive


def test_a_stream_that_stalls_is_noticed(stream: Stream) -> None:
    url, handler = stream

    def stalls() -> Iterator[bytes]:
        yield from lighter(10)
        time.sleep(30)

    handler.stream = staticmethod(stalls)
    with closing(camera_of(url)) as camera:
        assert state_within(camera, CameraState.OK)
        assert state_within(camera, CameraState.LOST)
        assert "for" in camera.status.reason


@pytest.mark.usefixtures("soon")
def test_a_camera_that_freezes_is_noticed_and_opened_again(stream: Stream) -> None:
    url, handler = stream

    went_well = iter([10])

    def freezes() -> Iterator[bytes]:
        # Who asks again gets the picture that it stopped at.
        yield from lighter(next(went_well, 0))
        for _ in range(200):
            yield part(encoded(grey(99)))
            time.sleep(0.05)

    handler.stream = staticmethod(freezes)
    with closing(camera_of(url)) as camera:
        assert state_within(camera, CameraState.OK)
        assert state_within(camera, CameraState.FROZEN)
        handler.stream = staticmethod(noisy)
        assert state_within(camera, CameraState.OK)
        assert camera.status.losses == 1
        time.sleep(4)
        assert (camera.status.state, camera.status.losses) == (CameraState.OK, 1), "noise is no frozen picture"


def test_a_camera_that_turns_black_is_noticed(stream: Stream) -> None:
    url, handler = stream

    def turns_black() -> Iterator[bytes]:
        yield from lighter(10)
        for level in cycle((0, 2, 4)):
            yield part(encoded(grey(level)))
            time.sleep(0.05)

    handler.stream = staticmethod(turns_black)
    with closing(camera_of(url)) as camera:
        assert state_within(camera, CameraState.OK)
        assert state_within(camera, CameraState.BLACK)


@pytest.mark.usefixtures("soon")
def test_a_camera_that_comes_back_with_another_size_is_noticed(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    url, handler = stream

    def larger() -> Iterator[bytes]:
        for index in count():
            yield part(encoded(grey(50 + index % 200, 320, 240)))
            time.sleep(0.05)

    handler.stream = staticmethod(partial(lighter, 20))
    with closing(camera_of(url)) as camera:
        assert wait_until(lambda: camera.status.size == (160, 120))
        handler.stream = staticmethod(larger)
        assert wait_until(lambda: camera.status.size == (320, 240), NOTICED)
        assert next(frame.width for frame in camera if frame is not None) == 320
    assert "camera door: 160 x 120" in caplog.text
    assert "camera door: 320 x 240" in caplog.text


class Hanging:
    """A driver that never comes back."""

    def __init__(self) -> None:
        self.opened = 0

    def open(self) -> "Hanging":
        self.opened += 1
        return self

    def read(self) -> Picture:
        time.sleep(30)
        raise CameraLostError("too late")

    def close(self) -> None:
        pass


def test_a_driver_that_hangs_is_said_and_no_thread_is_put_beside_it() -> None:
    driver = Hanging()
    with closing(LiveCamera("door", driver.open, hangs=1.0)) as camera:
        assert camera.is_alive
        assert wait_until(lambda: not camera.is_alive, 5)
        assert next(iter(camera)) is None
        assert driver.opened == 1


class StillScene:
    """A scene in which nothing moves as video encoders send it: the same picture until the next opening."""

    def __init__(self) -> None:
        self.opened = 0
        self._random = np.random.default_rng(0)
        self._picture = grey(0)

    def open(self) -> "StillScene":
        self.opened += 1
        self._picture = self._random.integers(90, 110, (120, 160, 3)).astype(np.uint8)
        return self

    def read(self) -> Picture:
        time.sleep(0.05)
        return Picture(self._picture.copy())

    def close(self) -> None:
        pass


def test_a_still_scene_of_a_video_encoder_is_not_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.cameras.picture_watch.PATIENCE", 0.5)
    scene = StillScene()
    with closing(LiveCamera("door", scene.open)) as camera:
        states = set()
        for _ in range(80):
            states.add(camera.status.state)
            time.sleep(0.05)
        # It is asked less and less often: after 0.5, 1.5 and 3.5 s.
        assert scene.opened == 4
        assert states <= {CameraState.OPENING, CameraState.OK}
        assert camera.status.losses == 0


def test_the_same_picture_again_is_a_repeat_unless_nobody_saw_it_yet() -> None:
    scene = StillScene()
    with closing(LiveCamera("door", scene.open)) as camera:
        # Here pictures are dropped, the first one too: the newest shows what nobody saw yet.
        assert wait_until(lambda: camera.status.frames > 2)
        frames = iter(camera)
        seen = [next(frames) for _ in range(4)]
    assert [frame.is_repeat for frame in seen if frame] == [False, True, True, True]


class Decoding(StillScene):
    """Pictures that were received half a second ago, each with three older ones that nobody decoded."""

    def read(self) -> Picture:
        picture = super().read()
        self._picture = lit(self._picture)
        return Picture(picture.image, received=time.monotonic() - 0.5, skipped=3)


class Wavering(Decoding):
    """Of which every second picture was received sooner than the one before, as it seems."""

    def __init__(self) -> None:
        super().__init__()
        self._ages = cycle([0.1, 0.5])

    def read(self) -> Picture:
        return Picture(super().read().image, received=time.monotonic() - next(self._ages))


def lit(picture: Image) -> Image:
    """A little brighter or darker: another one."""
    return picture ^ np.uint8(1)


def test_a_picture_that_was_decoded_for_long_is_as_old_as_it_is_and_those_passed_over_are_counted() -> None:
    with closing(LiveCamera("door", Decoding().open)) as camera:
        frames = iter(camera)
        first, second = next(frames), next(frames)
        assert first is not None
        assert second is not None
        assert 0.5 < time.monotonic() - second.timestamp < 1
        assert (second.index - first.index) % 4 == 0
        taken = sum(next(frames) is not None for _ in range(3)) + 2
        camera.switch(on=False)
        assert state_within(camera, CameraState.OFF)
        # The newest one, too, that nobody took before it was switched off.
        assert camera.status.frames == camera.status.busy + taken
        assert camera.status.frames % 4 == 0


def test_the_time_of_a_cameras_pictures_never_falls() -> None:
    with closing(LiveCamera("door", Wavering().open)) as camera:
        frames = iter(camera)
        timestamps = [frame.timestamp for frame in (next(frames) for _ in range(12)) if frame]
    assert len(timestamps) == 12
    assert timestamps == sorted(timestamps)


def test_a_camera_that_cannot_be_opened_again_when_it_is_suspected_is_tried_with_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("facemask_edge.cameras.picture_watch.PATIENCE", 0.3)
    scene = StillScene()

    def opens_once() -> StillScene:
        if scene.opened:
            scene.opened += 1
            raise CameraLostError("gone")
        return scene.open()

    with closing(LiveCamera("door", opens_once)) as camera:
        assert state_within(camera, CameraState.LOST)
        time.sleep(2)
        assert scene.opened < 6


def test_a_name_that_is_looked_up_for_long_is_said_and_no_reason_to_start_again() -> None:
    def slow_to_open() -> StillScene:
        time.sleep(7)
        return StillScene().open()

    with closing(LiveCamera("door", slow_to_open, hangs=300.0)) as camera:
        assert state_within(camera, CameraState.LOST, 6)
        assert "no answer for 5 s" in camera.status.reason
        assert camera.is_alive
        assert state_within(camera, CameraState.OK, 5)


@pytest.mark.usefixtures("soon")
def test_a_driver_that_fails_in_its_own_way_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries = count()

    def fails() -> Hanging:
        next(tries)
        raise ZeroDivisionError("of the driver")

    with closing(LiveCamera("door", fails)) as camera:
        assert wait_until(lambda: next(tries) > 4, 10)
        assert camera.is_alive
        assert caplog.text.count("Traceback") == 1
        assert camera.status.reason == "its driver failed (ZeroDivisionError)"


def test_a_frame_that_waited_too_long_is_not_judged(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    url, handler = stream

    def five() -> Iterator[bytes]:
        yield from lighter(5)
        time.sleep(30)

    handler.stream = staticmethod(five)
    monkeypatch.setattr("facemask_edge.cameras.live.MOST_AGE", 0.5)
    with closing(camera_of(url)) as camera:
        assert wait_until(lambda: camera.status.frames == 5)
        time.sleep(0.6)
        assert next(iter(camera)) is None
