import numpy as np

from facemask_edge.cameras.picture_watch import DARK_PATIENCE, PATIENCE, PictureWatch
from facemask_edge.values import Image

RANDOM = np.random.default_rng(0)


def noisy(level: int) -> Image:
    return np.clip(RANDOM.normal(level, 3, (480, 640, 3)), 0, 255).astype(np.uint8)


def faults(pictures: list[Image], rate: float = 10.0) -> list[str | None]:
    watch = PictureWatch()
    watch.opened(0.0)
    return [watch.fault(image, index / rate) for index, image in enumerate(pictures)]


def test_a_still_scene_with_the_noise_of_a_sensor_is_fine() -> None:
    assert set(faults([noisy(60) for _ in range(60)])) == {None}


def test_the_same_picture_over_and_over_is_suspected_and_frozen_once_it_comes_again() -> None:
    watch = PictureWatch()
    watch.opened(0.0)
    same = noisy(60)
    found = [watch.fault(same, index / 10) for index in range(40)]
    assert found.index("suspect") == round(PATIENCE * 10)
    watch = PictureWatch()
    watch.opened(0.0)
    assert [watch.fault(same, now) for now in (0.0, PATIENCE)] == [None, "suspect"]
    watch.opened(4.0)
    assert watch.fault(same, 4.1) == "frozen"


def test_a_scene_that_was_suspected_wrongly_gets_more_time() -> None:
    watch = PictureWatch()
    now = 0.0
    for patience in (PATIENCE, 2 * PATIENCE, 4 * PATIENCE):
        watch.opened(now)
        still = noisy(60)
        assert watch.fault(still, now) is None
        assert watch.fault(still, now + 0.9 * patience) is None
        assert watch.fault(still, now + patience) == "suspect"
        now += patience + 1.0


def test_a_dark_picture_is_black_and_a_dim_one_is_not() -> None:
    assert faults([noisy(2) for _ in range(31)])[-1] == "black"
    assert set(faults([noisy(40) for _ in range(60)])) == {None}
    assert faults([np.zeros((480, 640, 3), np.uint8)] * 31)[-1] == "black"


def test_it_is_over_when_something_changes() -> None:
    assert faults([*([noisy(60)] * 25), noisy(60), *([noisy(60)] * 25)])[-1] is None


def test_a_lamp_in_the_night_is_no_black_picture() -> None:
    night = [noisy(2) for _ in range(60)]
    for image in night:
        # A face under it, 80 x 110 pixels.
        image[100:210, 100:180] = 180
    assert set(faults(night)) == {None}


def test_a_camera_that_was_frozen_is_not_believed_before_something_changes() -> None:
    watch = PictureWatch()
    watch.opened(0.0)
    same = noisy(60)
    for index in range(40):
        watch.fault(same, index / 10)
    assert watch.doubt == "frozen"
    # Some servers send the picture that they kept to whoever comes.
    watch.opened(10.0)
    assert (watch.fault(same, 10.1), watch.doubt) == (None, "frozen")
    assert watch.fault(noisy(60), 10.2) is None
    assert watch.doubt is None


def test_a_camera_that_was_black_is_not_believed_before_it_is_bright() -> None:
    watch = PictureWatch()
    watch.opened(0.0)
    for index in range(40):
        watch.fault(noisy(2), index / 10)
    watch.opened(10.0)
    assert (watch.fault(noisy(2), 10.1), watch.doubt) == (None, "black")
    assert watch.fault(noisy(2), 13.1) is None, "a dark room is not opened again every few seconds"
    assert watch.fault(noisy(2), 10.0 + DARK_PATIENCE) == "black"
    watch.opened(20.0)
    assert watch.fault(noisy(60), 20.1) is None
    assert watch.doubt is None
