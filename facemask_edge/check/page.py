"""Whether the page can be reached, by whom, and how safely."""

import ipaddress
from collections.abc import Iterator

from facemask_edge.check.finding import Finding, ok, secret_or_configuration, warning
from facemask_edge.config import Config, HttpConfig
from facemask_edge.credentials import page_password
from facemask_edge.errors import ConfigError
from facemask_edge.tls import check_certificate


def check_page(config: Config) -> Iterator[Finding]:
    """The section ``http``; whether another program has the port, only the daemon's start can tell."""
    http = config.http
    if not http.enabled:
        return
    try:
        is_encrypted = check_certificate(http)
        password = page_password(http)
    except ConfigError as error:
        yield secret_or_configuration(error)
        return
    address = f"{'https' if is_encrypted else 'http'}://{_host(http)}:{http.port}"
    if password is None:
        yield ok("page", f"none, as it has no password; {address} answers /metrics and /healthz")
    elif is_encrypted or _is_this_computer(http.host):
        yield ok("page", f"{address}, with a password")
    else:
        advice = "set http.cert and http.key, or reach it through a tunnel (docs/page.md)"
        yield warning("page", f"{address}: its password and pictures cross the network unencrypted", advice)


def _host(http: HttpConfig) -> str:
    return f"[{http.host}]" if ":" in http.host else http.host


def _is_this_computer(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
