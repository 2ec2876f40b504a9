"""The people of the made recordings: two free portraits, cut out of their backgrounds, with or without a painted mask.

Everything hand-placed here is in pixels of the original portrait, x to the right, y down. The portraits come with
scikit-image and matplotlib (the extra ``test``): nothing is downloaded and no face of a private person is used.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from matplotlib.cbook import get_sample_data
from numpy.typing import NDArray
from skimage.data import astronaut

from facemask_edge.values import Box, Image

Points = tuple[tuple[float, float], ...]
Layer = NDArray[np.float32]
"""A picture with premultiplied opacity: float32, height x width x 4, blue, green, red, opacity, each 0..1."""

_SUPERSAMPLING: Final = 4
"""Masks are painted this many times larger than the portrait and shrunk, which smooths every edge."""
_FEATHER: Final = 1.2
"""Softness of a cut-out's edge in pixels."""


@dataclass(frozen=True, slots=True)
class MaskShape:
    """Where a mask lies on a face."""

    contour: Points
    """Clockwise from the left upper corner: over the nose bridge, down the right cheek, under the chin and back."""
    upper_edge: int
    """How many points of the contour belong to the upper edge."""
    ear_loops: tuple[Points, ...]


@dataclass(frozen=True, slots=True)
class Portrait:
    """A free portrait with what was placed on it by hand."""

    name: str
    title: str
    licence: str
    credit: str
    outline: Points
    band: int
    """Half the width in pixels of the stripe along the outline in which the exact edge is searched."""
    face: Box
    """From hairline to chin, from ear to ear."""
    mask: MaskShape

    @property
    def extent(self) -> Box:
        """The outline's bounding box: known without cutting, so the ground truth does not depend on the cut."""
        x, y = zip(*self.outline, strict=True)
        return Box(min(x), min(y), max(x) - min(x), max(y) - min(y))


@dataclass(frozen=True, slots=True)
class MaskStyle:
    """What a mask is made of."""

    name: str
    colour: tuple[float, float, float]
    """Blue, green, red, 0..1."""
    is_surgical: bool
    """Surgical masks have pleats and a nose wire, cloth masks a seam in the middle."""


MASK_STYLES: Final = (
    MaskStyle("light-blue surgical", (0.88, 0.79, 0.60), is_surgical=True),
    MaskStyle("white surgical", (0.93, 0.93, 0.92), is_surgical=True),
    MaskStyle("pale green surgical", (0.76, 0.84, 0.66), is_surgical=True),
    MaskStyle("black cloth", (0.17, 0.15, 0.15), is_surgical=False),
    MaskStyle("navy cloth", (0.42, 0.27, 0.20), is_surgical=False),
)

ASTRONAUT: Final = Portrait(
    name="astronaut",
    title="Eileen Collins, official portrait (skimage.data.astronaut)",
    licence="public domain (work of the United States government)",
    credit="NASA",
    outline=(
        *((236, 16), (215, 21), (200, 29), (182, 40), (166, 49), (156, 61), (153, 78), (156, 95)),
        *((163, 108), (171, 117), (176, 128), (182, 132), (184, 147), (168, 149), (150, 152), (133, 163)),
        *((122, 180), (113, 188), (114, 204)),
        # Below, she holds a helmet that would be cut by the picture's edge; the lobby's counter hides that part.
        *((96, 224), (76, 240), (56, 264), (42, 290), (32, 312), (25, 345), (25, 356), (362, 356)),
        *((362, 346), (360, 330), (353, 300), (347, 280), (338, 262), (325, 249), (310, 239), (304, 234)),
        *((301, 220), (294, 205), (281, 190), (266, 178), (256, 172), (259, 162), (263, 148), (268, 137)),
        *((277, 135), (285, 124), (294, 112), (300, 98), (301, 80), (296, 55), (287, 38), (272, 25)),
        *((253, 17),),
    ),
    band=6,
    face=Box(172, 66, 106, 113),
    mask=MaskShape(
        contour=(
            *((181, 114), (192, 115), (206, 112), (217, 105), (224, 102), (232, 105), (243, 113), (257, 117)),
            *((269, 117), (269, 130), (265, 146), (258, 162), (248, 174), (236, 182), (223, 185), (209, 181)),
            *((196, 171), (187, 157), (183, 142), (181, 128)),
        ),
        upper_edge=9,
        ear_loops=(
            ((181, 115), (178, 115), (176, 116)),
            ((184, 147), (180, 138), (176, 128)),
            ((269, 118), (271, 118), (273, 119)),
            ((265, 147), (270, 141), (274, 133)),
        ),
    ),
)

HOPPER: Final = Portrait(
    name="hopper",
    title="Grace Hopper, official portrait (matplotlib's sample data grace_hopper.jpg)",
    licence="public domain (work of the United States government)",
    credit="United States Navy",
    outline=(
        *((256, 23), (240, 24), (226, 30), (217, 40), (208, 43), (195, 51), (183, 65), (175, 84)),
        *((162, 93), (154, 110), (153, 135), (153, 160), (154, 180), (153, 195), (156, 210), (162, 235)),
        *((160, 260), (165, 275), (180, 285), (195, 296), (202, 302), (202, 314), (195, 322), (180, 332)),
        *((160, 345), (130, 357), (100, 368), (75, 375), (58, 385), (45, 400), (38, 420), (30, 450)),
        *((24, 490), (18, 540), (10, 598), (506, 598), (506, 450), (504, 430), (500, 412), (492, 396)),
        *((480, 388), (455, 378), (425, 366), (395, 353), (365, 340), (345, 328), (332, 316), (331, 305)),
        *((340, 303), (352, 292), (360, 275), (362, 262), (366, 240), (371, 215), (375, 195), (372, 185)),
        *((366, 180), (370, 163), (372, 140), (371, 118), (369, 95), (363, 87), (352, 85), (346, 70)),
        *((335, 56), (320, 46), (300, 40), (290, 31), (275, 25)),
    ),
    band=3,
    face=Box(155, 134, 220, 196),
    mask=MaskShape(
        contour=(
            *((173, 238), (195, 240), (218, 238), (240, 227), (255, 212), (266, 207), (277, 211), (291, 224)),
            *((312, 236), (334, 238), (354, 236), (354, 258), (349, 280), (340, 302), (325, 321), (300, 334)),
            *((266, 340), (236, 336), (208, 324), (193, 306), (181, 284), (175, 260)),
        ),
        upper_edge=11,
        ear_loops=(
            ((174, 240), (169, 220), (164, 200), (160, 186)),
            ((182, 286), (174, 276), (166, 262)),
            ((353, 238), (357, 218), (362, 198), (367, 184)),
            ((349, 282), (355, 272), (361, 258)),
        ),
    ),
)


def read_portrait(portrait: Portrait) -> Image:
    """Read the picture as it was published.

    Returns:
        uint8, height x width x 3, BGR.
    """
    if portrait is ASTRONAUT:
        return np.ascontiguousarray(astronaut()[:, :, ::-1], dtype=np.uint8)
    path = str(get_sample_data("grace_hopper.jpg", asfileobj=False))
    return np.asarray(cv2.imread(path, cv2.IMREAD_COLOR), dtype=np.uint8)


def cut_out(portrait: Portrait, mask: MaskStyle | None) -> Layer:
    """Cut the person out of the portrait, and paint a mask on the face if ``mask`` is given."""
    image = read_portrait(portrait)
    opacity = _find_opacity(portrait, image)
    picture = _without_background_at_the_edge(image, opacity)
    if mask is not None:
        cloth = _filled(_smooth_curve(portrait.mask.contour, is_closed=True), *opacity.shape)
        picture = _wear_mask(picture, portrait.mask, mask, cloth)
        opacity = np.maximum(opacity, cloth)  # a mask stands off the cheeks a little
    return np.dstack([picture * opacity[:, :, np.newaxis], opacity]).astype(np.float32)


def _find_opacity(portrait: Portrait, image: Image) -> NDArray[np.float32]:
    """Refine the hand-made outline on the picture (GrabCut) and soften it; float32, height x width, 0..1."""
    shape = image.shape[:2]
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [np.array(portrait.outline, np.int32)], 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * portrait.band + 1,) * 2)
    sure = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    possible = cv2.dilate(inside, kernel)
    labels = np.full(shape, cv2.GC_BGD, np.uint8)
    labels[possible > 0] = cv2.GC_PR_BGD
    labels[inside > 0] = cv2.GC_PR_FGD
    labels[sure > 0] = cv2.GC_FGD
    cv2.setRNGSeed(0)  # GrabCut starts from random clusters
    cv2.grabCut(image, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    person = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    # The majority in a small neighbourhood rounds off single pixels that GrabCut judged alone.
    person = (cv2.GaussianBlur(person, (0, 0), 2.0) > 0.5).astype(np.float32)
    soft = cv2.GaussianBlur(person, (0, 0), _FEATHER)
    # Only the inner half of the soft edge is kept: the outer half is background.
    return np.clip(2 * soft - 1, 0, 1).astype(np.float32)


def _without_background_at_the_edge(image: Image, opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the person's own colours grow over the edge, so that no halo of the old background remains; BGR, 0..1."""
    picture = image.astype(np.float32) / 255
    certain = (opacity > 0.98).astype(np.float32)
    weight = cv2.GaussianBlur(certain, (0, 0), 2.0)
    spread = cv2.GaussianBlur(picture * certain[:, :, np.newaxis], (0, 0), 2.0)
    grown = spread / np.maximum(weight, 1e-4)[:, :, np.newaxis]
    return np.where(certain[:, :, np.newaxis] > 0, picture, grown).astype(np.float32)


def _wear_mask(
    picture: NDArray[np.float32], shape: MaskShape, style: MaskStyle, cloth: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Paint the mask with its ear loops and its shadow onto the face."""
    height, width = picture.shape[:2]
    contour = _smooth_curve(shape.contour, is_closed=True)
    lines = [_smooth_curve(loop, is_closed=False) for loop in shape.ear_loops]
    loops = _drawn(lines, 0.012 * _span(contour), height, width)
    shadow = cv2.GaussianBlur(np.maximum(cloth, loops), (0, 0), 0.025 * _span(contour))
    shaded = picture * (1 - 0.45 * shadow)[:, :, np.newaxis]
    with_loops = _over(shaded, np.full_like(picture, 0.85) * _light_on_face(picture), loops)
    return _over(with_loops, _cloth_colours(picture, contour, shape, style), cloth)


def _cloth_colours(
    picture: NDArray[np.float32], contour: NDArray[np.float64], shape: MaskShape, style: MaskStyle
) -> NDArray[np.float32]:
    """Shade the cloth: rounded over the face, lit as the face is, with pleats or a seam and a stitched rim."""
    height, width = picture.shape[:2]
    left, top = contour.min(axis=0)
    right, bottom = contour.max(axis=0)
    y, x = np.mgrid[0:height, 0:width]
    across = (x - (left + right) / 2) / ((right - left) / 2)
    down = (y - top) / (bottom - top)
    light = 1.04 - 0.26 * across**2 - 0.22 * np.clip(down - 0.45, 0, 1) ** 1.5
    light *= 1 + 0.05 * np.exp(-((across / 0.16) ** 2)) * np.clip(1 - down, 0, 1)  # the nose under the cloth
    light *= _pleats(across, down) if style.is_surgical else _seam(across, down)
    light += _light_on_face(picture)[:, :, 0] - 1
    light *= _rim(contour, shape, height, width)
    light += np.random.default_rng(0).normal(0, 0.008, light.shape)  # weave, the same every time
    return np.asarray(np.clip(light[:, :, np.newaxis] * np.array(style.colour), 0, 1), np.float32)


def _pleats(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """Three folds, each a dark line over a bright one, sagging towards the middle; factors of brightness."""
    light = np.ones_like(down)
    for height in (0.38, 0.55, 0.72):
        line = down - height - 0.06 * (1 - across**2)
        light -= 0.15 * np.exp(-((line / 0.018) ** 2))
        light += 0.06 * np.exp(-(((line - 0.045) / 0.03) ** 2))
    return light


def _seam(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
    """The seam in the middle of a cloth mask and the creases that run from it to the ears; factors of brightness."""
    light = 1 - 0.22 * np.exp(-((across / 0.014) ** 2)) + 0.12 * np.exp(-(((across - 0.04) / 0.03) ** 2))
    for height, slope in ((0.35, -0.10), (0.75, 0.08)):
        light += 0.10 * np.exp(-(((down - height - slope * np.abs(across)) / 0.04) ** 2)) * np.abs(across)
    return light


def _rim(contour: NDArray[np.float64], shape: MaskShape, height: int, width: int) -> NDArray[np.float64]:
    """A darker line all around, and the broad stitched hem of the upper edge; factors of brightness."""
    span = _span(contour)
    edge = _drawn([np.vstack([contour, contour[:1]])], 0.014 * span, height, width)
    upper = _smooth_curve(shape.contour[: shape.upper_edge], is_closed=False)
    hem = _drawn([upper + np.array((0, 0.055 * span))], 0.010 * span, height, width)
    return (1 - 0.18 * edge - 0.12 * hem).astype(np.float64)


def _light_on_face(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The portrait's own light, broad enough to hold none of the face's features; about 1, height x width x 1."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), picture.shape[1] / 20)
    return np.asarray(np.clip(0.75 + 0.4 * grey, 0.8, 1.05), np.float32)[:, :, np.newaxis]


def _smooth_curve(points: Points, *, is_closed: bool) -> NDArray[np.float64]:
    """A Catmull-Rom spline through the points, eight steps from one to the next; n x 2."""
    knots = np.array(points, np.float64)
    padded = np.vstack([knots[-1:], knots, knots[:2]]) if is_closed else np.vstack([knots[:1], knots, knots[-1:]])
    before, start, end, after = (padded[i : len(padded) - 3 + i, np.newaxis] for i in range(4))
    t = np.linspace(0, 1, 8, endpoint=False)[np.newaxis, :, np.newaxis]
    curve = (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    ) / 2
    curve = curve.reshape(-1, 2)
    return curve if is_closed else np.vstack([curve, knots[-1:]])


def _span(contour: NDArray[np.float64]) -> float:
    """The contour's width in pixels: the measure for everything that is drawn on the mask."""
    return float(np.ptp(contour[:, 0]))


def _filled(contour: NDArray[np.float64], height: int, width: int) -> NDArray[np.float32]:
    """The area within the contour, anti-aliased; float32, height x width, 0..1."""
    large = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)
    cv2.fillPoly(large, [np.rint(contour * _SUPERSAMPLING).astype(np.int32)], 255)
    return _shrunk(large, height, width)


def _drawn(lines: list[NDArray[np.float64]], thickness: float, height: int, width: int) -> NDArray[np.float32]:
    """Open lines of a thickness in pixels, anti-aliased; float32, height x width, 0..1."""
    large = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING), np.uint8)
    scaled = [np.rint(line * _SUPERSAMPLING).astype(np.int32) for line in lines]
    cv2.polylines(large, scaled, isClosed=False, color=255, thickness=max(2, round(thickness * _SUPERSAMPLING)))
    return _shrunk(large, height, width)


def _shrunk(large: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.7) / 255, np.float32)


def _over(below: NDArray[np.float32], above: NDArray[np.float32], opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    weight = opacity[:, :, np.newaxis]
    return (below * (1 - weight) + above * weight).astype(np.float32)
