"""A live camera: H.264 in an MPEG transport stream over HTTP, with the time in each picture."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction

import av
import cv2
import numpy as np

from facemask_edge.values import Image

FPS = 15
WIDTH, HEIGHT, SIDE, BITS = 320, 240, 16, 20
"""Of the pictures and of a square that is a bit, in pixels; and how many of these there are."""


class _Socket:
    """What the library writes to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, content: bytes) -> int:
        self._connection.sendall(content)
        return len(content)


class _Sender:
    """One that sends for as long as somebody reads.

    Args:
        clock: How much faster than ours its clock goes.
    """

    def __init__(self, clock: float) -> None:
        self._clock = clock
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/x"

    def serve(self) -> None:
        """Send to one reader after the other, until it is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
                try:
                    self._send(connection)
                except (OSError, av.error.FFmpegError):
                    continue

    def close(self) -> None:
        """End it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _send(self, connection: socket.socket) -> None:
        written = av.open(_Socket(connection), "w", format="mpegts", options={"flush_packets": "1"})
        stream = written.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.time_base = 15, Fraction(1, 1000)
        stream.options = {"tune": "zerolatency", "preset": "ultrafast"}
        started, noise = time.monotonic(), np.random.default_rng(1)
        background = noise.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
        index = 0
        while True:
            time.sleep(max(started + index / FPS - time.monotonic(), 0))
            image = np.asarray(np.roll(cv2.resize(background, (WIDTH, HEIGHT)), index, axis=1), np.uint8)
            frame = av.VideoFrame.from_ndarray(stamped(image, time.monotonic()), format="bgr24")
            frame.pts, frame.time_base = round(1000 * (1 + self._clock * index / FPS)), Fraction(1, 1000)
            for packet in stream.encode(frame):
                written.mux(packet)
            index += 1


@contextmanager
def transport_stream(*, clock: float = 1.0) -> Iterator[str]:
    """Its address."""
    with closing(_Sender(clock)) as sender:
        threading.Thread(target=sender.serve, daemon=True).start()
        yield sender.url


def sent(image: Image) -> float:
    """When a picture was sent, by the monotonic clock, in seconds."""
    bits = [float(image[SIDE // 2, SIDE * bit + SIDE // 2].mean()) > 128 for bit in range(BITS)]
    stamp, period = sum(bit << place for place, bit in enumerate(bits)) / 1000, 2**BITS / 1000
    now = time.monotonic()
    age: float = (now - stamp) % period
    return now - age


def stamped(image: Image, now: float) -> Image:
    """The picture, with the time painted into it."""
    stamp = round(now * 1000) % 2**BITS
    for bit in range(BITS):
        image[:SIDE, SIDE * bit : SIDE * (bit + 1)] = 255 if stamp >> bit & 1 else 0
    return image
