"""Memory for pictures that come and go, used again as soon as nobody holds the picture in it."""

import weakref
from collections import deque

import numpy as np

from facemask_edge.values import Image


class Buffers:
    """Makes pictures whose memory is used again; any thread may let go of one."""

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()

    def picture(self, width: int, height: int) -> Image:
        """A picture of any content: uint8, height x width x 3.

        It and all views of it are the caller's; with the last of them its memory becomes free.
        """
        size = 3 * width * height
        memory = bytearray()
        # What is left of another size is not kept.
        while len(memory) != size:
            memory = self._free.popleft() if self._free else bytearray(size)
        # Not numpy's own memory: a view of a picture would hold that, and not the picture.
        picture: Image = np.ndarray((height, width, 3), np.uint8, buffer=memory)
        weakref.finalize(picture, self._free.append, memory).atexit = False
        return picture
