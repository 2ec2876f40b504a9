import time
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facemask_edge.cameras import open_camera
from facemask_edge.cameras.recording import PictureFolder, Recording, read_picture
from facemask_edge.config import CameraConfig
from facemask_edge.demo import SAMPLE
from facemask_edge.errors import InputError
from facemask_edge.video import video_writer
from tests.motion_jpeg import grey


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Thirty frames at 10 frames a second, each a little lighter than the one before."""
    path = tmp_path / "video.webm"
    with video_writer(path, 10.0) as write:
        for index in range(30):
            write(grey(5 * index))
    return path


def test_a_recording_gives_every_frame_in_order_on_media_time(video: Path) -> None:
    recording = Recording(video)
    frames = list(recording)
    assert [frame.index for frame in frames] == list(range(30))
    assert [round(frame.timestamp, 2) for frame in frames] == [index / 10 for index in range(30)]
    levels = [float(frame.image.mean()) for frame in frames]
    assert levels == sorted(levels)
    assert levels[-1] - levels[0] > 120
    assert (frames[0].width, frames[0].height, str(frames[0].image.dtype)) == (160, 120, "uint8")
    assert (recording.frames, round(recording.fps)) == (30, 10)


def test_two_recordings_one_behind_the_other_take_as_long_as_both(tmp_path: Path) -> None:
    part, both = tmp_path / "part.ts", tmp_path / "both.ts"
    writer = cv2.VideoWriter(str(part), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 15, (64, 48))
    for shade in range(60):
        writer.write(np.full((48, 64, 3), 4 * shade, np.uint8))
    writer.release()
    # A transport stream may be joined so; its times begin anew.
    both.write_bytes(2 * part.read_bytes())
    times = times_of(both)
    assert times == pytest.approx(np.arange(120) / 15, abs=0.01)


def times_of(path: Path) -> list[float]:
    """When each of a recording's frames was taken."""
    recording = Recording(path)
    times = [frame.timestamp for frame in recording]
    recording.close()
    return times


def test_a_truncated_recording_gives_what_is_there_and_says_so(
    video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # An MP4 that was cut in the middle has no index and is not readable at all; an AVI has one frame after the other.
    whole = tmp_path / "whole.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (160, 120))
    for frame in Recording(video):
        writer.write(frame.image)
    writer.release()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames = list(Recording(cut))
    assert 5 < len(frames) < 25
    assert "may be truncated" in caplog.text


def write_at(path: Path, times: Iterable[float], **options: str) -> None:
    """Write frames, each lighter than the one before, that were taken at these times in seconds."""
    with av.open(path, "w") as written:
        stream = written.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, taken in enumerate(times):
            frame = av.VideoFrame.from_ndarray(grey(50 + 3 * index, 160, 128), "bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = round(1000 * taken), Fraction(1, 1000)
            written.mux(stream.encode(frame))
        written.mux(stream.encode())


def test_a_recording_with_a_pause_is_not_damaged_and_one_that_was_cut_off_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Such a container does not say how many frames it holds.
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    write_at(whole, [*np.arange(30) / 10, *(5 + np.arange(30) / 10)], bf="0")
    assert len(times_of(whole)) == 60
    assert not caplog.messages
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 5 < len(times_of(cut)) < 55
    assert "may be truncated" in caplog.text


def test_an_interlaced_recording_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "interlaced.mp4"
    write_at(path, np.arange(30) / 10, flags="+ildct+ilme")
    with av.open(path) as made:
        assert all(frame.interlaced_frame for frame in made.decode(video=0))
    levels = [float(frame.image.mean()) for frame in Recording(path)]
    # Some versions of OpenCV give what is in the memory, always the same.
    assert np.diff(levels) == pytest.approx(np.full(29, 3), abs=2)


def test_a_damaged_recording_goes_on_behind_the_damage_and_tells_how_many_frames_are_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = bytearray(SAMPLE.read_bytes())
    damaged[20_000:20_500] = bytes(500)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(damaged)
    recording, times = Recording(path), []
    for frame in recording:
        times.append(frame.timestamp)
        # Time enough to read ahead.
        time.sleep(0.01)
    recording.close()
    # The sample's second frame that is coded by itself; those before it would be patched with people who left.
    behind = 1 + int(np.argmax(np.diff(times)))
    assert times[behind] == pytest.approx(250 / 15, abs=0.01)
    assert times[:behind] == pytest.approx(np.arange(behind) / 15, abs=0.01)
    assert times[behind:] == pytest.approx(np.arange(250, 361) / 15, abs=0.01)
    assert f"only {len(times)} of 361 frames can be read" in caplog.text


def test_a_recording_that_is_damaged_from_its_first_frame_on_keeps_the_time(tmp_path: Path) -> None:
    damaged = bytearray(SAMPLE.read_bytes())
    start = damaged.index(b"mdat") + 8
    damaged[start : start + 3000] = bytes(3000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(damaged)
    times = times_of(path)
    # From the sample's second frame on that is coded by itself.
    assert times == pytest.approx(np.arange(250, 361) / 15, abs=0.01)


def test_a_long_hole_is_passed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "long.mp4"
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 15, (64, 48))
    shades = np.random.default_rng(0)
    for _ in range(1500):
        writer.write(shades.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    content = bytearray(path.read_bytes())
    start, end = len(content) // 4, len(content) // 2
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    times = times_of(path)
    assert max(np.diff(times)) > 20
    assert times[-1] == pytest.approx(1499 / 15, abs=0.01)
    assert f"only {len(times)} of 1500 frames can be read" in caplog.text


def test_a_recording_whose_header_tells_no_length_goes_on_behind_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shades = np.random.default_rng(0)
    pictures = [cv2.imencode(".jpg", shades.integers(0, 256, (48, 64, 3), np.uint8))[1].tobytes() for _ in range(60)]
    # Two pictures whose headers say what no decoder knows.
    for broken in (20, 21):
        pictures[broken] = pictures[broken].replace(b"\xff\xc0", b"\xff\xc5")
    path = tmp_path / "stream.mjpeg"
    path.write_bytes(b"".join(pictures))
    recording = Recording(path)
    assert not recording.frames
    count = sum(1 for _ in recording)
    recording.close()
    assert count == 58
    assert "some frames beside 58 cannot be read" in caplog.text


@pytest.mark.parametrize("content", [b"", b"this is no video\n" * 100])
def test_a_file_that_is_no_video_is_explained(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"video\.mp4: not a video"):
        Recording(path)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_camera(CameraConfig(source=str(tmp_path / "missing.mp4")))


def test_a_folder_gives_its_pictures_by_name_and_names_the_broken_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, level in (("b.png", 20), ("a.jpg", 10), ("c.bmp", 30)):
        cv2.imwrite(str(tmp_path / name), grey(level))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not a picture")
    camera = open_camera(CameraConfig(source=str(tmp_path)))
    frames = [frame for frame in camera if frame is not None]
    assert [round(float(frame.image.mean())) for frame in frames] == [10, 20, 30]
    assert [frame.timestamp for frame in frames] == [0.0, 1.0, 3.0]
    assert "broken.jpg: not a picture" in caplog.text


def test_an_empty_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no picture in this folder"):
        PictureFolder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0 cut", b"text"])
def test_a_picture_that_is_none_is_explained(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a picture"):
        read_picture(path)


def test_a_picture_of_too_many_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(cv2.imencode(".png", np.zeros((9_000, 9_000), np.uint8))[1].tobytes())
    assert path.stat().st_size < 200_000
    with pytest.raises(InputError, match="too large"):
        read_picture(path)
