"""The Edge TPU of a Coral, through its library; never tried on a real one, see docs/coral.md."""

import ctypes
from collections.abc import Callable
from typing import Any

from facemask_edge.edge_tpu_pycoral import pycoral_for, seen_by

LIBRARY = "libedgetpu.so.1"


class EdgeTpuError(Exception):
    """It cannot be used; the text says why and what to do, as a sentence."""


class NoEdgeTpuError(EdgeTpuError):
    """None is there now; one may be a moment later, after it was reset or plugged in."""


def edge_tpu(load_delegate: Callable[..., Any], number: str) -> Any:  # noqa: ANN401 - the runtime's own type
    """A delegate that runs compiled models on an Edge TPU.

    Args:
        load_delegate: Of the runtime that is to use it.
        number: Which one; empty takes any.

    Raises:
        EdgeTpuError: There is no library or no device.
    """
    try:
        # First by itself: a runtime that cannot load it leaves half a delegate, which complains when it is thrown away.
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise EdgeTpuError(f"{LIBRARY} is not installed; it is Google's package libedgetpu1-std") from error
    options = {"device": f":{number}"} if number else None
    pycoral = pycoral_for(load_delegate)
    try:
        return pycoral.load_edgetpu_delegate(options) if pycoral else load_delegate(LIBRARY, options)
    # All that the library says when it finds none.
    except ValueError as error:
        which = f"Edge TPU {number}" if number else "Edge TPU"
        seen = seen_by(pycoral) if pycoral else ""
        if seen:
            raise NoEdgeTpuError(
                f"no {which} can be opened, though the library sees {seen}; does another program use it?"
            ) from error
        raise NoEdgeTpuError(
            f"no {which} was found; is it plugged in, and is this user in the group plugdev (USB) or apex (PCIe)?"
        ) from error
