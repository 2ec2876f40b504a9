"""Writes videos and contact sheets of them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from facemask_edge.cameras.recording import Recording
from facemask_edge.errors import InputError, OutputError
from facemask_edge.native import native_stderr_hidden, silence_opencv
from facemask_edge.overlay import FONT
from facemask_edge.values import Frame, Image

VIDEO_SUFFIX = ".webm"
MARGIN, CAPTION, BACKGROUND = 4, 20, 245
"""Of a contact sheet: pixels around and below each frame, and the grey level between them."""


@contextmanager
def video_writer(target: Path, fps: float) -> Iterator[Callable[[Image], None]]:
    """A function that appends pictures of one size to a WebM video (VP8: every browser plays it, no patents).

    Raises:
        OutputError: The file cannot be written.
    """
    writer: cv2.VideoWriter | None = None
    waiting: Future[None] | None = None

    def write(image: Image) -> None:
        nonlocal writer, waiting
        if writer is None:
            writer = _open_writer(target, fps, (image.shape[1], image.shape[0]))
        # Encoding takes longer than judging: the one runs beside the other, never more than a picture behind.
        if waiting is not None:
            waiting.result()
        waiting = encoder.submit(_append, writer, image.copy())

    with ThreadPoolExecutor(1, "encoder") as encoder:
        try:
            yield write
        finally:
            encoder.shutdown()
            if writer is not None:
                writer.release()


def _append(writer: cv2.VideoWriter, image: Image) -> None:
    writer.write(image)


def _open_writer(target: Path, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    # OpenCV itself checks nothing: a folder that cannot be written would give an empty result silently.
    target.touch()
    # It would warn of each frame for which the disk has no room.
    silence_opencv()
    # OpenCV prints a harmless warning about VP8's tag, past its own log level.
    with native_stderr_hidden():
        writer = cv2.VideoWriter(str(target), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), fps, size)
    if not writer.isOpened():
        raise OutputError(f"{target}: this OpenCV cannot write WebM video; install opencv-python-headless")
    return writer


def contact_sheet(video: Path, target: Path, frames: Sequence[int], *, columns: int = 4, width: int = 320) -> None:
    """Write some frames of a video, each with its time, into one picture.

    Args:
        video: Any video that can be read.
        target: The picture; its suffix says in which format.
        frames: Indices of the frames, rising; row by row from the upper left.
        columns: Frames in a row.
        width: Of each frame, in pixels.

    Raises:
        InputError: The video cannot be read or has no such frame.
        OutputError: The picture cannot be written.
    """
    recording = Recording(video)
    wanted = frozenset(frames)
    cells = [_cell(frame, width) for frame in recording if frame.index in wanted]
    recording.close()
    if len(cells) < len(wanted) or not cells:
        raise InputError(f"{video}: has not all of the frames {sorted(wanted)}; it may be truncated")
    cells += [np.full_like(cells[0], BACKGROUND)] * (-len(cells) % columns)
    rows = [np.hstack(cells[start : start + columns]) for start in range(0, len(cells), columns)]
    write_picture(target, np.vstack(rows))


def _cell(frame: Frame, width: int) -> Image:
    """A frame at its size on the sheet, with its time below and a margin around."""
    size = width, round(width * frame.height / frame.width)
    small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
    cell = cv2.copyMakeBorder(small, MARGIN, CAPTION, MARGIN, MARGIN, cv2.BORDER_CONSTANT, value=(BACKGROUND,) * 3)
    place = MARGIN, cell.shape[0] - CAPTION // 3
    cv2.putText(cell, f"{frame.timestamp:.1f} s", place, FONT, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
    return cell  # type: ignore[return-value]


def write_picture(target: Path, image: Image) -> None:
    """Write a uint8 height x width x 3 BGR picture; the suffix says in which format.

    Raises:
        OutputError: It cannot be written.
    """
    if not cv2.haveImageWriter(str(target)):
        raise OutputError(f"{target}: this OpenCV cannot write {target.suffix} files")
    try:
        target.write_bytes(cv2.imencode(target.suffix, image)[1].tobytes())
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}; choose another --output") from error
