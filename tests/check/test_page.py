from pathlib import Path

import pytest

from facemask_edge.check.page import check_page
from facemask_edge.config import Config
from tests.certificates import authority, issue


def found(**http: object) -> tuple[str, str]:
    config = Config.model_validate({"http": {"enabled": True, **http}})
    (finding,) = check_page(config)
    return finding.state, finding.says


@pytest.fixture
def password(tmp_path: Path) -> str:
    file = tmp_path / "password"
    file.write_text("open sesame\n")
    return str(file)


def test_what_is_off_is_not_looked_at() -> None:
    assert list(check_page(Config())) == []


def test_one_that_only_this_computer_reaches_is_well(password: str) -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        state, says = found(host=host, password_file=password)
        assert state == "ok"
        assert says.endswith(":8020, with a password")


def test_a_password_that_crosses_the_network_is_warned_of(password: str) -> None:
    state, says = found(host="0.0.0.0", password_file=password)  # noqa: S104 - that is the case
    assert (state, says) == (
        "warning",
        "http://0.0.0.0:8020: its password and pictures cross the network unencrypted",
    )


def test_with_a_certificate_everybody_may_reach_it(password: str, tmp_path: Path) -> None:
    cert, key = issue(authority(tmp_path / "ca.pem"), "entrance-pi", tmp_path)
    state, says = found(host="::", password_file=password, cert=str(cert), key=str(key))
    assert (state, says) == ("ok", "https://[::]:8020, with a password")
    cert.write_text("no certificate\n")
    state, says = found(host="::", password_file=password, cert=str(cert), key=str(key))
    assert state == "problem"
    assert "no PEM certificate and key that belong together" in says


def test_without_a_password_there_is_none() -> None:
    state, says = found()
    assert (state, says) == ("ok", "none, as it has no password; http://127.0.0.1:8020 answers /metrics and /healthz")


def test_a_password_that_is_too_short_is_a_problem(password: str) -> None:
    Path(password).write_text("sesame\n")
    state, says = found(password_file=password)
    assert (state, says) == ("problem", "http: the page's password has fewer than 8 characters; take a longer one")
