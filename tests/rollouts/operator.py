"""The operator of a fleet: keys, rollouts, and the web server that hands them out."""

import http.server
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from facemask_edge.rollouts.publish import Published, make_keys, publish
from tests.certificates import authority, issue


class _Files(http.server.SimpleHTTPRequestHandler):
    """Hands out files, as the operator wants it."""

    operator: "Operator"

    def do_GET(self) -> None:
        self.operator.asked.append(self.path)
        if self.operator.retry_after:
            self.send_response(503)
            self.send_header("Retry-After", str(self.operator.retry_after))
            self.end_headers()
        elif self.operator.breaks_off and self.operator.breaks_off in self.path:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"{")
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""


class Operator:
    """Who looks after a fleet.

    Args:
        folder: For all of it.
        port: That the web server listens on.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.keys = folder / "keys"
        self.web = folder / "web"
        self.source = folder / "rollout"
        self.ca = folder / "ca.pem"
        self.url = f"https://127.0.0.1:{port}"
        self.asked: list[str] = []
        self.retry_after = 0
        """Seconds after which it wants to be asked again; 0: it answers."""
        self.breaks_off = ""
        """What is in the path of that of which only the beginning comes."""
        self.web.mkdir()
        self.trust = make_keys(self.keys)

    def write(self, name: str, text: str) -> Path:
        """A file of the next rollout."""
        file = self.source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def forget(self) -> None:
        """The next rollout begins with nothing."""
        shutil.rmtree(self.source, ignore_errors=True)
        self.source.mkdir()

    def publish(self, *, days: int = 30) -> Published:
        return publish(self.source, self.keys, self.web, days=days)

    def deliver(self, text: str) -> None:
        """Publish a rollout in which a file for all says this."""
        self.write("fleet/10.yaml", text)
        self.publish()

    def configuration(self, folder: Path) -> dict[str, str]:
        """The section of a device that belongs to the fleet, and keeps what it gets in a folder."""
        return {"url": self.url, "trust": str(self.trust), "ca": str(self.ca), "path": str(folder)}


@contextmanager
def operator(folder: Path, *, wants_certificate: bool = False) -> Iterator[Operator]:
    """One whose web server runs."""
    signer = authority(folder / "ca.pem")
    certificate, key = issue(signer, "127.0.0.1", folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if wants_certificate:
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        issue(signer, "gate", folder)

    class Handler(_Files):
        """Of this one."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder / "web"))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        made = Operator(folder, server.server_port)
        Handler.operator = made
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            server.shutdown()
