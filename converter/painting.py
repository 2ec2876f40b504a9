"""Painted masks, and what is easily taken for one: hands before the mouth, beards, masks below the chin.

A few bare faces get a mask painted on, so that the faces under the masks differ more than the data's do; others get
something over the lower face that is none.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.values import Box, Image

SMALLEST_FACE = 24
"""Height in pixels below which nothing is painted."""

# Corners as parts of the face box, from its upper left corner; YuNet's box runs from the brow to the chin.
_MASK = [(0.03, 0.50), (0.30, 0.46), (0.50, 0.40), (0.70, 0.46), (0.97, 0.50), (0.93, 0.80), (0.70, 1.02), (0.50, 1.06)]
_MASK += [(0.30, 1.02), (0.07, 0.80)]
_BELOW_CHIN = [(0.08, 0.90), (0.50, 1.00), (0.92, 0.90), (0.88, 1.15), (0.50, 1.28), (0.12, 1.15)]
# A beard's outline, and what it leaves free: nose and cheeks, and the mouth, each an ellipse (centre, half its sides).
_BEARD = [(0.02, 0.42), (0.10, 0.50), (0.28, 0.58), (0.50, 0.60), (0.72, 0.58), (0.90, 0.50), (0.98, 0.42)]
_BEARD += [(0.95, 0.75), (0.80, 0.98), (0.50, 1.10), (0.20, 0.98), (0.05, 0.75)]
_BARE_IN_BEARD = [((0.50, 0.46), (0.33, 0.20)), ((0.50, 0.79), (0.15, 0.035))]
_HAIR = [(25, 30, 40), (40, 55, 85), (60, 90, 140), (120, 125, 130), (200, 205, 210)]
_FABRICS = [
    (215, 180, 120),
    (235, 235, 235),
    (35, 35, 35),
    (150, 190, 120),
    (160, 120, 200),
    (90, 60, 40),
    (60, 60, 160),
]

Painter = Callable[[Image, Box, np.random.Generator], Image]
"""Takes a picture (uint8, height x width x 3, BGR), a bare face in it and what decides the details; returns a copy."""


def mask(image: Image, box: Box, random: np.random.Generator) -> Image:
    """Paint a mask over nose, mouth and chin."""
    return _laid_over(image, _corners(_MASK, box, random), _fabric(image.shape, box, random), random)


def mask_below_chin(image: Image, box: Box, random: np.random.Generator) -> Image:
    """Paint a mask that is pulled down to the neck: the face is bare."""
    return _laid_over(image, _corners(_BELOW_CHIN, box, random), _fabric(image.shape, box, random), random)


def hand(image: Image, box: Box, random: np.random.Generator) -> Image:
    """Paint fingers of the face's own colour before the mouth: the face is bare."""
    cheek = box.clipped(image.shape[1], image.shape[0])
    left, top = int(cheek.x + 0.2 * cheek.width), int(cheek.y + 0.45 * cheek.height)
    right, bottom = max(int(cheek.x + 0.8 * cheek.width), left + 1), max(int(cheek.y + 0.65 * cheek.height), top + 1)
    skin = np.median(image[top:bottom, left:right].reshape(-1, 3), axis=0)
    painted = image.copy()
    start, lean = random.uniform(0.15, 0.35), random.uniform(-0.15, 0.15)
    height = random.uniform(0.62, 0.8)
    for finger in range(int(random.integers(2, 5))):
        shade = np.clip(skin * random.uniform(0.85, 1.12), 0, 255)
        y = height + 0.11 * finger
        ends = [(start, y), (start + random.uniform(0.45, 0.7), y + lean)]
        points = [(round(box.x + x * box.width), round(box.y + part * box.height)) for x, part in ends]
        cv2.line(painted, *points, color=tuple(map(float, shade)), thickness=max(round(0.1 * box.height), 1))  # type: ignore[call-overload]
    return painted


def beard(image: Image, box: Box, random: np.random.Generator) -> Image:
    """Paint a beard round the mouth, from stubble to full: the face is bare."""
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [_corners(_BEARD, box, random)], 255)
    for centre, half in _BARE_IN_BEARD:
        middle = round(box.x + centre[0] * box.width), round(box.y + centre[1] * box.height)
        sides = max(round(half[0] * box.width), 1), max(round(half[1] * box.height), 1)
        cv2.ellipse(inside, middle, sides, 0, 0, 360, 0, -1)
    soft = cv2.GaussianBlur(inside, (0, 0), max(box.width * random.uniform(0.015, 0.04), 0.3))
    noise = random.normal(0, 1, image.shape[:2]).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), max(box.width / 90, 0.5)), np.float32)
    hairs = noise / max(float(noise.std()), 1e-6)
    colour = np.clip(np.array(_HAIR[random.integers(len(_HAIR))]) * random.uniform(0.7, 1.2), 0, 255)
    brightness = float(image[inside > 0].mean()) / 120 if inside.any() else 1.0
    lit = np.clip(colour * np.clip(brightness, 0.4, 1.3) + 14 * hairs[..., np.newaxis], 0, 255)
    part = np.clip(soft / 255.0 * (random.uniform(0.45, 0.95) + 0.12 * hairs), 0, 1)[..., np.newaxis]
    return np.asarray(image * (1 - part) + lit * part, dtype=np.uint8)


def _corners(shape: list[tuple[float, float]], box: Box, random: np.random.Generator) -> NDArray[np.int32]:
    parts = np.array(shape) + random.normal(0, 0.02, (len(shape), 2)) + [0, random.uniform(-0.04, 0.06)]
    return np.rint(parts * [box.width, box.height] + [box.x, box.y]).astype(np.int32)


def _fabric(shape: tuple[int, ...], box: Box, random: np.random.Generator) -> NDArray[np.float32]:
    """A picture full of fabric: a colour or a pattern, folded."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    down, across = (rows - box.y) / box.height, (columns - box.x) / box.width - 0.5
    colour = np.clip(np.array(_FABRICS[random.integers(len(_FABRICS))]) + random.normal(0, 25, 3), 0, 255)
    fabric = np.broadcast_to(colour.astype(np.float32), shape).copy()
    if random.random() < 0.2:  # noqa: PLR2004 - one in five is patterned
        stripes = np.sin((rows * random.uniform(-1, 1) + columns * random.uniform(-1, 1)) / box.width * 40) > 0
        fabric[stripes] = np.clip(colour + random.normal(0, 60, 3), 0, 255)
    folds = 1 + 0.06 * np.sin(down * random.uniform(25, 45))
    light = 1.05 - 0.9 * across**2 + random.uniform(-0.5, 0.5) * across
    return np.asarray(fabric * (folds * np.clip(light, 0.5, 1.2))[..., np.newaxis], np.float32)


def _laid_over(
    image: Image, corners: NDArray[np.int32], fabric: NDArray[np.float32], random: np.random.Generator
) -> Image:
    """The picture with fabric inside the corners, as bright as the picture is, with a soft edge."""
    inside = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(inside, [corners], 255)
    if not inside.any():
        return image
    brightness = float(image[inside > 0].mean()) / 140
    width = max(float(np.ptp(corners[:, 0])), 1.0)
    soft = cv2.GaussianBlur(inside, (0, 0), max(width * random.uniform(0.005, 0.02), 0.3))
    part = np.asarray(soft, np.float32)[..., np.newaxis] / 255
    lit = np.clip(fabric * np.clip(brightness, 0.5, 1.25), 0, 255)
    return np.asarray(image * (1 - part) + lit * part, dtype=np.uint8)
