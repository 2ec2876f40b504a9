"""What the page answers: the files that a browser shows, and what these ask for."""

import gzip
import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from facemask_edge.areas import DrawnAreas
from facemask_edge.errors import OutputError
from facemask_edge.page.desk import Desk
from facemask_edge.page.login import LONGEST_SESSION, LockedOutError, Login, WrongPasswordError
from facemask_edge.page.protection import COOKIE, Protection, session
from facemask_edge.switches import RefusedError

STATIC = Path(__file__).parent / "static"
LONGEST_WAIT = 2.0
"""Seconds that a browser waits for the next live picture."""
GZIP_LEVEL = 1
"""Of violations: a sixth of the bytes, for a hundredth of a second."""
LARGEST_BODY = 65_536
"""Bytes of what a browser sends."""


class Routes:
    """The page's addresses.

    Args:
        desk: What is shown and can be set.
        login: Who may see it.
        is_encrypted: Whether the server speaks HTTPS only.
    """

    def __init__(self, desk: Desk, login: Login, *, is_encrypted: bool) -> None:
        self._desk = desk
        self._login = login
        self._is_encrypted = is_encrypted

    def app(self) -> Starlette:
        """All of it, protected."""
        routes = [
            Route("/", _file("index.html")),
            Route("/login", _file("login.html")),
            Route("/login", self._enter, methods=["POST"]),
            Route("/logout", self._leave, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/api/state", self._state),
            Route("/api/live/{camera}", self._live),
            Route("/api/violations", self._violations),
            Route("/api/pictures/{camera}/{id}", self._picture),
            Route("/api/switches/{name}", self._switch, methods=["PUT"]),
            Route("/api/areas/{camera}", self._areas),
            Route("/api/areas/{camera}", self._draw, methods=["PUT", "DELETE"]),
        ]
        handlers = {HTTPException: _refused, RefusedError: _refused, OutputError: _not_kept}
        middleware = [Middleware(Protection, login=self._login)]
        return Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)

    async def _enter(self, request: Request) -> Response:
        password = _part(await _sent(request), "password", str)
        address = request.client.host if request.client else ""
        try:
            token = self._login.enter(address, password)
        except WrongPasswordError:
            return JSONResponse({"says": "This is not the password."}, status_code=401)
        except LockedOutError as error:
            seconds = math.ceil(error.seconds)
            says = f"Too many wrong passwords. Try again in {math.ceil(seconds / 60)} min."
            return JSONResponse({"says": says}, status_code=429, headers={"Retry-After": str(seconds)})
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(LONGEST_SESSION),
            httponly=True,
            samesite="strict",
            secure=self._is_encrypted,
        )
        return response

    async def _leave(self, request: Request) -> Response:
        self._login.leave(session(request))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(COOKIE)
        return response

    def _state(self, _: Request) -> Response:
        return JSONResponse(self._desk.state())

    def _live(self, request: Request) -> Response:
        known = request.query_params.get("known", "0")
        try:
            shown = self._desk.live.next(request.path_params["camera"], int(known), LONGEST_WAIT)
        except (KeyError, ValueError) as error:
            raise HTTPException(404, "there is no such camera") from error
        if shown is None:
            return Response(status_code=204)
        return Response(shown.jpeg, media_type="image/jpeg", headers={"X-Number": str(shown.number)})

    def _violations(self, request: Request) -> Response:
        # Asked for every few seconds, and a megabyte on a bad day.
        version = self._desk.journal.version
        if version is not None and request.query_params.get("known") == version:
            return Response(status_code=204)
        answer = JSONResponse(self._desk.violations(), headers={"X-Version": version or ""})
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return answer
        headers = {"X-Version": version or "", "Content-Encoding": "gzip"}
        return Response(gzip.compress(bytes(answer.body), GZIP_LEVEL), media_type="application/json", headers=headers)

    def _picture(self, request: Request) -> Response:
        path = self._desk.picture(request.path_params["camera"], request.path_params["id"])
        # It may be too old, and be deleted, at any time.
        with suppress(FileNotFoundError):
            if path is not None:
                return Response(path.read_bytes(), media_type="image/jpeg")
        raise HTTPException(404, "there is no such picture")

    async def _switch(self, request: Request) -> Response:
        value = _part(await _sent(request), "value", str)
        await run_in_threadpool(self._desk.order, request.path_params["name"], value)
        return JSONResponse(self._desk.state())

    def _areas(self, request: Request) -> Response:
        return JSONResponse(self._on_camera(request, self._desk.areas))

    async def _draw(self, request: Request) -> Response:
        drawn = None
        if request.method == "PUT":
            sent = await _sent(request)
            try:
                drawn = DrawnAreas.model_validate(sent)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(key) for key in first["loc"])
                says = f"{where}: {first['msg']}" if where else "send an object with zones, ignore_zones, privacy_masks"
                raise HTTPException(400, says) from error
        await run_in_threadpool(self._on_camera, request, lambda camera: self._desk.draw(camera, drawn))
        return self._areas(request)

    def _on_camera(self, request: Request, function: Callable[[str], Any]) -> Any:  # noqa: ANN401 - the function's
        try:
            return function(request.path_params["camera"])
        except KeyError as error:
            raise HTTPException(404, "there is no such camera") from error


def _file(name: str) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        return FileResponse(STATIC / name)

    return answer


async def _sent(request: Request) -> Any:  # noqa: ANN401 - whatever was sent
    """What a request holds; JSON only, which no form of another page can send."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "send JSON")
    content = b""
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > LARGEST_BODY:
                raise HTTPException(413, "that is too much")
    except ClientDisconnect as error:
        # Nobody reads it; without an answer, a stranger would fill the log with tracebacks.
        raise HTTPException(400, "that is not all") from error
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "send JSON") from error


def _part(sent: Any, name: str, kind: type) -> Any:  # noqa: ANN401 - of the kind
    value = sent.get(name) if isinstance(sent, dict) else None
    if not isinstance(value, kind):
        raise HTTPException(400, f"send an object with {name}")
    return value


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"says": error.detail}, status_code=error.status_code)
    return JSONResponse({"says": f"{error}"}, status_code=409)


async def _not_kept(_: Request, error: Exception) -> Response:
    # It is in force; who asked for it has to know that it will not last.
    return JSONResponse({"says": f"{error}"}, status_code=507)
