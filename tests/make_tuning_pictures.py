"""Makes the pictures of docs/tuning.md from the repository's own recordings: ``python -m tests.make_tuning_pictures``.

All verdicts in them are the daemon's own, of its pipeline with the settings that the picture is about.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facemask_edge import overlay
from facemask_edge.cameras.recording import Recording
from facemask_edge.check.picture import judged
from facemask_edge.config import CameraConfig, ComplianceConfig, Config, Polygon
from facemask_edge.picture_quality import looked_at
from facemask_edge.pipeline import Models, Pipeline
from facemask_edge.values import Box, Frame, Image, Label, Verdict
from tests.conftest import ROOT

PICTURES = ROOT / "docs" / "tuning"
SECOND = ROOT / "tests" / "recordings" / "second.mp4"
SAMPLE = ROOT / "facemask_edge" / "sample" / "sample.mp4"
FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (255, 255, 255)
DARK = (50, 50, 50)
CAPTION = 34
"""Height in pixels of the line above a picture that says what it shows."""
WIDTH = 1100
"""Pixels, at the most, of a picture in the document."""
POSTER = (455, 14, 557, 122)
"""Left, top, right and bottom in pixels: where the poster hangs."""
LAST = 75
"""Frames until the person who puts a mask on has left."""
MASK_ON = 2.75
"""Seconds after which the recording's ground truth has that mask on."""
MEETING = 36
"""Frames of the second recording until two bare people are in full view."""


@cache
def recorded(path: Path) -> list[Frame]:
    """All frames of a recording; nobody changes them."""
    recording = Recording(path)
    frames = list(recording)
    recording.close()
    return frames


def unchanged(image: Image) -> Image:
    """The picture as it was recorded."""
    return image.copy()


def watched(config: Config, change: Callable[[Image], Image]) -> tuple[Image, list[Verdict]]:
    """The last picture of the meeting, and what is thought of its faces after all pictures before it.

    Args:
        config: Of one camera.
        change: What is done to each picture first.
    """
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    for frame in recorded(SECOND)[:MEETING]:
        image = change(frame.image)
        pipeline.process(Frame(image, frame.timestamp, frame.index))
    return image, pipeline.verdicts()


def titled(image: Image, title: str) -> Image:
    """With a line above it."""
    whole = cv2.copyMakeBorder(image, CAPTION, 0, 0, 0, cv2.BORDER_CONSTANT, value=DARK)
    cv2.putText(whole, title, (8, CAPTION - 11), FONT, 0.55, WHITE, 1, cv2.LINE_AA)
    return np.asarray(whole, np.uint8)


def in_rows(panels: Sequence[Image], columns: int) -> Image:
    """Panels of one size beside and below each other."""
    rows = [np.hstack(panels[start : start + columns]) for start in range(0, len(panels), columns)]
    return np.asarray(np.vstack(rows), np.uint8)


def smaller_and_smaller(image: Image) -> Image:
    """The same people at several distances, beside each other."""
    people = image[90:356]
    ground = people.shape[0]
    canvas = np.full((ground + 30, 1320, 3), 190, np.uint8)
    left = 0
    for scale in (1.0, 0.5, 0.34, 0.22):
        copy = cv2.resize(people, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        canvas[ground - copy.shape[0] : ground, left : left + copy.shape[1]] = copy
        left += copy.shape[1]
    return canvas


def sizes() -> Image:
    """Faces of several sizes, where the smallest that counts has 32 and 64 px."""
    panels = []
    for least in (32, 64):
        image, verdicts = watched(Config(compliance=ComplianceConfig(min_face_height=least)), smaller_and_smaller)
        for verdict in verdicts:
            box, colour = verdict.track.box.rounded(), overlay.COLOURS[verdict.label]
            left, top = box["x"], box["y"]
            cv2.rectangle(image, (left, top), (left + box["width"], top + box["height"]), colour, 2)
            cv2.putText(image, str(box["height"]), (left, image.shape[0] - 10), FONT, 0.55, DARK, 1, cv2.LINE_AA)
        panels.append(titled(image, f"min_face_height: {least}"))
    return in_rows(panels, 1)


def with_poster(image: Image) -> Image:
    """Somebody of the sample hangs on the wall, without a mask."""
    left, top, right, bottom = POSTER
    poster = cv2.resize(recorded(SAMPLE)[220].image[95:320, 356:572], (right - left - 8, bottom - top - 8))
    image = image.copy()
    image[top:bottom, left:right] = cv2.copyMakeBorder(poster, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=WHITE)
    return image


def zones() -> Image:
    """A poster that is reported, and one that is left out."""
    left, top, right, bottom = POSTER
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    around: Polygon = [(x / 640, y / 480) for x, y in corners]
    panels = []
    for ignored in ([], [around]):
        image, verdicts = watched(Config(cameras=[CameraConfig(ignore_zones=ignored)]), with_poster)
        overlay.draw(image, verdicts)
        if ignored:
            cv2.polylines(image, [np.array(corners)], isClosed=True, color=(0, 190, 240), thickness=3)
        panels.append(titled(image[:400], "ignore_zones: the poster" if ignored else "ignore_zones: []"))
    return in_rows(panels, 2)


def light() -> Image:
    """What the doctor says of pictures that are as they should be, dark, glaring and blurred."""
    changes: list[Callable[[Image], Image]] = [
        unchanged,
        lambda image: np.asarray(image * 0.14, np.uint8),
        lambda image: np.asarray(255 - (255 - image.astype(np.float32)) * 0.22, np.uint8),
        lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 7), np.uint8),
    ]
    panels = []
    for change in changes:
        image, verdicts = watched(Config(), change)
        says = judged("", looked_at(image), len(verdicts)).says
        overlay.draw(image, verdicts)
        panels.append(titled(image[:400], says))
    return in_rows(panels, 2)


def who_puts_a_mask_on(frame: int) -> Box | None:
    """Where the first person of the second recording is seen; None where not."""
    person: dict[str, Any] = json.loads(SECOND.with_suffix(".json").read_text())["people"][0]
    boxes = np.array(person["boxes"], np.float64)
    if not boxes[0, 0] <= frame <= boxes[-1, 0]:
        return None
    return Box(*(float(np.interp(frame, boxes[:, 0], boxes[:, side])) for side in range(1, 5)))


def labels(compliance: ComplianceConfig) -> list[Label | None]:
    """What is thought of that person in each frame; None where nobody is followed there."""
    config = Config(compliance=compliance)
    pipeline = Pipeline(config, config.cameras[0], Models(config))
    found: list[Label | None] = []
    for frame in recorded(SECOND)[:LAST]:
        pipeline.process(frame)
        box = who_puts_a_mask_on(frame.index)
        there = [
            verdict.label
            for verdict in pipeline.verdicts()
            if box and abs(verdict.track.box.centre[0] - box.centre[0]) < box.width / 2
        ]
        found.append(there[0] if there else None)
    return found


def decisions() -> Image:
    """When a person who puts a mask on is judged to be what, with several settings."""
    settings: list[dict[str, Any]] = [
        {},
        {"threshold": 0.05},
        {"threshold": 0.95},
        {"min_observations": 1},
        {"min_observations": 10},
        {"min_face_height": 150},
    ]
    left, row, frame_width = 260, 40, 11
    canvas = np.full((row * (len(settings) + 1) + 44, left + LAST * frame_width + 20, 3), 255, np.uint8)

    def column(second: float) -> int:
        return round(left + second * 15 * frame_width)

    def write(text: str, x: int, y: int) -> None:
        cv2.putText(canvas, text, (x, y), FONT, 0.55, DARK, 1, cv2.LINE_AA)

    for number, setting in enumerate(settings):
        top = row * (number + 1)
        write(", ".join(f"{key}: {value}" for key, value in setting.items()) or "the defaults", 8, top + 22)
        for index, label in enumerate(labels(ComplianceConfig(**setting))):
            if label is not None:
                start = left + index * frame_width
                colour = overlay.COLOURS[label]
                cv2.rectangle(canvas, (start, top + 4), (start + frame_width - 1, top + row - 6), colour, cv2.FILLED)
    bottom = row * (len(settings) + 1)
    for second in range(LAST // 15 + 1):
        write(f"{second} s", column(second) - 10, bottom + 28)
        cv2.line(canvas, (column(second), bottom), (column(second), bottom + 8), DARK, 1)
    cv2.line(canvas, (column(MASK_ON), 28), (column(MASK_ON), bottom), DARK, 2)
    write("the mask is put on", column(MASK_ON) - 80, 20)
    return canvas


def main() -> None:
    """Write all pictures."""
    PICTURES.mkdir(exist_ok=True)
    made = {"sizes": sizes(), "zones": zones(), "light": light(), "decisions": decisions()}
    for name, image in made.items():
        scale = min(WIDTH / image.shape[1], 1.0)
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(PICTURES / f"{name}.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
