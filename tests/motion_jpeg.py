"""A real HTTP server with a motion-JPEG stream, as cheap network cameras have."""

import hashlib
import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from facemask_edge.values import Image


def grey(level: int, width: int = 160, height: int = 120) -> Image:
    """A small picture of one gray value."""
    return np.full((height, width, 3), level, np.uint8)


def encoded(image: Image) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def part(content: bytes) -> bytes:
    """A picture as it is sent."""
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(content), content)


def lighter(count: int = 1000, pause: float = 0.05) -> Iterator[bytes]:
    """Pictures that get lighter, one after each pause (seconds)."""
    for index in range(count):
        yield part(encoded(grey(50 + index % 200)))
        time.sleep(pause)


def is_right(asked: str) -> bool:
    """Whether a request came with the right login."""
    return asked.endswith(" Basic cGk6cEBzcw==") or is_digest_of(asked, "pi", "p@ss")


def is_digest_of(asked: str, user: str, password: str) -> bool:
    """Whether a request proves that it knows the password, as RFC 7616, section 3.4, has it."""
    target, _, login = asked.partition(" Digest ")
    fields = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\w+))', login)}
    if not fields:
        return False
    nonce = [fields["nonce"]]
    if "qop" in fields:
        nonce += [fields["nc"], fields["cnonce"], fields["qop"]]
    secret, what = _md5(user, fields["realm"], password), _md5("GET", target)
    answer = _md5(secret, *nonce, what)
    return (fields["username"], fields["uri"], fields["response"]) == (user, target, answer)


def _md5(*parts: str) -> str:
    return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """Answers with whatever ``stream`` gives, and ends when that ends.

    Where it ``wants`` a login, that of the user ``pi`` with the password ``p@ss`` is the right one.
    """

    stream: Callable[[], Iterator[bytes]] = staticmethod(lighter)
    answer = 200
    headers_sent: tuple[tuple[str, str], ...] = (("Content-Type", "multipart/x-mixed-replace; boundary=frame"),)
    wants = ""
    asked: list[str]
    """Path and authorization of each request."""

    def do_GET(self) -> None:
        """Answer with the stream."""
        self.asked.append(f"{self.path} {self.headers.get('Authorization')}")
        is_let_in = not self.wants or is_right(self.asked[-1])
        self.send_response(self.answer if is_let_in else 401)
        if not is_let_in:
            self.send_header("WWW-Authenticate", self.wants)
        for name, value in self.headers_sent:
            self.send_header(name, value)
        self.end_headers()
        if not is_let_in:
            return
        try:
            for some in self.stream():
                self.wfile.write(some)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def motion_jpeg_server() -> Iterator[tuple[str, type[MotionJpeg]]]:
    """A server; yields the URL of its stream, and the class that answers."""

    class Handler(MotionJpeg):
        asked: list[str] = []  # noqa: RUF012 - of this server alone

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/stream.mjpg", Handler
    server.shutdown()
    server.server_close()
