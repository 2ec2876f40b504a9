"""The table of docs/performance.md: what it is computed from, and how."""

import pytest

from benchmarks.expected_rates import CLASSIFIER, Measured, boards, multiplications, table
from facemask_edge.manifest import packaged_models

ALONE = Measured(invocations={15.0: (1.0, 0.0)}, detectors=(0.5, 2.0), rest=0.0)


def test_the_classifier_has_the_multiplications_of_mobilenet_v2() -> None:
    # 300 million: Sandler et al., MobileNetV2 (CVPR 2018), table 4.
    assert multiplications(packaged_models() / CLASSIFIER) == pytest.approx(300e6, rel=0.01)


def test_the_classifier_on_each_board_is_of_the_published_order() -> None:
    # One thread of a Pi 4 takes 2.5 times as long as four, of a Pi 5 a quarter or fifth of that; a Zero 2 W is slowest.
    pi_5, pi_4, zero_2_w = (board.classifier for board in boards())
    assert pi_4 == pytest.approx(17 * 2.535, rel=0.001)
    assert 4 < pi_4 / pi_5 < 5
    assert zero_2_w == pytest.approx(30 * 4.278, rel=0.001)


def rows(measured: Measured) -> dict[str, list[str]]:
    cells = ([cell.strip() for cell in line.strip("|").split("|")] for line in table(measured).splitlines()[2:])
    return {name: values for name, *values in cells}


def test_a_frame_without_a_look_and_anything_else_takes_as_long_as_the_detector() -> None:
    found = rows(ALONE)
    for name in ("Pi 4", "Zero 2 W", "Pi 4, Coral (USB 3)"):
        detector, _, _, rate, _ = found[name]
        slow, fast = (float(part) for part in (rate.split(" to ") * 2)[:2])
        least, most = (float(part) for part in (detector.split(" to ") * 2)[:2])
        for rate_and_time in (slow * most, fast * least):
            assert rate_and_time == pytest.approx(1000, rel=0.06)


def test_looks_and_the_rest_take_time_also_beside_a_coral() -> None:
    bare, whole = rows(ALONE), rows(Measured(invocations={15.0: (1.0, 1.0)}, detectors=ALONE.detectors, rest=0.5))
    fastest = {name: (float(bare[name][3].split(" to ")[-1]), float(whole[name][3].split(" to ")[-1])) for name in bare}
    assert all(alone > 1.4 * all_of_it for alone, all_of_it in fastest.values())


def test_who_judges_fewer_frames_looks_at_more_of_the_faces_in_each() -> None:
    often = Measured(invocations={15.0: (1.0, 0.1), 5.0: (1.0, 0.5), 1.0: (1.1, 1.0)}, detectors=(1.0, 1.0), rest=0.0)
    same = Measured(invocations={15.0: (1.0, 0.1)}, detectors=(1.0, 1.0), rest=0.0)
    slow, fast = (
        [float(rows(each)[name][3].split(" to ")[0]) for each in (often, same)] for name in ("Zero 2 W", "Pi 5")
    )
    assert slow[0] < 0.75 * slow[1]
    assert fast[0] == fast[1]
