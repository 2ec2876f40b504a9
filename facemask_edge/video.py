"""Writes videos and contact sheets of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from facemask_edge.cameras.recording import Recording
from facemask_edge.errors import OutputError
from facemask_edge.native import native_stderr_hidden
from facemask_edge.values import Image

VIDEO_SUFFIX = ".webm"


@contextmanager
def video_writer(target: Path, fps: float) -> Iterator[Callable[[Image], None]]:
    """A function that appends pictures of one size to a WebM video (VP8: every browser plays it, no patents).

    Raises:
        OutputError: The file cannot be written.
    """
    writer: cv2.VideoWriter | None = None

    def write(image: Image) -> None:
        nonlocal writer
        if writer is None:
            # OpenCV itself checks nothing: a folder that cannot be written would give an empty result silently.
            target.touch()
            # OpenCV prints a harmless warning about VP8's tag, past its own log level.
            with native_stderr_hidden():
                size = image.shape[1], image.shape[0]
                writer = cv2.VideoWriter(str(target), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"VP80"), fps, size)
            if not writer.isOpened():
                raise OutputError(f"{target}: this OpenCV cannot write WebM video; install opencv-python-headless")
        writer.write(image)

    try:
        yield write
    finally:
        if writer is not None:
            writer.release()


def contact_sheet(video: Path, target: Path, *, columns: int = 4, rows: int = 4, width: int = 320) -> None:
    """Write evenly spaced frames of a video side by side into one picture.

    Raises:
        InputError: The video cannot be read.
        OutputError: The picture cannot be written.
    """
    recording = Recording(video)
    images = [cv2.resize(frame.image, (width, round(width * frame.height / frame.width))) for frame in recording]
    recording.close()
    step = len(images) / (columns * rows)
    chosen = [images[int((cell + 0.5) * step)] for cell in range(columns * rows)]
    sheet = np.vstack([np.hstack(chosen[row * columns : (row + 1) * columns]) for row in range(rows)])
    write_picture(target, sheet)  # type: ignore[arg-type]


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
