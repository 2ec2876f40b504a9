from pathlib import Path

import numpy as np
import pytest

from facemask_edge.cameras.recording import Recording, read_picture
from facemask_edge.errors import InputError, OutputError
from facemask_edge.values import Image
from facemask_edge.video import BACKGROUND, CAPTION, MARGIN, contact_sheet, video_writer, write_picture


def grey(level: int) -> Image:
    return np.full((120, 160, 3), level, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Thirty frames at 12 frames a second, each lighter than the one before."""
    path = tmp_path / "video.webm"
    with video_writer(path, 12.0) as write:
        for index in range(30):
            write(grey(8 * index))
    return path


def test_what_is_written_is_what_is_read(video: Path) -> None:
    recording = Recording(video)
    frames = list(recording)
    assert (len(frames), round(recording.fps, 1), frames[0].image.shape) == (30, 12.0, (120, 160, 3))
    levels = [float(frame.image.mean()) for frame in frames]
    assert levels == pytest.approx([8 * index for index in range(30)], abs=8)


def test_a_video_without_a_frame_leaves_no_file(tmp_path: Path) -> None:
    with video_writer(tmp_path / "video.webm", 12.0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_ends_early_keeps_what_was_written(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with video_writer(tmp_path / "video.webm", 12.0) as write:
            for _ in range(5):
                write(grey(100))
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_and_fail()
    assert len(list(Recording(tmp_path / "video.webm"))) == 5


def test_a_video_in_a_missing_folder_is_an_error_of_the_system(tmp_path: Path) -> None:
    with video_writer(tmp_path / "missing" / "video.webm", 12.0) as write, pytest.raises(FileNotFoundError):
        write(grey(100))


def test_a_video_of_an_unknown_container_is_explained(tmp_path: Path) -> None:
    with video_writer(tmp_path / "video.txt", 12.0) as write, pytest.raises(OutputError, match="cannot write WebM"):
        write(grey(100))


def cells_of(sheet: Path, width: int, height: int) -> list[list[float]]:
    """The level in the middle of each frame of a sheet, row by row; frames of ``width`` x ``height`` pixels."""
    image = read_picture(sheet)
    cell_width, cell_height = width + 2 * MARGIN, height + MARGIN + CAPTION
    rows, columns = image.shape[0] // cell_height, image.shape[1] // cell_width
    assert image.shape == (rows * cell_height, columns * cell_width, 3)
    middles = image[MARGIN + height // 2 :: cell_height, MARGIN + width // 2 :: cell_width]
    return [[float(level) for level in row] for row in middles.mean(axis=-1)]


def test_a_contact_sheet_shows_the_frames_row_by_row(video: Path, tmp_path: Path) -> None:
    contact_sheet(video, tmp_path / "sheet.png", [2, 7, 12, 17, 22, 27], columns=3, width=80)
    expected = [[8 * 2, 8 * 7, 8 * 12], [8 * 17, 8 * 22, 8 * 27]]
    assert np.array(cells_of(tmp_path / "sheet.png", 80, 60)) == pytest.approx(np.array(expected), abs=8)


def test_a_contact_sheet_fills_its_last_row_with_background(video: Path, tmp_path: Path) -> None:
    contact_sheet(video, tmp_path / "sheet.png", [0, 10, 20, 25, 29])
    first, second = cells_of(tmp_path / "sheet.png", 320, 240)
    assert len(first) == 4
    assert second[0] == pytest.approx(8 * 29, abs=8)
    assert second[1:] == [BACKGROUND] * 3


def test_a_contact_sheet_tells_the_time_below_each_frame(video: Path, tmp_path: Path) -> None:
    contact_sheet(video, tmp_path / "sheet.png", [0, 24], columns=2, width=80)
    captions = read_picture(tmp_path / "sheet.png")[-CAPTION + 1 :]
    left, right = captions[:, :88], captions[:, 88:]
    assert (left < 128).any()
    assert (right < 128).any()
    assert (left != right).any()


@pytest.mark.parametrize("frames", [[], [28, 29, 30]])
def test_a_contact_sheet_of_frames_that_are_not_there_is_explained(
    frames: list[int], video: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"video\.webm: has not all of the frames"):
        contact_sheet(video, tmp_path / "sheet.png", frames)
    assert not (tmp_path / "sheet.png").exists()


def test_a_contact_sheet_of_no_video_is_explained(tmp_path: Path) -> None:
    (tmp_path / "video.webm").write_text("no video")
    with pytest.raises(InputError, match=r"video\.webm: not a video"):
        contact_sheet(tmp_path / "video.webm", tmp_path / "sheet.png", [0])
    with pytest.raises(InputError, match="no such file"):
        contact_sheet(tmp_path / "missing.webm", tmp_path / "sheet.png", [0])
    assert not (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize("name", ["picture.xyz", "picture", "picture.txt"])
def test_a_picture_of_an_unknown_format_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_picture(tmp_path / name, grey(100))
    assert list(tmp_path.iterdir()) == []


def test_a_picture_in_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in its place")
    with pytest.raises(OutputError, match=r"picture\.png: Not a directory; choose another --output"):
        write_picture(tmp_path / "folder" / "picture.png", grey(100))


def test_a_picture_is_written_as_it_is(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    write_picture(tmp_path / "picture.png", image)
    assert (read_picture(tmp_path / "picture.png") == image).all()
