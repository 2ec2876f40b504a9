"""What a JPEG says of itself, before a decoder is let at it."""

import struct

BEGIN, END = b"\xff\xd8", b"\xff\xd9"
BASELINE = {0xC0, 0xC1}
"""Markers of the frames that cameras send (ITU T.81, table B.1)."""
OTHER_FRAMES = set(range(0xC2, 0xD0)) - {0xC4, 0xC8, 0xCC}
WITHOUT_LENGTH = {0x00, 0x01, *range(0xD0, 0xDA)}
FILL = 0xFF


def jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of a baseline JPEG.

    Raises:
        ValueError: It is none, or of a kind that no camera sends: a progressive one can take a decoder minutes.
    """
    if not content.startswith(BEGIN):
        raise ValueError("no JPEG")
    position = len(BEGIN)
    # A segment: 0xFF, its kind, its length in two bytes that count themselves.
    while position + 9 <= len(content) and content[position] == FILL:
        kind = content[position + 1]
        if kind == FILL:
            position += 1
            continue
        if kind in BASELINE:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        if kind in OTHER_FRAMES:
            raise ValueError("a JPEG that is not baseline")
        if kind in WITHOUT_LENGTH:
            # A decoder goes on behind the marker, and may find another size there.
            raise ValueError("a JPEG with a marker out of place")
        (length,) = struct.unpack_from(">H", content, position + 2)
        position += 2 + length
    raise ValueError("a JPEG without a size")
