import json
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import pytest

from facemask_edge.annotate import annotate, single_look
from facemask_edge.cameras.recording import Recording, read_picture
from facemask_edge.config import CameraConfig, Config
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import InputError, OutputError
from facemask_edge.values import Image, Label
from facemask_edge.video import video_writer

TWO_FACES = 290
"""A frame of the sample in which one masked and one bare person are fully in view."""
EVERYWHERE = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]


def sample_frames(start: int, stop: int) -> list[Image]:
    recording = Recording(SAMPLE)
    images = [frame.image for frame in islice(recording, start, stop)]
    recording.close()
    return images


@pytest.fixture(scope="module")
def picture_content() -> bytes:
    """A PNG of the frame ``TWO_FACES``."""
    return cv2.imencode(".png", sample_frames(TWO_FACES, TWO_FACES + 1)[0])[1].tobytes()


@pytest.fixture
def picture(picture_content: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "door.png"
    path.write_bytes(picture_content)
    return path


def lines_of(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()]


def truth_in(frame: int) -> list[tuple[float, float, str]]:
    """Middle and label of each person in a frame that the ground truth lists."""
    people = json.loads(SAMPLE.with_suffix(".json").read_text())["people"]
    return [
        (x + width / 2, y + height / 2, "mask" if person["mask"] else "no_mask")
        for person in people
        for index, x, y, width, height in person["boxes"]
        if index == frame
    ]


def label_at(faces: list[dict[str, Any]], x: float, y: float) -> list[str]:
    """The labels of the faces whose box holds a point."""
    return [
        face["label"]
        for face in faces
        if face["x"] < x < face["x"] + face["width"] and face["y"] < y < face["y"] + face["height"]
    ]


@pytest.mark.parametrize("frame", [60, 220, TWO_FACES])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_person_of_a_picture_is_labelled_as_the_ground_truth_says(
    frame: int, suffix: str, tmp_path: Path
) -> None:
    source = tmp_path / f"door{suffix}"
    cv2.imwrite(str(source), sample_frames(frame, frame + 1)[0])
    (line,) = lines_of(annotate([source], tmp_path / "out", Config()))
    people = truth_in(frame)
    assert len(line["faces"]) == len(people) == 2
    assert [label_at(line["faces"], x, y) for x, y, _ in people] == [[label] for _, _, label in people]


def test_a_result_has_exactly_the_documented_keys(picture: Path, tmp_path: Path) -> None:
    (line,) = lines_of(annotate([picture], tmp_path / "out", Config()))
    faces = line.pop("faces")
    assert line == {"source": str(picture), "frame": 0, "time_s": 0.0, "width": 640, "height": 480}
    for face in faces:
        assert list(face) == ["x", "y", "width", "height", "score", "label", "probability"]
        assert all(isinstance(face[key], int) for key in ("x", "y", "width", "height"))
        assert 0.6 <= face["score"] <= 1
        assert face["label"] in {"mask", "no_mask", "undetermined"}
        assert 0 <= face["probability"] <= 1


def test_the_annotated_picture_is_a_copy_with_drawings(picture: Path, tmp_path: Path) -> None:
    before = picture.read_bytes()
    assert annotate([picture], tmp_path / "new" / "out", Config()) == tmp_path / "new" / "out" / "results.jsonl"
    source, copy = read_picture(picture), read_picture(tmp_path / "new" / "out" / "door.png")
    assert picture.read_bytes() == before
    assert copy.shape == source.shape
    changed = (copy != source).any(axis=-1)
    assert 0.001 < changed.mean() < 0.2


def test_a_folder_is_judged_picture_by_picture_in_the_order_of_names(picture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("b.png", "a.png"):
        (folder / name).write_bytes(picture.read_bytes())
    (folder / "notes.txt").write_text("not a picture")
    lines = lines_of(annotate([folder, picture], tmp_path / "out", Config()))
    assert [line["source"] for line in lines] == [str(folder / "a.png"), str(folder / "b.png"), str(picture)]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.png", "b.png", "door.png", "results.jsonl"}


def test_a_video_is_judged_frame_by_frame(tmp_path: Path) -> None:
    source = tmp_path / "door.webm"
    with video_writer(source, 15.0) as write:
        for image in sample_frames(TWO_FACES - 20, TWO_FACES + 1):
            write(image)
    lines = lines_of(annotate([source], tmp_path / "out", Config()))
    assert [line["frame"] for line in lines] == list(range(21))
    assert [line["time_s"] for line in lines] == pytest.approx([index / 15 for index in range(21)], abs=0.01)
    for x, y, label in truth_in(TWO_FACES):
        assert label_at(lines[-1]["faces"], x, y) == [label]
    copy = Recording(tmp_path / "out" / "door.webm")
    frames = list(copy)
    assert (len(frames), round(copy.fps), frames[0].width, frames[0].height) == (21, 15, 640, 480)


def test_equal_names_of_two_folders_do_not_overwrite_each_other(picture_content: bytes, tmp_path: Path) -> None:
    sources = [tmp_path / folder / "door.png" for folder in ("first", "second")]
    for source in sources:
        source.parent.mkdir()
        source.write_bytes(picture_content)
    assert len(lines_of(annotate(sources, tmp_path / "out", Config()))) == 2
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"door.png", "door-2.png"}


def test_an_output_that_would_overwrite_its_source_is_refused(picture: Path, tmp_path: Path) -> None:
    before = picture.read_bytes()
    with pytest.raises(OutputError, match="would be overwritten"):
        annotate([picture], tmp_path, Config())
    assert picture.read_bytes() == before
    assert not (tmp_path / "results.jsonl").exists()


def test_an_output_that_would_overwrite_another_source_is_refused(picture_content: bytes, tmp_path: Path) -> None:
    sources = [tmp_path / folder / "door.png" for folder in ("first", "out")]
    for source in sources:
        source.parent.mkdir()
        source.write_bytes(picture_content)
    with pytest.raises(OutputError, match="would be overwritten"):
        annotate(sources, tmp_path / "out", Config())
    assert sources[1].read_bytes() == picture_content


def test_an_output_that_is_a_file_is_explained(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in its place")
    with pytest.raises(OutputError, match="out: File exists; choose another --output"):
        annotate([picture], tmp_path / "out", Config())


def test_a_folder_in_the_place_of_the_annotated_picture_is_explained(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "door.png").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"door\.png: Is a directory; choose another --output"):
        annotate([picture], tmp_path / "out", Config())


def test_a_picture_that_is_none_is_explained(tmp_path: Path) -> None:
    source = tmp_path / "door.jpg"
    source.write_text("no picture")
    with pytest.raises(InputError, match=r"door\.jpg: not a picture"):
        annotate([source], tmp_path / "out", Config())


def test_a_video_that_is_none_is_explained(tmp_path: Path) -> None:
    source = tmp_path / "door.mp4"
    source.write_text("no video")
    with pytest.raises(InputError, match=r"door\.mp4: not a video"):
        annotate([source], tmp_path / "out", Config())


def test_an_empty_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture in this folder"):
        annotate([tmp_path], tmp_path / "out", Config())
    assert not (tmp_path / "out").exists()


def test_a_missing_source_is_explained_before_anything_is_written(picture: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.png: no such file or folder"):
        annotate([picture, tmp_path / "missing.png"], tmp_path / "out", Config())
    assert not (tmp_path / "out").exists()


def test_a_face_in_an_ignore_zone_is_not_seen(picture: Path, tmp_path: Path) -> None:
    left = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    config = Config(cameras=[CameraConfig(ignore_zones=[left])])
    (line,) = lines_of(annotate([picture], tmp_path / "out", config))
    expected = [label for x, _, label in truth_in(TWO_FACES) if x > 320]
    assert [face["label"] for face in line["faces"]] == expected == ["mask"]


def test_a_picture_without_a_counting_face_is_copied_undrawn(picture: Path, tmp_path: Path) -> None:
    config = Config(cameras=[CameraConfig(ignore_zones=[EVERYWHERE])])
    (line,) = lines_of(annotate([picture], tmp_path / "out", config))
    assert line["faces"] == []
    assert (read_picture(tmp_path / "out" / "door.png") == read_picture(picture)).all()


def test_a_face_too_small_to_judge_is_undetermined_without_a_probability(picture: Path, tmp_path: Path) -> None:
    config = Config.model_validate({"compliance": {"min_face_height": 300}})
    (line,) = lines_of(annotate([picture], tmp_path / "out", config))
    assert [(face["label"], face["probability"]) for face in line["faces"]] == [("undetermined", None)] * 2


@pytest.mark.parametrize(
    ("probability", "threshold", "label"),
    [
        (0.0, 0.5, Label.MASK),
        (0.25, 0.5, Label.MASK),
        (0.26, 0.5, Label.UNDETERMINED),
        (0.74, 0.5, Label.UNDETERMINED),
        (0.75, 0.5, Label.NO_MASK),
        (1.0, 0.5, Label.NO_MASK),
        (0.39, 0.8, Label.MASK),
        (0.89, 0.8, Label.UNDETERMINED),
        (0.91, 0.8, Label.NO_MASK),
        (0.09, 0.2, Label.MASK),
        (0.11, 0.2, Label.UNDETERMINED),
        (0.61, 0.2, Label.NO_MASK),
    ],
)
def test_the_uncertain_band_of_a_single_look_moves_with_the_threshold(
    probability: float, threshold: float, label: Label
) -> None:
    assert single_look(probability, threshold) is label


def test_a_camera_that_hangs_upside_down_is_turned(picture: Path, tmp_path: Path) -> None:
    upright = read_picture(picture)
    cv2.imwrite(str(picture), cv2.rotate(upright, cv2.ROTATE_180))
    config = Config.model_validate({"cameras": [{"rotation": 180}]})
    (line,) = lines_of(annotate([picture], tmp_path / "out", config))
    assert len(line["faces"]) == 2
