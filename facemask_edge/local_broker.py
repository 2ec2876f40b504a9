"""A broker beside the program, on 127.0.0.1 only: for the demo and the benchmarks, where none is installed."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facemask_edge.errors import ServiceError

# MQTT 5 is only spoken by a listener of its own kind; the payload limit of the defaults (20 kB) stalls a connection.
CONFIGURATION = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = 10485760
max_inflight_count = 100
"""


@contextmanager
def local_broker(folder: Path) -> Iterator[str]:
    """A broker on a free port, as long as the block lasts; yields its URL.

    Args:
        folder: Gets the broker's configuration.

    Raises:
        ServiceError: It is not installed, or does not start.
    """
    try:
        from iotcore import Broker  # noqa: PLC0415 - comes with the extra "demo" only
    except ImportError as error:
        raise ServiceError(
            "the demo's broker is not installed; run: pip install 'facemask-edge[demo]', or name one with --server"
        ) from error
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "broker.toml"
    file.write_text(CONFIGURATION.format(port=port))
    try:
        broker = Broker(config_path=str(file)).start()
    except (OSError, RuntimeError) as error:
        raise ServiceError(f"the demo's broker does not start: {error}; name another one with --server") from error
    try:
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        broker.stop()
