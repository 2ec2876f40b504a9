"""Motion-JPEG over HTTP (``multipart/x-mixed-replace``), as most network cameras and many programs send it.

OpenCV would read it, too, but scale each picture to the size of the first one without a word, and decode one of any
size. Here each picture is bounded in bytes, pixels and time before it is decoded.
"""

import http
import http.client
import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

import cv2
import numpy as np

from facemask_edge.cameras import jpeg
from facemask_edge.cameras.capture import MOST_PIXELS, OPEN_TIMEOUT, READ_TIMEOUT, CameraLostError, Picture
from facemask_edge.cameras.http_login import UnknownLoginError, authorization

MOST_BYTES = 20_000_000
"""Of one picture."""
MOST_BETWEEN = 16_384
"""Bytes between two pictures."""
LONGEST_SKIP = 0.1
"""Seconds for which older pictures are passed over: some programs send without a pause, as fast as they are read."""
CHUNK = 65_536
HEADERS = {"User-Agent": "facemask-edge", "Accept": "multipart/x-mixed-replace"}
LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class OtherStreamError(Exception):
    """What answers is no motion-JPEG, or asks for a password in a way that FFmpeg knows and this does not."""


class MotionJpegCapture:
    """A stream that is open.

    Args:
        url: ``http://`` or ``https://``, with user name and password where it wants them.

    Raises:
        CameraLostError: It cannot be opened.
        OtherStreamError: It is another kind of stream.
    """

    def __init__(self, url: str) -> None:
        self._received = bytearray()
        try:
            self._response, self._socket = _logged_in(urlsplit(url))
        # Never with the text of an error that the address or the camera may have written.
        except ssl.SSLCertVerificationError as error:
            raise CameraLostError(f"its certificate is not trusted: {error.verify_message}") from None
        except TimeoutError:
            raise CameraLostError("it does not answer") from None
        except (http.client.InvalidURL, ValueError):
            raise CameraLostError("its address is none that can be asked for") from None
        except http.client.HTTPException:
            raise CameraLostError("it answers what is no HTTP") from None
        except OSError as error:
            raise CameraLostError(f"it cannot be reached: {error.strerror or type(error).__name__}") from None
        try:
            self._boundary = self._checked()
        except BaseException:
            self._response.close()
            raise

    def read(self) -> Picture:
        """As ``Capture``."""
        deadline = time.monotonic() + READ_TIMEOUT
        skipped = 0
        while True:
            content, received = self._next_part(deadline), time.monotonic()
            # Where decoding is slower than the camera, pictures wait: only the newest is looked at.
            skip_until = received + LONGEST_SKIP
            while received < skip_until and self._has_another(deadline):
                content, received = self._next_part(deadline), time.monotonic()
                skipped += 1
            # Half a picture would be decoded with a grey half.
            if not content.rstrip(b"\0\r\n ").endswith(jpeg.END):
                continue
            try:
                width, height = jpeg.jpeg_size(content)
            except ValueError:
                continue
            if width * height > MOST_PIXELS:
                raise CameraLostError(f"its pictures have {width} x {height} pixels, too many")
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            if image is not None:
                return Picture(image, received=received, skipped=skipped)  # type: ignore[arg-type] # always uint8

    def close(self) -> None:
        """As ``Capture``."""
        self._response.close()

    def _checked(self) -> bytes:
        """The boundary between two pictures."""
        response = self._response
        if response.status == http.HTTPStatus.UNAUTHORIZED:
            raise CameraLostError("it refuses user name and password; write them into its address")
        if response.status != http.HTTPStatus.OK:
            raise CameraLostError(f"it answers with HTTP status {response.status}")
        if response.chunked:
            # One piece's length could take as long as its sender likes.
            raise CameraLostError("it sends in chunks, which it was not asked for")
        boundary = response.headers.get_boundary()
        if response.headers.get_content_maintype() != "multipart" or not boundary:
            raise OtherStreamError
        # Some servers write the dashes into the name already.
        return b"--" + boundary.removeprefix("--").encode()

    def _has_another(self, deadline: float) -> bool:
        """Whether a whole part more was received by now."""
        while not (is_whole := self._holds_a_part()) and not self._response.isclosed():
            if len(self._received) > MOST_BYTES or not select.select([self._socket], [], [], 0)[0]:
                break
            try:
                self._receive(deadline)
            except CameraLostError:
                # The next one will find out, and say so.
                break
        return is_whole

    def _holds_a_part(self) -> bool:
        """Whether what was received has a whole one."""
        received = self._received
        begin = received.find(jpeg.BEGIN)
        lengths = LENGTH.findall(received[: max(begin, 0)])
        if begin < 0:
            return False
        if lengths:
            return len(received) - begin >= int(lengths[-1])
        return received.find(self._boundary, begin) >= 0

    def _next_part(self, deadline: float) -> bytes:
        """What lies between the next two boundaries, from where a JPEG begins."""
        received = self._received
        begin = self._find(jpeg.BEGIN, 0, MOST_BETWEEN, deadline)
        # The last one: before it may be parts that are no pictures.
        lengths = LENGTH.findall(received[:begin])
        del received[:begin]
        if not lengths:
            end = self._find(self._boundary, len(jpeg.BEGIN), MOST_BYTES, deadline)
        else:
            end = int(lengths[-1])
            if end > MOST_BYTES:
                raise CameraLostError(f"its pictures have {end} bytes, too many")
            while len(received) < end:
                self._receive(deadline)
        content = bytes(received[:end])
        del received[:end]
        return content

    def _find(self, wanted: bytes, start: int, most: int, deadline: float) -> int:
        """Where something begins in what was received; more is received until it is there."""
        while (position := self._received.find(wanted, start)) < 0:
            if len(self._received) > most:
                raise CameraLostError("it sends what is no motion-JPEG")
            start = max(start, len(self._received) - len(wanted) + 1)
            self._receive(deadline)
        return position

    def _receive(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise CameraLostError(f"it sent no whole picture for {READ_TIMEOUT:.0f} s")
        try:
            some = self._response.read1(CHUNK)
        except TimeoutError:
            raise CameraLostError(f"it sent nothing for {READ_TIMEOUT:.0f} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            fault = getattr(error, "strerror", None) or type(error).__name__
            raise CameraLostError(f"the connection was lost: {fault}") from None
        if not some:
            raise CameraLostError("it has ended the stream")
        self._received += some


class _Connection(http.client.HTTPConnection):
    """Asks as version 1.0 does, whose answers are not cut into chunks."""

    _http_vsn = 10
    _http_vsn_str = "HTTP/1.0"


def _logged_in(url: SplitResult) -> tuple[http.client.HTTPResponse, socket.socket]:
    """Ask for the stream; show the password only to a camera that wants it, and in the way it wants it."""
    response, used = _answer(url)
    if response.status != http.HTTPStatus.UNAUTHORIZED or url.username is None:
        return response, used
    challenges = response.headers.get_all("WWW-Authenticate", [])
    response.close()
    try:
        login = authorization(challenges, url, _target(url))
    except UnknownLoginError:
        raise OtherStreamError from None
    return _answer(url, {"Authorization": login})


def _answer(
    parts: SplitResult, login: Mapping[str, str] = MappingProxyType({})
) -> tuple[http.client.HTTPResponse, socket.socket]:
    """Connect, and ask for the stream."""
    is_tls = parts.scheme == "https"
    host = parts.hostname or ""
    port = parts.port or (http.client.HTTPS_PORT if is_tls else http.client.HTTP_PORT)
    connected = socket.create_connection((host, port), OPEN_TIMEOUT)
    # Each byte of the answer has its time limit, the whole has none.
    line = connected.dup()
    cut = threading.Timer(OPEN_TIMEOUT, _shut_down, [line])
    cut.start()
    try:
        connection = _Connection(host, port)
        connection.sock = (
            ssl.create_default_context().wrap_socket(connected, server_hostname=host) if is_tls else connected
        )
        connection.sock.settimeout(READ_TIMEOUT)
        used = connection.sock
        connection.request("GET", _target(parts), headers={**HEADERS, **login})
        return connection.getresponse(), used
    except BaseException:
        connected.close()
        raise
    finally:
        cut.cancel()
        line.close()


def _shut_down(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)


def _target(url: SplitResult) -> str:
    """What is asked for."""
    return f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
