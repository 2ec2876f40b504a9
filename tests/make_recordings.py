"""Make the sample recording of the demo, and a second one, with what is true about them.

``python tests/make_recordings.py`` writes ``facemask_edge/sample/sample.mp4`` and ``tests/recordings/second.mp4``, each
with a ``.json`` beside it; ``--seed 7 --output seven.mp4`` makes another one. People cut out of two free portraits walk
through a painted lobby, behind its counter, because portraits have no legs. The ground truth follows from the seed
alone: no picture is looked at to make it.
"""

import argparse
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from facemask_edge.values import Box, Image
from tests.recording_people import ASTRONAUT, HOPPER, MASK_STYLES, Layer, MaskStyle, Portrait, cut_out

ROOT: Final = Path(__file__).resolve().parent.parent
RECORDINGS: Final = ((ROOT / "facemask_edge/sample/sample.mp4", 36), (ROOT / "tests/recordings/second.mp4", 44))
"""The files that are kept in the repository, and the seed of each. In both, both portraits are seen with and without a
mask; in the second one somebody puts a mask on."""
SCHEMA: Final = "facemask-edge/recording/1"
WIDTH: Final = 640
HEIGHT: Final = 480
FPS: Final = 15

_COUNTER_TOP: Final = 356
_EYE_LEVEL: Final = 213
"""Row of a face's centre at any distance: the camera hangs at the height of a head."""
_EMPTY_AT_START_S: Final = 0.5
_EMPTY_S: Final = 2.7
"""Long enough for a tracker to give up everybody who has left."""
_WALK_S: Final = 4.5
_BOX_STEP: Final = 5
"""The ground truth holds a box for each so many frames."""


@dataclass(frozen=True, slots=True)
class Person:
    """One appearance: who walks in when, along which path, looking how."""

    portrait: Portrait
    is_mirrored: bool
    style: MaskStyle
    mask_from_s: float | None
    """Seconds into the recording; 0 for a mask worn from the beginning, None for none at all."""
    gain: tuple[float, float, float]
    """Factors of blue, green and red: this person's light."""
    first_frame: int
    centre_x: NDArray[np.float64]
    """Of the face, in pixels, for each frame from ``first_frame``."""
    centre_y: NDArray[np.float64]
    face_height: NDArray[np.float64]

    @property
    def frames(self) -> range:
        """The frames for which the path is known."""
        return range(self.first_frame, self.first_frame + len(self.centre_x))

    def wears_mask(self, frame: int) -> bool:
        """Whether the mask is on in this frame."""
        return self.mask_from_s is not None and frame >= self.mask_from_s * FPS

    def scale(self, frame: int) -> float:
        """Pixels of the recording per pixel of the portrait."""
        return float(self.face_height[frame - self.first_frame] / self.portrait.face.height)

    def place(self, part: Box, frame: int) -> Box:
        """Where a rectangle of the portrait is seen in this frame."""
        scale = self.scale(frame)
        face_x, face_y = self.portrait.face.centre
        left = face_x - part.x - part.width if self.is_mirrored else part.x - face_x
        x = self.centre_x[frame - self.first_frame] + left * scale
        y = self.centre_y[frame - self.first_frame] + (part.y - face_y) * scale
        return Box(float(x), float(y), part.width * scale, part.height * scale)


@dataclass(frozen=True, slots=True)
class Walk:
    """A way through the lobby: in at one edge, lingering at one place, out at an edge; lengths in pixels."""

    start_s: float
    duration_s: float
    enters_left: bool
    leaves_left: bool
    lingers_at: float
    far: float
    """Height of the face at the edges."""
    near: float
    """Height of the face where the person lingers."""

    def mirrored(self) -> "Walk":
        """The same walk seen in a mirror."""
        return replace(
            self,
            enters_left=not self.enters_left,
            leaves_left=not self.leaves_left,
            lingers_at=WIDTH - self.lingers_at,
        )


def direct(seed: int) -> tuple[list[Person], int]:
    """Decide who appears when: two meetings and a procession, in an order that the seed chooses.

    Returns:
        The people in the order of their entrances, and how many frames the recording has.
    """
    rng = np.random.default_rng(seed)
    portraits = [ASTRONAUT, HOPPER] if rng.random() < 0.5 else [HOPPER, ASTRONAUT]
    is_mirrored = rng.random() < 0.5
    # Of the first meeting's two, one wears a mask, for some seeds only from the middle of the walk on.
    acts = [_meeting(rng, [float(rng.choice([0.0, 0.5])), None]), _meeting(rng, [None, None])]
    rng.shuffle(acts)  # type: ignore[arg-type] # numpy takes any list
    acts.insert(2 * int(rng.integers(2)), _procession(rng))
    people: list[Person] = []
    now = _EMPTY_AT_START_S
    for number, act in enumerate(acts):
        for entry in act:
            walk = replace(entry.walk, start_s=now + entry.walk.start_s)
            portrait = portraits[entry.portrait]
            people.append(_person(rng, portrait, walk.mirrored() if is_mirrored else walk, entry.mask_from))
        now += max(entry.walk.start_s + entry.walk.duration_s for entry in act) + (_EMPTY_S if number == 0 else 0.1)
        if len(act) == 2:
            # Nobody comes back at once through the edge by which the same portrait has just left.
            portraits.reverse()
    return people, round((now - 0.1 + _EMPTY_S) * FPS)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One person of an act: times count from the act's beginning."""

    portrait: int
    """0 or 1: which of the two."""
    walk: Walk
    mask_from: float | None
    """Part of the walk, 0..1, after which the mask is worn; None for no mask."""


def _meeting(rng: np.random.Generator, masks: list[float | None]) -> list[_Entry]:
    """Two come from both sides, stand together and go back to where they came from."""
    order = rng.permutation(2)
    return [
        _Entry(
            portrait=side,
            walk=Walk(
                start_s=0.2 * side,
                duration_s=_WALK_S - 0.2 * side,
                enters_left=side == 0,
                leaves_left=side == 0,
                lingers_at=(180 if side == 0 else WIDTH - 180) + float(rng.uniform(-12, 12)),
                far=float(rng.uniform(80, 88)),
                near=float(rng.uniform(98, 122)),
            ),
            mask_from=masks[order[side]],
        )
        for side in (0, 1)
    ]


def _procession(rng: np.random.Generator) -> list[_Entry]:
    """Three cross the lobby one behind the other, with and without masks in turn."""
    masked_turn = int(rng.integers(2))
    return [
        _Entry(
            portrait=turn % 2,
            walk=Walk(
                start_s=turn * (_WALK_S + 0.1) / 2,
                duration_s=_WALK_S,
                enters_left=True,
                leaves_left=False,
                lingers_at=WIDTH / 2 + float(rng.uniform(0, 40)),
                far=float(rng.uniform(80, 90)),
                near=float(rng.uniform(95, 125)),
            ),
            mask_from=0.0 if turn % 2 == masked_turn else None,
        )
        for turn in range(3)
    ]


def _person(rng: np.random.Generator, portrait: Portrait, walk: Walk, mask_from: float | None) -> Person:
    """Choose the looks and compute the path."""
    is_mirrored = rng.random() < 0.5
    u = np.linspace(0, 1, round(walk.duration_s * FPS), dtype=np.float64)
    face_height = walk.far + (walk.near - walk.far) * np.sin(np.pi * u) ** 2
    steps = 2 * np.pi * (1.8 * u * walk.duration_s + rng.random())
    brightness = rng.uniform(0.84, 1.06)
    style = MASK_STYLES[rng.choice(len(MASK_STYLES), p=[0.35, 0.2, 0.1, 0.2, 0.15])]
    blue, green, red = (float(brightness * tint) for tint in rng.uniform(0.95, 1.04, 3))
    return Person(
        portrait=portrait,
        is_mirrored=is_mirrored,
        style=style,
        mask_from_s=round(walk.start_s + mask_from * walk.duration_s, 2) if mask_from else mask_from,
        gain=(blue, green, red),
        first_frame=round(walk.start_s * FPS),
        centre_x=_path(portrait, walk, u, is_mirrored=is_mirrored),
        centre_y=_EYE_LEVEL + rng.uniform(0, 8) + 0.018 * walk.near * np.sin(steps),
        face_height=face_height,
    )


def _path(portrait: Portrait, walk: Walk, u: NDArray[np.float64], *, is_mirrored: bool) -> NDArray[np.float64]:
    """The face's centre from just outside one edge to just outside an edge, without a jerk."""
    scale = walk.far / portrait.face.height
    to_left = (portrait.face.centre[0] - portrait.extent.x) * scale
    to_right = portrait.extent.width * scale - to_left
    if is_mirrored:
        to_left, to_right = to_right, to_left
    inside = portrait.face.width * scale / 2 + 12
    outside = {True: -to_right - 4, False: WIDTH + to_left + 4}
    edge = {True: inside, False: WIDTH - inside}
    drift = 14 * (walk.enters_left - walk.leaves_left)
    x = [
        outside[walk.enters_left],
        edge[walk.enters_left],
        walk.lingers_at - drift,
        walk.lingers_at + drift,
        edge[walk.leaves_left],
        outside[walk.leaves_left],
    ]
    corners = np.interp(u, [0, 0.19, 0.42, 0.6, 0.81, 1], x)
    window = np.hanning(11)[1:-1]
    # Odd reflection keeps the ends where they are.
    padded = np.pad(corners, len(window) // 2, mode="reflect", reflect_type="odd")
    return np.convolve(padded, window / window.sum(), mode="valid")


def make_truth(seed: int, people: list[Person], frames: int) -> dict[str, Any]:
    """What a perfect camera would have seen; boxes may reach over the frame while somebody enters or leaves."""
    sources = [{"name": p.title, "licence": p.licence, "credit": p.credit} for p in (ASTRONAUT, HOPPER)]
    return {
        "schema": SCHEMA,
        "width": WIDTH,
        "height": HEIGHT,
        "fps": FPS,
        "frames": frames,
        "seed": seed,
        "sources": sources,
        "people": [{"id": number, **_describe(person)} for number, person in enumerate(people, start=1)],
    }


def _describe(person: Person) -> dict[str, Any]:
    """One person's entry of the ground truth."""
    face, extent = person.portrait.face, person.portrait.extent
    visible = [f for f in person.frames if not _is_outside(person.place(extent, f))]
    whole = [f for f in person.frames if _is_inside(person.place(face, f))]
    boxes = [(f, person.place(face, f)) for f in person.frames if f % _BOX_STEP == 0]
    return {
        "portrait": person.portrait.name,
        "mask": person.mask_from_s == 0,
        **({"mask_from_s": person.mask_from_s} if person.mask_from_s else {}),
        "mask_style": None if person.mask_from_s is None else person.style.name,
        "enters_s": round(visible[0] / FPS, 2),
        "leaves_s": round((visible[-1] + 1) / FPS, 2),
        "fully_in_view_from_s": round(whole[0] / FPS, 2),
        "fully_in_view_to_s": round(whole[-1] / FPS, 2),
        "boxes": [[f, *box.rounded().values()] for f, box in boxes if not _is_outside(box)],
    }


def _is_inside(box: Box) -> bool:
    return box.x >= 0 and box.y >= 0 and box.x + box.width <= WIDTH and box.y + box.height <= HEIGHT


def _is_outside(box: Box) -> bool:
    return box.clipped(WIDTH, HEIGHT).width == 0


def paint_lobby(seed: int) -> Image:
    """A calm lobby: a wall in the light of two lamps, a door, a picture, the floor and a counter in front."""
    rng = np.random.default_rng((seed, 1))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    wall = np.array((0.74, 0.80, 0.82)) * rng.uniform(0.93, 1.04, 3)
    light = 1.02 - 0.22 * y / HEIGHT
    for lamp in (0.25, 0.75):
        light += 0.10 * np.exp(-(((x / WIDTH - lamp) / 0.16) ** 2) - (y / 190) ** 2)
    scene = (light[:, :, np.newaxis] * wall).astype(np.float32)
    door = int(rng.integers(60, 130)) if rng.random() < 0.5 else int(rng.integers(400, 460))
    picture = (door + 330) % 470 + 25
    _rectangle(scene, (door, 62, door + 128, 330), (0.46, 0.52, 0.56))
    _rectangle(scene, (door + 10, 72, door + 118, 330), (0.63, 0.68, 0.69))
    _rectangle(scene, (door + 24, 88, door + 104, 250), (0.83, 0.83, 0.80))
    _rectangle(scene, (door + 24, 168, door + 104, 172), (0.60, 0.65, 0.66))
    _rectangle(scene, (picture, 92, picture + 104, 168), (0.40, 0.44, 0.47))
    _rectangle(scene, (picture + 6, 98, picture + 98, 162), tuple(rng.uniform(0.55, 0.8, 3)))
    _rectangle(scene, (picture + 6, 136, picture + 98, 162), tuple(rng.uniform(0.45, 0.65, 3)))
    _rectangle(scene, (0, 318, WIDTH, 330), (0.60, 0.64, 0.66))
    _rectangle(scene, (0, 330, WIDTH, _COUNTER_TOP), (0.45, 0.50, 0.53))
    _rectangle(scene, (0, _COUNTER_TOP, WIDTH, _COUNTER_TOP + 15), (0.40, 0.56, 0.68))
    _rectangle(scene, (0, _COUNTER_TOP + 15, WIDTH, HEIGHT), (0.33, 0.42, 0.48))
    for joint in range(80, WIDTH, 160):
        _rectangle(scene, (joint, _COUNTER_TOP + 15, joint + 2, HEIGHT), (0.25, 0.32, 0.37))
    scene[_COUNTER_TOP + 15 : _COUNTER_TOP + 27] *= np.linspace(0.65, 1, 12)[:, np.newaxis, np.newaxis]
    noisy = cv2.GaussianBlur(scene, (0, 0), 0.8) + rng.normal(0, 0.004, scene.shape)  # no bands in the gradients
    return np.asarray(np.clip(noisy, 0, 1) * 255, np.uint8)


def _rectangle(scene: NDArray[np.float32], corners: tuple[int, int, int, int], colour: tuple[float, ...]) -> None:
    """Paint a rectangle (left, top, right, bottom) that is a little darker towards its lower edge."""
    left, top, right, bottom = corners
    shade = np.linspace(1.03, 0.93, bottom - top, dtype=np.float32)[:, np.newaxis, np.newaxis]
    scene[top:bottom, left:right] = shade * np.array(colour, np.float32)


def render(lobby: Image, people: list[Person], frames: int) -> Iterator[Image]:
    """Yield every frame of the recording."""
    sprites = [{is_masked: _sprite(person, is_masked=is_masked) for is_masked in _states(person)} for person in people]
    for frame in range(frames):
        scene = lobby.astype(np.float32) / 255
        present = [i for i, person in enumerate(people) if frame in person.frames]
        for i in sorted(present, key=lambda i: people[i].face_height[frame - people[i].first_frame]):
            layer = _placed(sprites[i][people[i].wears_mask(frame)], people[i], frame)
            scene = scene * (1 - layer[:, :, 3:]) + layer[:, :, :3]
        image = np.rint(np.clip(scene, 0, 1) * 255).astype(np.uint8)
        image[_COUNTER_TOP:] = lobby[_COUNTER_TOP:]
        yield image


def _states(person: Person) -> set[bool]:
    return {person.wears_mask(frame) for frame in person.frames}


def _sprite(person: Person, *, is_masked: bool) -> Layer:
    """The cut-out in this person's light, at the largest size at which it is shown."""
    layer = cut_out(person.portrait, person.style if is_masked else None)
    layer[:, :, :3] = np.minimum(layer[:, :, :3] * np.array(person.gain, np.float32), layer[:, :, 3:])
    if person.is_mirrored:
        layer = layer[:, ::-1]
    size = _largest_scale(person)
    interpolation = cv2.INTER_AREA if size < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(layer, None, fx=size, fy=size, interpolation=interpolation), np.float32)


def _largest_scale(person: Person) -> float:
    return max(person.scale(frame) for frame in person.frames)


def _placed(sprite: Layer, person: Person, frame: int) -> Layer:
    """The sprite at its place in a frame that is otherwise transparent."""
    ratio = person.scale(frame) / _largest_scale(person)
    scale = person.scale(frame)
    corner = person.place(Box(0, 0, sprite.shape[1] * ratio / scale, sprite.shape[0] * ratio / scale), frame)
    matrix = np.array([[ratio, 0, corner.x], [0, ratio, corner.y]])
    return np.asarray(cv2.warpAffine(sprite, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR), np.float32)


def encode(images: Iterator[Image], path: Path) -> None:
    """Write H.264 in MP4; one thread and no time of day, so that the same encoder gives the same file."""
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"crf": "26", "preset": "slow"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.thread_count = 1
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def as_json(truth: dict[str, Any]) -> str:
    """Indented, but with each box on one line."""
    text = json.dumps(truth, indent=2)
    return re.sub(r"\[\s+(-?\d+(?:,\s+-?\d+)*)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]) + "]", text) + "\n"


def make_recording(path: Path, seed: int) -> None:
    """Write the recording and, beside it, its ground truth."""
    people, frames = direct(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").write_text(as_json(make_truth(seed, people, frames)), encoding="utf-8")
    encode(render(paint_lobby(seed), people, frames), path)


def main() -> None:
    """Make the two recordings of the repository, or the one that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="MP4 file to write instead of the repository's two")
    parser.add_argument("--seed", type=int, default=1, help="which one to make for --output")
    arguments = parser.parse_args()
    recordings = RECORDINGS if arguments.output is None else ((arguments.output, arguments.seed),)
    for path, seed in recordings:
        make_recording(path, seed)


if __name__ == "__main__":
    main()
