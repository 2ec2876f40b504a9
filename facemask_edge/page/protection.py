"""What stands before the page: who is not let in, what other pages cannot do here, and what a browser is told.

Sources: OWASP's cheat sheets on CSRF and on HTTP headers; https://www.w3.org/TR/CSP3/.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facemask_edge.page.login import Login

COOKIE = "facemask_edge_session"
OPEN_TO_ALL = ("/login", "/static/")
"""Paths that need no session, and what begins with those that end in a slash."""
HEADERS = {
    # Nothing of another place, nothing written into the page itself; blob: is the live picture.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
UNCHANGING = {"GET", "HEAD"}


class Protection:
    """Stands before all that the page answers.

    Args:
        app: The page.
        login: Knows the sessions.
    """

    def __init__(self, app: ASGIApp, login: Login) -> None:
        self._app = app
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (refusal or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in UNCHANGING and not is_of_this_page(headers):
            return JSONResponse({"says": "this is asked by another page"}, status_code=403)
        path: str = scope["path"]
        if any(path == one or (one.endswith("/") and path.startswith(one)) for one in OPEN_TO_ALL):
            return None
        if self._login.is_open(session(Request(scope))):
            return None
        if path.startswith("/api/"):
            return JSONResponse({"says": "log in first"}, status_code=401)
        return RedirectResponse("/login", status_code=303)


def session(request: Request) -> str:
    """What names the session of a request; empty where there is none."""
    return request.cookies.get(COOKIE, "")


def is_of_this_page(headers: Headers) -> bool:
    """Whether a request that changes something is made by this page itself, or by no browser at all."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    # Browsers say so only of a connection that is encrypted, or of this computer; this they always say.
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc == headers.get("host")
    except ValueError:
        return False
