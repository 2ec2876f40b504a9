import numpy as np
import pytest

from facemask_edge.health_warnings import LASTS, LOOK_INTERVAL, CameraWarnings, throttled_warning
from facemask_edge.picture_quality import Picture, PictureFault

DAY = 86400.0
GOOD = Picture(1280, 720, brightness=110.0, contrast=50.0, sharpness=0.3)
DARK = Picture(1280, 720, brightness=12.0, contrast=20.0, sharpness=0.3)
DARK_AND_PLAIN = Picture(1280, 720, brightness=12.0, contrast=3.0, sharpness=0.01)


def watched(no_face_after: float = 0.0) -> CameraWarnings:
    return CameraWarnings("door", no_face_after=no_face_after, now=0.0)


def codes(warnings: CameraWarnings, now: float) -> list[str]:
    return [warning.code for warning in warnings.current(now)]


def look(warnings: CameraWarnings, picture: Picture, start: float, end: float) -> None:
    for now in np.arange(start, end + 0.1, LOOK_INTERVAL):
        warnings.looked(picture, float(now))


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (DARK_AND_PLAIN, "covered"),
        (DARK, "dark"),
        (Picture(640, 480, brightness=240.0, contrast=20.0, sharpness=0.3), "glaring"),
        (Picture(640, 480, brightness=110.0, contrast=50.0, sharpness=0.03), "blurred"),
    ],
)
def test_what_lasts_for_a_minute_is_warned_of_in_one_sentence(picture: Picture, code: str) -> None:
    warnings = watched()
    look(warnings, picture, 0, LASTS - LOOK_INTERVAL)
    assert codes(warnings, LASTS) == []
    warnings.looked(picture, LASTS)
    (warning,) = warnings.current(LASTS)
    assert (warning.code, warning.camera) == (code, "door")
    assert warning.says.startswith("camera door: it ")
    assert ";" in warning.says
    assert "\n" not in warning.says


def test_one_good_picture_ends_it_and_it_must_last_again() -> None:
    warnings = watched()
    look(warnings, DARK, 0, 100)
    assert codes(warnings, 100) == ["dark"]
    warnings.looked(GOOD, 105)
    assert codes(warnings, 105) == []
    look(warnings, DARK, 110, 110 + LASTS - LOOK_INTERVAL)
    assert codes(warnings, 110 + LASTS) == []
    warnings.looked(DARK, 110 + LASTS)
    assert codes(warnings, 110 + LASTS) == ["dark"]


def test_pictures_that_are_dark_and_sometimes_show_nothing_are_dark() -> None:
    warnings = watched()
    for start in range(0, 121, 10):
        warnings.looked(DARK, start)
        warnings.looked(DARK_AND_PLAIN, start + 5)
    assert codes(warnings, 125) == ["dark"]


def test_a_camera_that_shows_nothing_any_more_is_not_warned_of_and_begins_anew() -> None:
    warnings = watched()
    look(warnings, DARK, 0, 100)
    assert codes(warnings, 100 + LASTS) == ["dark"]
    assert codes(warnings, 101 + LASTS) == []
    warnings.looked(DARK, 1000)
    assert codes(warnings, 1000) == []


def test_a_picture_is_looked_at_now_and_then() -> None:
    warnings = watched()
    assert warnings.is_look_due(0.0)
    warnings.looked(GOOD, 0.0)
    assert not warnings.is_look_due(LOOK_INTERVAL - 0.1)
    assert warnings.is_look_due(LOOK_INTERVAL)


def test_a_camera_that_sees_nobody_for_a_day_is_warned_of_until_it_sees_somebody() -> None:
    warnings = watched(DAY)
    for now in np.arange(0, DAY, 30):
        warnings.saw(0, float(now))
    assert codes(warnings, DAY - 1) == []
    warnings.saw(0, DAY)
    (warning,) = warnings.current(DAY)
    assert (warning.code, warning.camera) == ("no_face", "door")
    assert "for 24 h and more" in warning.says
    warnings.saw(1, DAY + 1)
    assert codes(warnings, DAY + 1) == []


def test_time_in_which_nothing_was_judged_does_not_count() -> None:
    warnings = watched(100.0)
    for now in range(90):
        warnings.saw(0, now)
    warnings.saw(0, 5000)
    assert codes(warnings, 5000) == []
    for now in range(5001, 5012):
        warnings.saw(0, now)
    assert codes(warnings, 5012) == ["no_face"]
    assert codes(warnings, 5012 + LASTS) == [], "it is lost: nobody knows"


def test_nobody_is_warned_of_where_that_is_not_wanted() -> None:
    warnings = watched(0.0)
    for now in range(0, 10 * int(DAY), 50):
        warnings.saw(0, now)
    assert codes(warnings, 10 * DAY) == []


def test_a_slow_pi_is_explained() -> None:
    warning = throttled_warning(["its voltage is too low", "it is too hot"])
    assert (warning.code, warning.camera) == ("throttled", None)
    assert "its voltage is too low, it is too hot; give it" in warning.says


def test_each_fault_has_a_code() -> None:
    assert {fault.value for fault in PictureFault} == {"covered", "dark", "glaring", "blurred"}
