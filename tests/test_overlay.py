import numpy as np
import pytest

from facemask_edge.overlay import COLOURS, caption, draw
from facemask_edge.values import Box, Label, Track, Verdict


def verdict(label: Label, probability: float | None, box: Box | None = None) -> Verdict:
    return Verdict(Track("a", box or Box(100, 100, 80, 100), 0.9), label, probability, 5)


@pytest.mark.parametrize(
    ("label", "probability", "text"),
    [
        (Label.NO_MASK, 0.974, "No Mask: 97 %"),
        (Label.MASK, 0.01, "Mask: 99 %"),
        (Label.UNDETERMINED, 0.5, "Undetermined"),
        (Label.UNDETERMINED, None, "Undetermined"),
    ],
)
def test_the_caption_shows_the_probability_of_the_label_shown(label: Label, probability: float, text: str) -> None:
    assert caption(verdict(label, probability)) == text


@pytest.mark.parametrize("label", list(Label))
def test_the_box_has_the_colour_of_the_label(label: Label) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    draw(image, [verdict(label, 0.5)])
    assert tuple(image[150, 100]) == COLOURS[label]
    assert tuple(image[200, 140]) == COLOURS[label]
    assert not image[150, 140].any()


@pytest.mark.parametrize("box", [Box(-50, -50, 100, 100), Box(600, 5, 100, 100), Box(0, 0, 640, 480)])
def test_boxes_over_the_frame_s_edge_are_drawn_inside_it(box: Box) -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    draw(image, [verdict(Label.NO_MASK, 0.9, box)])
    assert (image == COLOURS[Label.NO_MASK]).all(axis=-1).sum() > 500
