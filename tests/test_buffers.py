import gc

import numpy as np

from facemask_edge.buffers import Buffers
from facemask_edge.cameras.recording import Recording
from facemask_edge.demo import SAMPLE
from facemask_edge.values import Image


def address(picture: Image) -> int:
    return int(picture.__array_interface__["data"][0])


def test_memory_is_used_again_when_nobody_holds_the_picture() -> None:
    buffers = Buffers()
    first = buffers.picture(40, 30)
    assert first.shape == (30, 40, 3)
    assert first.dtype == np.uint8
    where = address(first)
    second = buffers.picture(40, 30)
    assert address(second) != where
    del first
    assert address(buffers.picture(40, 30)) == where


def test_a_view_holds_the_memory_too() -> None:
    buffers = Buffers()
    picture = buffers.picture(40, 30)
    picture[:] = 7
    part = picture[5:10, ::-1]
    del picture
    gc.collect()
    buffers.picture(40, 30)[:] = 9
    assert (part == 7).all()


def test_memory_of_another_size_is_let_go_of() -> None:
    buffers = Buffers()
    buffers.picture(40, 30)
    assert buffers.picture(20, 10).shape == (10, 20, 3)
    assert buffers.picture(40, 30).shape == (30, 40, 3)


def test_a_recording_scales_into_few_pictures() -> None:
    recording = Recording(SAMPLE, lambda _width, _height: (320, 320))
    seen = set()
    for frame in recording:
        assert frame.lores is not None
        seen.add(address(frame.lores))
        if frame.index == 50:
            break
    recording.close()
    # The one that is judged, the one that is decoded, and the one that the loop has not let go of yet.
    assert len(seen) <= 3
