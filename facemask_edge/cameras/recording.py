"""Recordings: video files and folders of pictures, read frame by frame, none lost, on media time."""

import logging
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from facemask_edge.buffers import Buffers
from facemask_edge.cameras.media_time import MediaTime
from facemask_edge.errors import InputError
from facemask_edge.native import native_stderr_hidden
from facemask_edge.redaction import without_password
from facemask_edge.scaling import DetectorInput, lores_of
from facemask_edge.thumbnail import Thumbnails
from facemask_edge.values import Frame, Image

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
MAX_PICTURE_BYTES = 100_000_000
AHEAD = 2
"""Frames that are decoded while one is judged: with one, each that takes longer to decode would be waited for."""
MOST_FAILED = 100_000
"""Reads in a row that may fail where there may be more: an MP4 has one for each frame of a hole, and at the end of a
damaged recording so many take some tenths of a second."""
COUNTED = (b"ftyp", b"RIFF")
"""In the first bytes of containers that say how many frames they hold: MP4, AVI. Of others OpenCV guesses it from how
long they last."""
MOST_MISSING = 0.5
"""Seconds that such a guess may be wrong by: sound lasts longer than pictures."""
KEY_FRAME = ord("I")
"""As OpenCV names a frame that is coded by itself."""
logger = logging.getLogger(__name__)


class Recording:
    """A video file, to be read once. The next frames are made ready for the face detector while one is judged.

    Args:
        path: Anything that OpenCV's FFmpeg reads.
        detector_input: How large a picture the face detector wants; None where nobody detects.

    Raises:
        InputError: The file does not exist or holds no video.
    """

    def __init__(self, path: Path, detector_input: DetectorInput | None = None) -> None:
        if not path.is_file():
            # Which may be a camera's address with a slip in it.
            shown = without_password(str(path))
            raise InputError(f"{shown}: no such file; name a video, a folder of pictures or a camera")
        self._path, self._detector_input = path, detector_input
        self._thumbnails, self._buffers = Thumbnails(), Buffers()
        self._read_frames = 0
        self._is_at_end = self._is_damaged = False
        # FFmpeg and OpenCV complain on stderr of what the sentence below says.
        with native_stderr_hidden():
            # One thread decodes while another one judges; more would only keep more pictures in memory.
            self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            self.fps = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
            """Frames a second."""
            self.frames = max(round(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
            """Number of frames that the header promises, or is guessed; 0 where that is not known."""
            self._time = MediaTime(self.fps)
            # isOpened() and the header may promise what is not there: only a frame that was read proves a video.
            self._first = self._read()
        if self._first is None:
            self._capture.release()
            raise InputError(f"{path}: not a video that can be read; it may be truncated or of an unknown format")
        with path.open("rb") as file:
            begin = file.read(8)
        self._is_counted = any(mark in begin for mark in COUNTED)
        # From here on the one thread that touches the capture, which is not made for two.
        self._decoder = ThreadPoolExecutor(1, "decoder")

    def __iter__(self) -> Iterator[Frame]:
        """All frames; the timestamp is the media time in seconds."""
        # Here, and nowhere else: it would be kept for as long as the recording lasts.
        frame, self._first = self._first, None
        following = deque(self._decoder.submit(self._read) for _ in range(AHEAD - 1))
        while frame is not None:
            following.append(self._decoder.submit(self._read))
            yield frame
            frame = following.popleft().result()
        # A guess is too high where the rate changes: then the last frame tells whether there were to be more.
        ends_early = (self.frames - 1) / self.fps - self._time.newest > MOST_MISSING
        if self._read_frames < self.frames and (self._is_counted or self._is_damaged or ends_early):
            logger.warning(
                "%s: only %d of %d frames can be read; it may be truncated or damaged",
                self._path,
                self._read_frames,
                self.frames,
            )
        elif self._is_damaged:
            logger.warning("%s: it is damaged; some frames beside %d cannot be read", self._path, self._read_frames)

    @property
    def status(self) -> None:
        """There is nothing to say."""
        return None

    @property
    def is_alive(self) -> bool:
        """Reading a file comes back."""
        return True

    def switch(self, *, on: bool) -> None:
        """As ``Camera``."""

    def close(self) -> None:
        """Let go of the file."""
        self._decoder.submit(self._capture.release)
        self._decoder.shutdown()

    def _read(self) -> Frame | None:
        """The next frame that can be read; None at the end."""
        # Not again at the end: there it would be looked for with each frame that is read ahead.
        tries = 0 if self._is_at_end else 1 if self._read_frames == self.frames else MOST_FAILED
        is_whole = True
        for failed in range(tries):
            image = self._decoded()
            if image is None:
                is_whole = False
                continue
            # Behind a hole the decoder patches what it has with remains of older frames, people who left among them,
            # until one comes that is coded by itself.
            is_whole = is_whole or self._capture.get(cv2.CAP_PROP_FRAME_TYPE) == KEY_FRAME
            if is_whole:
                self._is_damaged |= failed > 0
                return self._frame(image)
        self._is_at_end = True
        return None

    def _decoded(self) -> Image | None:
        try:
            found, image = self._capture.read()
        except cv2.error:
            # The header promises other pictures than there are.
            return None
        return image if found else None  # type: ignore[return-value] # always uint8

    def _frame(self, image: Image) -> Frame:
        index = self._read_frames
        # The first one has 0, unless others before it could not be read.
        if index or self._is_damaged:
            self._time.advance(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        self._read_frames += 1
        lores = lores_of(image, self._detector_input, self._buffers)
        thumbnail = None if lores is None else self._thumbnails.of(lores)
        return Frame(image, self._time.newest, index, lores=lores, thumbnail=thumbnail)


class PictureFolder:
    """A folder of pictures in the order of their names, as if one were taken each second.

    Raises:
        InputError: There is no picture in the folder.
    """

    def __init__(self, path: Path) -> None:
        self._pictures = pictures_in(path)

    def __iter__(self) -> Iterator[Frame]:
        """All pictures that can be read; the others are named in the log."""
        for index, path in enumerate(self._pictures):
            try:
                yield Frame(read_picture(path), float(index), index)
            except InputError as error:
                logger.warning("%s", error)

    @property
    def status(self) -> None:
        """There is nothing to say."""
        return None

    @property
    def is_alive(self) -> bool:
        """Reading a file comes back."""
        return True

    def switch(self, *, on: bool) -> None:
        """As ``Camera``."""

    def close(self) -> None:
        """Nothing is held open."""


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name.

    Raises:
        InputError: There is none.
    """
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    if not found:
        raise InputError(f"{folder}: no picture in this folder ({', '.join(sorted(PICTURE_SUFFIXES))})")
    return found


def read_picture(path: Path) -> Image:
    """Read a picture.

    Returns:
        uint8, height x width x 3, BGR.

    Raises:
        InputError: It cannot be read or is no picture.
    """
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            raise InputError(f"{path}: larger than {MAX_PICTURE_BYTES // 1_000_000} MB, this is no picture")
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR) if content.size else None
    except cv2.error:
        # OpenCV refuses pictures of more than 2^30 pixels by an exception of its own.
        image = None
    if image is None:
        raise InputError(f"{path}: not a picture that can be read; it may be truncated, too large or of another format")
    return image  # type: ignore[return-value]
