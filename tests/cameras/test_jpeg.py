import cv2
import pytest

from facemask_edge.cameras.jpeg import jpeg_size
from tests.motion_jpeg import encoded, grey


def test_the_size_is_read() -> None:
    assert jpeg_size(encoded(grey(7, 320, 200))) == (320, 200)
    whole = encoded(grey(7, 320, 200))
    assert jpeg_size(whole[:2] + b"\xff\xfe\x00\x05abc\xff\xff" + whole[3:]) == (320, 200), "comment and fill bytes"


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\x89PNG" + bytes(9), b"\xff\xd8" + bytes(99), b"\xff" * 99])
def test_what_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="JPEG"):
        jpeg_size(content)


def test_a_progressive_one_is_refused() -> None:
    with pytest.raises(ValueError, match="not baseline"):
        jpeg_size(cv2.imencode(".jpg", grey(5), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes())


def test_every_cut_is_an_error_or_the_size() -> None:
    whole = encoded(grey(7, 320, 200))
    for end in range(len(whole)):
        try:
            assert jpeg_size(whole[:end]) == (320, 200)
        except ValueError:
            continue
