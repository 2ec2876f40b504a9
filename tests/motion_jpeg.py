"""A real HTTP server with a motion-JPEG stream, as cheap network cameras have."""

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from facemask_edge.values import Image


def grey(level: int) -> Image:
    """A small picture of one gray value."""
    return np.full((120, 160, 3), level, np.uint8)


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """Streams pictures that get lighter, 20 a second, and ends after ``length`` of them."""

    length = 1000

    def do_GET(self) -> None:
        """Answer with the stream."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for index in range(self.length):
            content = cv2.imencode(".jpg", grey(index % 250))[1].tobytes()
            try:
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
                self.wfile.write(f"Content-Length: {len(content)}\r\n\r\n".encode() + content + b"\r\n")
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def motion_jpeg_server() -> Iterator[tuple[str, type[MotionJpeg]]]:
    """A server; yields the URL of its stream, and the class that answers."""

    class Handler(MotionJpeg):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/stream.mjpg", Handler
    server.shutdown()
    server.server_close()
