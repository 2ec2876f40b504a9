"""The optional HTTP server: ``GET /metrics`` for Prometheus, ``GET /healthz`` for whoever asks whether it works.

It runs in a thread of its own; whatever becomes of it, the daemon goes on. What is asked of it is bounded: so many
connections, each for so long.
"""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from facemask_edge.config import HttpConfig
from facemask_edge.errors import ConfigError, ServiceError
from facemask_edge.health_message import HealthMessage
from facemask_edge.metrics import Metrics
from facemask_edge.pulse import Pulse

MOST_CONNECTIONS = 20
"""One more is ended at once."""
LONGEST_CONNECTION = 10.0
"""Seconds after which a connection ends, whatever it is about: who asks slowly holds no place for others."""
LARGEST_HEAD = 16_384
"""Bytes of a request's head."""
STOP_TIMEOUT = 0.5
"""Seconds to wait for the thread to end; then it ends with the process."""
PASSING = {errno.EADDRINUSE, errno.EADDRNOTAVAIL}
"""Another program may end, and at boot an address may come later: no reason never to be started again."""
logger = logging.getLogger(__name__)


class HttpServer:
    """Listens when it is made, answers when it is started.

    Args:
        config: The section ``http``.
        pulse: Whether the daemon works.
        newest: Gives the newest message on the topic ``health``; None before the first one.

    Raises:
        ServiceError: Another program has the port, or this computer has no such address now.
        ConfigError: Host or port cannot be listened on.
    """

    def __init__(self, config: HttpConfig, pulse: Pulse, newest: Callable[[], HealthMessage | None]) -> None:
        self._pulse = pulse
        self._metrics = Metrics(newest)
        self._socket = _listening(config)
        routes = [Route("/metrics", self._tell_metrics), Route("/healthz", self._tell_health)]
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                http=_BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level=logging.ERROR,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no longer."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except Exception:
            logger.exception("the HTTP server failed; the daemon goes on without it")
        finally:
            self._socket.close()

    async def _tell_metrics(self, _: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def _tell_health(self, _: Request) -> Response:
        fault = self._pulse.fault()
        return PlainTextResponse(f"{fault or 'ok'}\n", status_code=503 if fault else 200)


class _BoundedProtocol(H11Protocol):
    """As uvicorn's, which waits for a request for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self.loop.call_later(LONGEST_CONNECTION, transport.abort)


def _listening(config: HttpConfig) -> socket.socket:
    where = f"http: {config.host}:{config.port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except UnicodeError as error:
        raise ConfigError(f"{where}: no name of a host; set http.host to an address of this computer") from error
    except OSError as error:
        # The standard library adds in brackets what it tried.
        reason = str(error.strerror).partition(" (")[0]
        kind = ServiceError if error.errno in PASSING else ConfigError
        raise kind(
            f"{where}: {reason}; set http.host to an address of this computer, http.port to a free port"
        ) from error
