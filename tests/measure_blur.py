"""Lets face detectors of other kinds look for faces in snapshots, before and after their faces are blurred.

    pip install dlib-bin mtcnn lz4 joblib
    python -m tests.measure_blur DATA/scenes
    python -m tests.measure_blur DATA/scenes --write
    python -m tests.measure_blur DATA/scenes --live --write

dlib's looks at gradients, without a network (Dalal and Triggs 2005); MTCNN is three networks in a row (Zhang and others
2016), run by TensorFlow, which the extra ``converter`` brings. Each scene is taken as a whole, and once more for each
face of 32 px and more, as if that person wore no mask; with ``--live``, as the page shows it live instead. A face is
found where the middle of what a detector calls one lies in a labelled face; anything else is counted beside.
``--write`` puts the table into docs/privacy.md.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from converter.scene_file import Scene, read_scene_file
from facemask_edge.cameras.recording import read_picture
from facemask_edge.config import PrivacyConfig, SnapshotsConfig
from facemask_edge.faces.thorough import ThoroughDetector
from facemask_edge.live_view import LiveView
from facemask_edge.snapshot import Shot, around, snapshot
from facemask_edge.values import Box, Frame, Image, Track, Violation
from facemask_edge.video import write_picture
from tests.conftest import ROOT
from tests.make_model_figures import filled

PAGE = ROOT / "docs" / "privacy.md"
BEGIN = "<!-- faces found in snapshots: python -m tests.measure_blur DATA/scenes --write -->\n"
BEGIN_LIVE = "<!-- faces found in live pictures: python -m tests.measure_blur DATA/scenes --live --write -->\n"
SMALLEST = 32
"""Height in pixels of a face whose person gets a snapshot."""
WIDTH = 4096
"""Of a snapshot: as wide as the scene, so that other detectors have it as easy as possible."""
LIVE = "live"
Finder = Callable[[Image], Sequence[Box]]


def finders() -> dict[str, Finder]:
    """Detectors of other kinds, each of which returns boxes in a BGR picture."""
    import dlib  # noqa: PLC0415 - only to measure
    from mtcnn import MTCNN  # noqa: PLC0415

    by_gradients, by_networks = dlib.get_frontal_face_detector(), MTCNN()

    def gradients(image: Image) -> list[Box]:
        found = by_gradients(np.ascontiguousarray(image[..., ::-1]), 1)
        return [Box(one.left(), one.top(), one.width(), one.height()) for one in found]

    def networks(image: Image) -> list[Box]:
        found = by_networks.detect_faces(np.ascontiguousarray(image[..., ::-1]))
        return [Box(*map(float, one["box"])) for one in found or ()]

    return {"dlib's gradients": gradients, "MTCNN": networks}


def shown(scene: Scene, face: Box | None, *, blur: bool, thorough: ThoroughDetector) -> tuple[Image, list[Box]]:
    """A snapshot as a subscriber sees it, and the labelled faces in it."""
    image = read_picture(scene.picture)
    violation = None if face is None else Violation("violation_start", "", Track("", face, 1.0), 1.0, 1, 0.0)
    config = SnapshotsConfig(picture="full" if face is None else "person", width=WIDTH)
    # No face is known beforehand: all have to be found.
    jpeg = snapshot(Shot("", image, (), violation, ""), config, PrivacyConfig(blur_faces=blur), thorough.boxes)
    part = Box(0, 0, 0, 0) if face is None else around(face, scene.width, scene.height)
    faces = [Box(box.x - int(part.x), box.y - int(part.y), box.width, box.height) for box, _ in scene.faces]
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), faces  # type: ignore[return-value]


def looked_at(scene: Scene, *, blur: bool, thorough: ThoroughDetector) -> tuple[Image, list[Box]]:
    """The live picture of a scene as somebody at the page sees it, and the labelled faces in it."""
    view = LiveView([LIVE], thorough.boxes if blur else None)
    view.start()
    view.next(LIVE, 0, 0.0)
    image = read_picture(scene.picture)
    # No face is known beforehand, here, too.
    view.show(LIVE, Frame(image, 0.0, 0), ())
    picture = view.next(LIVE, 0, 60.0)
    view.stop()
    assert picture is not None
    live: Image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[assignment]
    across, down = live.shape[1] / image.shape[1], live.shape[0] / image.shape[0]
    return live, [box.scaled(across, down) for box, _ in scene.faces]


def is_in(found: Box, faces: Sequence[Box]) -> bool:
    """Whether the middle of what was found lies in one of the faces."""
    x, y = found.centre
    return any(face.x <= x <= face.x + face.width and face.y <= y <= face.y + face.height for face in faces)


def rows(folder: Path, split: str, limit: int | None, show: Path | None, *, is_live: bool) -> Iterator[list[Any]]:
    """Of each detector: the pictures, the faces found before and after, and what else it takes for faces."""
    wanted = [scene for scene in read_scene_file(folder) if scene.split == split][:limit]
    thorough, counts, snapshots = ThoroughDetector(), Counter[tuple[str, bool, bool]](), 0
    others = finders()
    for scene in wanted:
        persons = [box for box, _ in scene.faces if box.height >= SMALLEST]
        for face in (None,) if is_live else (None, *persons):
            snapshots += 1
            for blur in (False, True):
                if is_live:
                    image, faces = looked_at(scene, blur=blur, thorough=thorough)
                else:
                    image, faces = shown(scene, face, blur=blur, thorough=thorough)
                for name, find in others.items():
                    finds = find(image)
                    counts.update((name, blur, is_in(found, faces)) for found in finds)
                    if show and blur and any(is_in(found, faces) for found in finds):
                        draw(image, finds)
                        write_picture(show / f"{scene.picture.stem}-{snapshots}.png", image)
    for name in others:
        faces_found = counts[name, False, True], counts[name, True, True]
        yield [split, name, snapshots, *faces_found, counts[name, False, False], counts[name, True, False]]


def draw(image: Image, boxes: Sequence[Box]) -> None:
    """Draw into a picture what was found in it."""
    for box in boxes:
        place = box.rounded()
        corner = place["x"] + place["width"], place["y"] + place["height"]
        cv2.rectangle(image, (place["x"], place["y"]), corner, (255, 0, 255), 1)


def main() -> None:
    """See the top."""
    parser = argparse.ArgumentParser(description="Lets other face detectors look for faces in snapshots.")
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--limit", type=int, help="scenes of each split")
    parser.add_argument("--show", type=Path, help="folder for the snapshots in which a face is found all the same")
    parser.add_argument("--live", action="store_true", help="the live picture of each scene")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    header = (
        "| split | detector | pictures | faces found without blur | with blur | other things without | with |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
    )
    lines = [
        row
        for split in ("dev", "train")
        for row in rows(arguments.scenes, split, arguments.limit, arguments.show, is_live=arguments.live)
    ]
    table = f"\n{header}" + "".join(f"| {' | '.join(map(str, row))} |\n" for row in lines) + "\n"
    print(table)
    if arguments.write:
        PAGE.write_text(filled(PAGE.read_text(), BEGIN_LIVE if arguments.live else BEGIN, table))


if __name__ == "__main__":
    main()
