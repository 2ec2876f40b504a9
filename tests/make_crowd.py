"""Composes scenes of a given number of people, of whom is known who wears a mask: as many as a bus holds.

The people are those of ``recording_people``, each in a light of their own, in rows behind benches, because portraits
have no legs. They sit still; the camera trembles by a pixel or two.
"""

import math
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from facemask_edge.values import Box, Image
from tests.recording_people import ASTRONAUT, HOPPER, MASK_STYLES, Layer, Portrait, cut_out

WIDTH, HEIGHT = 1280, 720
_cut_out = cache(cut_out)
LARGEST_FACE = 150.0
"""Height in pixels: three people do not stand closer to the camera than this."""
BENCH = 0.2
"""How far below the chin a bench hides a person, in heights of the face."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """A scene of many people."""

    image: Image
    faces: tuple[Box, ...]
    masked: tuple[bool, ...]
    """Who wears a mask, in the order of ``faces``."""

    def whose(self, box: Box) -> int | None:
        """Whose face a box shows: its middle is nearest to that one's and within it; None: nobody's."""
        distances = [math.dist(face.centre, box.centre) / face.height for face in self.faces]
        nearest = min(range(len(distances)), key=distances.__getitem__)
        return nearest if distances[nearest] < 0.5 else None

    def frame(self, index: int) -> Image:
        """The scene in a frame: moved by up to two pixels."""
        x, y = np.random.default_rng(index).integers(-2, 3, 2)
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
        moved = cv2.warpAffine(self.image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(moved, np.uint8)


def make_crowd(count: int, *, seed: int = 0) -> Crowd:
    """People side by side; every other one, at random, wears a mask.

    Args:
        count: How many, 1 to 104.
        seed: Decides looks and masks.
    """
    random = np.random.default_rng(seed)
    columns = max(round(np.sqrt(count * 1.75)), 1)
    rows = -(-count // columns)
    cell_x, cell_y = WIDTH / columns, HEIGHT / rows
    height = min(LARGEST_FACE, 0.55 * cell_y, 0.62 * cell_x)
    scene = _wall(random)
    masked = tuple(bool(each) for each in random.permutation(np.arange(count) % 2 == 1))
    faces = []
    for number in range(count):
        portrait = (ASTRONAUT, HOPPER)[int(random.integers(2))]
        layer = _person(portrait, random, is_masked=masked[number], height=height)
        scale = height / portrait.face.height
        centre_x = (number % columns + 0.5 + random.uniform(-0.08, 0.08)) * cell_x
        row = number // columns
        centre_y = (row + 0.5 + random.uniform(-0.04, 0.04)) * cell_y
        left, top = centre_x - portrait.face.centre[0] * scale, centre_y - portrait.face.centre[1] * scale
        _place(scene, layer, round(left), round(top))
        width = portrait.face.width * scale
        if number % columns == columns - 1 or number == count - 1:
            top = round((row + 0.5) * cell_y + (0.5 + BENCH) * height)
            scene[top : round((row + 1) * cell_y)] = random.uniform(0.25, 0.5, 3)
        faces.append(Box(centre_x - width / 2, centre_y - height / 2, width, height))
    return Crowd(np.rint(np.clip(scene, 0, 1) * 255).astype(np.uint8), tuple(faces), masked)


def _wall(random: np.random.Generator) -> Layer:
    cells = random.uniform(0.35, 0.75, (5, 9, 3)).astype(np.float32)
    return np.asarray(cv2.resize(cells, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def _person(portrait: Portrait, random: np.random.Generator, *, is_masked: bool, height: float) -> Layer:
    """A head with its shoulders, premultiplied, at its size in the scene."""
    layer = _cut_out(portrait, MASK_STYLES[int(random.integers(len(MASK_STYLES)))] if is_masked else None).copy()
    gain = np.array(random.uniform(0.85, 1.05) * random.uniform(0.95, 1.04, 3), np.float32)
    layer[:, :, :3] = np.minimum(layer[:, :, :3] * gain, layer[:, :, 3:])
    face = portrait.face
    layer = layer[: round(face.y + (1.1 + BENCH) * face.height)]
    scale = height / face.height
    return np.asarray(cv2.resize(layer, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)


def _place(scene: Layer, layer: Layer, left: int, top: int) -> None:
    """Draw a layer into the scene; what lies outside is cut off."""
    rows, columns = scene.shape[:2]
    part = layer[max(-top, 0) : rows - top, max(-left, 0) : columns - left]
    y, x = max(top, 0), max(left, 0)
    below = scene[y : y + part.shape[0], x : x + part.shape[1]]
    below[...] = below * (1 - part[:, :, 3:]) + part[:, :, :3]
