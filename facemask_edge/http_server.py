"""The optional HTTP server: the page, ``GET /metrics`` for Prometheus, ``GET /healthz`` for whether it works.

It runs in a thread of its own; whatever becomes of it, the daemon goes on. What is asked of it is bounded: so many
connections, each for so long.
"""

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import uvicorn
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from facemask_edge.config import HttpConfig
from facemask_edge.errors import ConfigError, ServiceError
from facemask_edge.health_message import HealthMessage
from facemask_edge.metrics import Metrics
from facemask_edge.page.desk import Desk
from facemask_edge.page.login import Login
from facemask_edge.page.routes import Routes
from facemask_edge.pulse import Pulse
from facemask_edge.tls import check_certificate

MOST_CONNECTIONS = 20
"""One more is ended at once."""
LONGEST_CONNECTION = 10.0
"""Seconds after which a connection ends on which no answer ended: who asks slowly holds no place for others."""
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
        desk: What the page is about; None where there is no page.
        password: Of the page.

    Raises:
        ServiceError: Another program has the port, or this computer has no such address now.
        ConfigError: Host or port cannot be listened on, or certificate or key cannot be used.
    """

    def __init__(
        self,
        config: HttpConfig,
        pulse: Pulse,
        newest: Callable[[], HealthMessage | None],
        *,
        desk: Desk | None = None,
        password: str = "",
    ) -> None:
        self._pulse = pulse
        self._metrics = Metrics(newest)
        is_encrypted = check_certificate(config)
        self._socket = _listening(config)
        routes: list[BaseRoute] = [Route("/metrics", self._tell_metrics), Route("/healthz", self._tell_health)]
        if desk is None:
            routes.append(Route("/", _tell_how_to_have_a_page))
        else:
            routes.append(Mount("/", Routes(desk, Login(password), is_encrypted=is_encrypted).app()))
        self._server = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                http=_BoundedProtocol,
                ws="none",
                lifespan="off",
                ssl_certfile=config.cert,
                ssl_keyfile=config.key,
                log_config=None,
                log_level=logging.ERROR,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                timeout_graceful_shutdown=1,
            )
        )
        self._desk = desk
        self._thread = threading.Thread(target=self._serve, name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Answer from now on."""
        if self._desk:
            self._desk.start()
        self._thread.start()

    def stop(self) -> None:
        """Answer no longer."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)
        if self._desk:
            self._desk.stop()

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_BoundedLoop) as runner:
                runner.run(self._server.serve(sockets=[self._socket]))
        except Exception:
            logger.exception("the HTTP server failed; the daemon goes on without it")
        finally:
            self._socket.close()

    async def _tell_metrics(self, _: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    async def _tell_health(self, _: Request) -> Response:
        fault = self._pulse.fault()
        return PlainTextResponse(f"{fault or 'ok'}\n", status_code=503 if fault else 200)


def _tell_how_to_have_a_page(_: Request) -> Response:
    return PlainTextResponse("There is no page without a password: set http.password_file.\n", status_code=404)


class _BoundedProtocol(H11Protocol):
    """As uvicorn's, which waits for a request for ever."""

    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._end = self.loop.call_later(LONGEST_CONNECTION, transport.abort)

    def on_response_complete(self) -> None:
        """As uvicorn's; who was answered may ask again."""
        super().on_response_complete()
        if self._end is not None:
            self._end.cancel()
            self._end = self.loop.call_later(LONGEST_CONNECTION, self.transport.abort)


class _BoundedLoop(asyncio.SelectorEventLoop):
    """As asyncio's, where who never begins to encrypt holds a place for a minute: uvicorn has no word for it."""

    async def create_server(self, *arguments: Any, **options: Any) -> asyncio.Server:  # noqa: ANN401 - as asyncio's
        """As asyncio's; a handshake takes no longer than all else on a connection."""
        if options.get("ssl"):
            options["ssl_handshake_timeout"] = LONGEST_CONNECTION
        return await super().create_server(*arguments, **options)


class _BoundedSocket(socket.socket):
    """Listens; only so many connections are open at once, also of those that have not begun to encrypt.

    Of these no protocol knows, but each is a file of this process, which cameras and the outbox need, too.
    """

    _accepted: tuple[socket.socket, ...] = ()

    def accept(self) -> tuple[socket.socket, Any]:
        """As any socket's; one connection too many is ended at once."""
        accepted, address = super().accept()
        self._accepted = (*(each for each in self._accepted if each.fileno() >= 0), accepted)
        if len(self._accepted) > MOST_CONNECTIONS:
            accepted.close()
            raise ConnectionAbortedError
        return accepted, address


def _listening(config: HttpConfig) -> socket.socket:
    where = f"http: {config.host}:{config.port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        return _BoundedSocket(fileno=socket.create_server(address[:2], family=family).detach())
    except UnicodeError as error:
        raise ConfigError(f"{where}: no name of a host; set http.host to an address of this computer") from error
    except OSError as error:
        # The standard library adds in brackets what it tried.
        reason = str(error.strerror).partition(" (")[0]
        kind = ServiceError if error.errno in PASSING else ConfigError
        raise kind(
            f"{where}: {reason}; set http.host to an address of this computer, http.port to a free port"
        ) from error
