import pytest

from converter.figures import in_words, share, wilson_interval

pytestmark = pytest.mark.converter


def test_the_interval_is_the_published_one() -> None:
    # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_all_right_does_not_mean_certain() -> None:
    low, high = wilson_interval(161, 161)
    assert high == 1.0
    assert low == pytest.approx(0.9767, abs=5e-5)


def test_a_share_carries_its_count() -> None:
    figure = share(3, 4)
    assert figure["value"] == 0.75
    assert figure["count"] == 4
    assert in_words(figure).startswith("0.7500 of 4 (")


def test_a_share_of_nothing_has_no_value() -> None:
    assert in_words(share(0, 0)) == "none"
