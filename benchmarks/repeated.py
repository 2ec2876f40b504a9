"""A recording several times over, as one file: its packets are copied, not encoded anew."""

from pathlib import Path

import av


def repeated(recording: Path, times: int, target: Path) -> Path:
    """Write the pictures of a recording so many times, one behind the other.

    Args:
        recording: With a key frame at its beginning, like any.
        times: How often it is played.
        target: To write; its ending tells the container.

    Returns:
        The target.
    """
    with av.open(recording) as source, av.open(target, "w") as written:
        stream = source.streams.video[0]
        copy = written.add_stream_from_template(stream)
        passed = 0
        for _ in range(times):
            source.seek(0)
            end = 0
            for packet in source.demux(stream):
                if packet.pts is None or packet.dts is None:
                    continue  # what tells the end of the file
                end = max(end, packet.pts + (packet.duration or 1))
                packet.pts += passed
                packet.dts += passed
                packet.stream = copy
                written.mux(packet)
            passed += end
    return target
