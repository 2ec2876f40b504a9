import struct
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import repeat

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facemask_edge.cameras.capture import CameraLostError
from facemask_edge.cameras.motion_jpeg import MotionJpegCapture, OtherStreamError
from tests.motion_jpeg import MotionJpeg, encoded, grey, is_digest_of, part

Stream = tuple[str, type[MotionJpeg]]
PICTURE = encoded(grey(100))


def sends(stream: Stream, *parts: bytes, then_waits: bool = False, pause: float = 0.0) -> str:
    """Let the server send these; its URL."""

    def content() -> Iterator[bytes]:
        for some in parts:
            yield some
            time.sleep(pause)
        if then_waits:
            time.sleep(30)

    stream[1].stream = staticmethod(content)
    return stream[0]


def read_one(url: str) -> tuple[int, ...]:
    with closing(MotionJpegCapture(url)) as capture:
        return capture.read().image.shape


def test_parts_with_and_without_a_length_are_read(stream: Stream) -> None:
    without = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + encoded(grey(50, 320, 240)) + b"\r\n"
    assert read_one(sends(stream, without, b"--frame--")) == (240, 320, 3)
    assert read_one(sends(stream, part(PICTURE))) == (120, 160, 3)
    with closing(MotionJpegCapture(sends(stream, part(PICTURE), part(encoded(grey(9, 64, 48))), pause=0.3))) as capture:
        assert [capture.read().image.shape for _ in range(2)] == [(120, 160, 3), (48, 64, 3)]
        with pytest.raises(CameraLostError, match="ended the stream"):
            capture.read()


def test_half_a_picture_is_left_out(stream: Stream) -> None:
    noise = encoded(np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8))
    url = sends(stream, part(noise[: len(noise) // 2]), part(b"no picture"), part(PICTURE), part(noise)[:2000])
    with closing(MotionJpegCapture(url)) as capture:
        assert capture.read().image.shape == (120, 160, 3)
        with pytest.raises(CameraLostError, match="ended the stream"):
            capture.read()


def test_a_stream_that_stalls_in_a_picture_is_lost_in_time(stream: Stream) -> None:
    url = sends(stream, part(PICTURE), part(PICTURE)[:100], then_waits=True)
    with closing(MotionJpegCapture(url)) as capture:
        capture.read()
        started = time.monotonic()
        with pytest.raises(CameraLostError, match="sent nothing for 3 s"):
            capture.read()
        assert time.monotonic() - started < 5


def test_a_stream_that_trickles_is_lost_in_time(stream: Stream) -> None:
    def trickles() -> Iterator[bytes]:
        yield part(PICTURE)
        for byte in part(PICTURE):
            yield bytes([byte])
            time.sleep(0.2)

    stream[1].stream = staticmethod(trickles)
    with closing(MotionJpegCapture(stream[0])) as capture:
        capture.read()
        started = time.monotonic()
        with pytest.raises(CameraLostError, match="no whole picture for 3 s"):
            capture.read()
        assert time.monotonic() - started < 5


def test_an_answer_that_trickles_is_lost_in_time(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask_edge.cameras.motion_jpeg.OPEN_TIMEOUT", 1.0)

    def trickling_headers(handler: MotionJpeg) -> None:
        for _ in range(100):
            handler.wfile.write(b"X")
            time.sleep(0.1)

    monkeypatch.setattr(stream[1], "do_GET", trickling_headers)
    started = time.monotonic()
    with pytest.raises(CameraLostError, match=r"cannot be reached|no HTTP"):
        MotionJpegCapture(stream[0])
    assert time.monotonic() - started < 3


def huge_picture() -> bytes:
    """A picture whose header says that it has 100 megapixels."""
    size = PICTURE.index(b"\xff\xc0") + 5
    return PICTURE[:size] + (10_000).to_bytes(2, "big") * 2 + PICTURE[size + 4 :]


def progressive() -> bytes:
    return cv2.imencode(".jpg", grey(5), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([part(huge_picture())], "10000 x 10000 pixels, too many"),
        ([b"--frame\r\nContent-Length: 900000000\r\n\r\n\xff\xd8"], "900000000 bytes, too many"),
        ([b"--frame\r\nContent-Length: 99999999999999\r\n\r\n\xff\xd8", bytes(21_000_000)], "no motion-JPEG"),
        ([bytes(100_000)], "no motion-JPEG"),
        ([part(progressive())], "ended the stream"),
    ],
    ids=["100 megapixels", "too long", "no number", "no part", "progressive"],
)
def test_what_is_too_much_is_refused(parts: list[bytes], reason: str, stream: Stream) -> None:
    with pytest.raises(CameraLostError, match=reason):
        read_one(sends(stream, *parts))


def marker_before_the_size() -> bytes:
    """A picture whose size a decoder finds elsewhere than a simple reader: behind a marker that has no length."""
    small = encoded(grey(3, 16, 16))
    body = PICTURE[2:]
    return b"\xff\xd8\xff\x01" + struct.pack(">H", len(small)) + body + small[2:]


def test_a_size_that_a_decoder_would_find_elsewhere_is_refused(stream: Stream) -> None:
    with pytest.raises(CameraLostError, match="ended the stream"):
        read_one(sends(stream, part(marker_before_the_size())))


def test_user_name_and_password_are_sent(stream: Stream) -> None:
    url = sends(stream, part(PICTURE)).replace("http://", "http://pi:p%40ss@").replace("stream.mjpg", "a?b=c")
    stream[1].wants = "Basic realm=camera"
    assert read_one(url) == (120, 160, 3)
    assert stream[1].asked == ["/a?b=c None", "/a?b=c Basic cGk6cEBzcw=="]


def test_a_camera_that_wants_none_is_shown_no_password(stream: Stream) -> None:
    assert read_one(sends(stream, part(PICTURE)).replace("http://", "http://pi:p%40ss@")) == (120, 160, 3)
    assert stream[1].asked == ["/stream.mjpg None"]


@pytest.mark.parametrize("quality", ["", ', qop="auth"', ', qop="auth-int,auth", algorithm=MD5, opaque="5ccc"'])
def test_a_camera_that_knows_digest_never_sees_the_password(quality: str, stream: Stream) -> None:
    handler = stream[1]
    handler.wants = f'Digest realm="IP Camera, door", nonce="dcd98b71"{quality}'
    url = sends(stream, part(PICTURE)).replace("stream.mjpg", "a?b=c")
    assert read_one(url.replace("http://", "http://pi:p%40ss@")) == (120, 160, 3)
    first, second = handler.asked
    assert first == "/a?b=c None"
    assert is_digest_of(second, "pi", "p@ss")
    with pytest.raises(CameraLostError, match="refuses user name and password"):
        read_one(url.replace("http://", "http://pi:wrong@"))


def test_without_a_password_none_is_made_up(stream: Stream) -> None:
    stream[1].wants = 'Digest realm="IP Camera", nonce="dcd98b71"'
    with pytest.raises(CameraLostError, match="refuses user name and password; write them into its address"):
        read_one(sends(stream, part(PICTURE)))
    assert stream[1].asked == ["/stream.mjpg None"]


@pytest.mark.parametrize(
    "challenge",
    [
        "Digest realm=x",
        "Digest",
        "Digest realm=x, nonce=y, algorithm=SHA-512-256",
        "Digest a=b=c, ,",
        "NTLM",
        "",
        "Digest x",
    ],
)
def test_a_challenge_that_cannot_be_met_is_left_to_ffmpeg(challenge: str, stream: Stream) -> None:
    stream[1].answer, stream[1].headers_sent = 401, (("WWW-Authenticate", challenge),)
    with pytest.raises(OtherStreamError):
        read_one(sends(stream).replace("http://", "http://pi:secret@"))


@pytest.mark.parametrize(
    ("answer", "headers", "raised", "reason"),
    [
        (401, [("WWW-Authenticate", "Basic")], CameraLostError, "refuses user name and password"),
        (404, [], CameraLostError, "answers with HTTP status 404"),
        (200, [("Content-Type", "video/mp4")], OtherStreamError, None),
        (200, [("Content-Type", "multipart/x-mixed-replace")], OtherStreamError, None),
    ],
)
def test_other_answers(
    answer: int, headers: list[tuple[str, str]], raised: type[Exception], reason: str | None, stream: Stream
) -> None:
    stream[1].answer, stream[1].headers_sent = answer, tuple(headers)
    with pytest.raises(raised, match=reason):
        read_one(sends(stream, part(PICTURE)))


@pytest.mark.parametrize("url", ["http://host:port/", "http://127.0.0.1/a b?pwd=secret", "http://[::1/", "http:///x"])
def test_an_address_that_is_none_is_said_without_it(url: str) -> None:
    with pytest.raises(CameraLostError) as caught:
        MotionJpegCapture(url)
    assert "secret" not in str(caught.value)


def test_a_sender_that_never_pauses_is_read_nevertheless(stream: Stream) -> None:
    random = np.random.default_rng(0)
    noise = part(encoded(random.integers(0, 255, (480, 640, 3)).astype(np.uint8)))
    stream[1].stream = staticmethod(lambda: repeat(noise))
    with closing(MotionJpegCapture(stream[0])) as capture:
        started = time.monotonic()
        pictures = [capture.read() for _ in range(5)]
        # One by one they took three seconds each, the time limit of a picture.
        assert time.monotonic() - started < 5
    # At the first one nothing may have been waiting.
    assert any(picture.skipped for picture in pictures)


def test_a_picture_is_as_old_as_its_bytes_however_long_it_is_decoded(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = cv2.imdecode

    def slow(content: NDArray[np.uint8], flags: int) -> object:
        time.sleep(0.3)
        return decode(content, flags)

    monkeypatch.setattr(cv2, "imdecode", slow)
    with closing(MotionJpegCapture(sends(stream, part(PICTURE)))) as capture:
        picture = capture.read()
    assert picture.received is not None
    assert 0.3 < time.monotonic() - picture.received < 2


def test_where_decoding_is_slower_than_the_camera_the_newest_picture_is_looked_at(stream: Stream) -> None:
    def fast() -> Iterator[bytes]:
        for index in range(1000):
            yield part(encoded(grey(index % 250)))
            time.sleep(0.01)

    stream[1].stream = staticmethod(fast)
    started = time.monotonic()
    levels, came = [], 0
    with closing(MotionJpegCapture(stream[0])) as capture:
        for _ in range(10):
            picture = capture.read()
            levels.append(round(float(picture.image.mean())))
            came += 1 + picture.skipped
            time.sleep(0.1)
    # About as many as were sent meanwhile; one after the other they would be ten.
    assert levels[-1] > 40 * (time.monotonic() - started)
    # Each is counted, from the first one on, which is 0.
    assert abs(came - levels[-1] - 1) <= 1


def test_an_answer_in_chunks_is_refused(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each byte of a chunk's length could take as long as the read's time limit.
    headers = (("Content-Type", "multipart/x-mixed-replace; boundary=frame"), ("Transfer-Encoding", "chunked"))
    monkeypatch.setattr(stream[1], "protocol_version", "HTTP/1.1")
    stream[1].headers_sent = headers
    with pytest.raises(CameraLostError, match="in chunks"):
        read_one(sends(stream, b"5;aaaaa", then_waits=True))


@pytest.mark.parametrize("answer", ["status", "line"])
def test_what_the_camera_writes_is_not_repeated(answer: str, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    def echoing(handler: MotionJpeg) -> None:
        if answer == "status":
            handler.send_response(404, f"no {handler.path} \x1b[31m")
            handler.end_headers()
        else:
            handler.wfile.write(f"GET {handler.path} HTTP/1.1\r\n\r\n".encode())

    monkeypatch.setattr(stream[1], "do_GET", echoing)
    with pytest.raises(CameraLostError) as caught:
        MotionJpegCapture(f"{stream[0]}?pwd=hidden")
    assert "hidden" not in str(caught.value)
    assert str(caught.value).isprintable()
