"""Draws verdicts into a picture as the paper does: a box, and the label with its own probability in per cent."""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.values import Image, Label, Verdict

COLOURS = {
    Label.MASK: (60, 170, 40),
    Label.NO_MASK: (40, 40, 220),
    Label.UNDETERMINED: (140, 140, 140),
}
"""BGR."""
TEXTS = {Label.MASK: "Mask", Label.NO_MASK: "No Mask", Label.UNDETERMINED: "Undetermined"}
HEAT_COVERS = 0.5
"""How much of the picture the hottest place covers."""
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: Image, verdicts: Iterable[Verdict]) -> None:
    """Draw into ``image`` (uint8, height x width x 3, BGR) itself."""
    scale = max(image.shape[0] / 720, 0.5)
    thickness = max(round(2 * scale), 2)  # thinner lines vanish where the picture is shown smaller
    for verdict in verdicts:
        box = verdict.track.box.clipped(image.shape[1], image.shape[0]).rounded()
        left, top = box["x"], box["y"]
        right, bottom = left + box["width"], top + box["height"]
        colour = COLOURS[verdict.label]
        cv2.rectangle(image, (left, top), (right, bottom), colour, thickness)
        text = caption(verdict)
        (width, height), baseline = cv2.getTextSize(text, FONT, 0.8 * scale, thickness)
        # Above the box, or inside it where the frame ends; never cut at the right.
        base = top - baseline if top - height - 2 * baseline >= 0 else top + height + baseline
        start = max(min(left, image.shape[1] - width), 0)
        cv2.rectangle(image, (start, base - height - baseline), (start + width, base + baseline), colour, cv2.FILLED)
        cv2.putText(image, text, (start, base), FONT, 0.8 * scale, (255, 255, 255), thickness, cv2.LINE_AA)


def draw_heat(image: Image, square: tuple[int, int, int], heat: NDArray[np.float32]) -> None:
    """Tint a square of ``image`` (uint8, height x width x 3, BGR) where ``heat`` is high.

    Args:
        image: Is drawn into.
        square: Left, top and side in pixels.
        heat: float32, any height x width, not negative; the hottest place is tinted most.
    """
    left, top, side = square
    part = image[top : top + side, left : left + side]
    spread = cv2.resize(heat / max(float(heat.max()), 1e-9), (part.shape[1], part.shape[0]))
    shade = np.clip(spread, 0, 1)[..., np.newaxis]
    colours = cv2.applyColorMap((255 * shade).astype(np.uint8), cv2.COLORMAP_TURBO)
    part[:] = (part * (1 - HEAT_COVERS * shade) + colours * (HEAT_COVERS * shade)).astype(np.uint8)


def caption(verdict: Verdict) -> str:
    """For example ``No Mask: 97 %``; the probability is that of the label shown."""
    if verdict.label is Label.UNDETERMINED or verdict.probability is None:
        return TEXTS[verdict.label]
    shown = verdict.probability if verdict.label is Label.NO_MASK else 1 - verdict.probability
    return f"{TEXTS[verdict.label]}: {100 * shown:.0f} %"
