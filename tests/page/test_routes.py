"""The page's addresses, over real sockets, with real models and a frame loop of the test's own."""

import http.client
import json
import logging
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facemask_edge import journal
from facemask_edge.areas import AREAS, MOST_AREAS, Areas
from facemask_edge.clock import utc_now
from facemask_edge.config import Config
from facemask_edge.errors import ConfigError, OutputError
from facemask_edge.http_server import HttpServer
from facemask_edge.journal import JOURNAL
from facemask_edge.page import routes
from facemask_edge.page.desk import Desk, Loop
from facemask_edge.page.login import LONGEST_SESSION, MOST_FAILURES
from facemask_edge.page.protection import COOKIE, HEADERS
from facemask_edge.page.routes import LARGEST_BODY
from facemask_edge.pipeline import Models
from facemask_edge.pulse import Pulse
from facemask_edge.snapshot_folder import SnapshotFolder
from facemask_edge.switches import SWITCHES, RefusedError, Switches
from facemask_edge.values import Box, Frame, Track, Violation
from tests.certificates import authority, issue
from tests.conftest import free_port
from tests.subscriber import wait_until

PASSWORD = "open sesame"  # noqa: S105 - of this test
A, B = "0199d2c6-7a31-7c3e-9d0a-00000000000a", "0199d2c6-7a31-7c3e-9d0a-00000000000b"
CORNER = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]
FRAME = Frame(np.full((90, 160, 3), 90, np.uint8), 0.0, 0)


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def says(self) -> str:
        """Why not, for who asked."""
        return str(json.loads(self.body)["says"])


@dataclass
class Site:
    """A server with a page, and who asks it."""

    desk: Desk
    server: HttpServer
    config: Config
    redrawn: list[str]
    cookie: str = ""
    trusts: Path | None = None
    faults: list[Exception] = field(default_factory=list)
    """What the loop is to fail with next."""

    def asked(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """``body`` is sent as JSON unless it is bytes."""
        if self.trusts is None:
            line = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=8)
        else:
            context = ssl.create_default_context(cafile=self.trusts)
            line = http.client.HTTPSConnection("localhost", self.server.port, timeout=8, context=context)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if content is not None else {}
        if self.cookie:
            sent["Cookie"] = f"{COOKIE}={self.cookie}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(line):
            line.request(method, path, content, sent)
            answer = line.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def log_in(self) -> Answer:
        answer = self.asked("POST", "/login", {"password": PASSWORD})
        assert answer.status == 204
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
        return answer


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(Config())


@contextmanager
def site(folder: Path, models: Models, *, password: str | None = PASSWORD, **http: object) -> Iterator[Site]:
    config = Config.model_validate(
        {
            "cameras": [{"name": "door", "source": "x"}, {"name": "yard", "source": "x"}],
            "outbox": {"path": str(folder / "outbox.sqlite3"), "min_free_bytes": 0},
            "snapshots": {"enabled": True},
            "http": {"enabled": True, "port": free_port(), **http},
        }
    )
    switches = Switches(config, None)
    areas = Areas(config.cameras, config.outbox.beside(AREAS))
    redrawn: list[str] = []
    faults: list[Exception] = []

    def order(name: str, payload: bytes) -> None:
        if faults:
            raise faults.pop()
        try:
            switches.set(name, payload.decode())
        except (KeyError, UnicodeDecodeError) as error:
            raise RefusedError("there is no such name") from error

    loop = Loop(
        cameras=lambda: {name: {"state": "ok"} for name in ("door", "yard")},
        switches=switches.shown,
        health=lambda: None,
        fault=lambda: "",
        order=order,
        redraw=redrawn.append,
    )
    desk = Desk(config, models, areas, loop, None)
    is_over = threading.Event()

    def turn() -> None:
        while not is_over.wait(0.005):
            desk.calls.carry_out()

    thread = threading.Thread(target=turn)
    page = {} if password is None else {"desk": desk, "password": password}
    server = HttpServer(config.http, Pulse(), lambda: None, **page)  # type: ignore[arg-type] # one of either kind
    thread.start()
    server.start()
    try:
        yield Site(desk, server, config, redrawn, faults=faults)
    finally:
        server.stop()
        is_over.set()
        thread.join()


@pytest.fixture
def stranger(tmp_path: Path, models: Models, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    """Somebody who knows nothing; whatever they do, no traceback comes of it."""
    with site(tmp_path, models) as made:
        yield made
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.fixture
def owner(stranger: Site) -> Site:
    """Somebody who is logged in."""
    stranger.log_in()
    return stranger


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/state", None),
        ("GET", "/api/live/door", None),
        ("GET", "/api/violations", None),
        ("GET", f"/api/pictures/door/{A}", None),
        ("PUT", "/api/switches/enabled", {"value": "OFF"}),
        ("GET", "/api/areas/door", None),
        ("PUT", "/api/areas/door", {"privacy_masks": []}),
        ("DELETE", "/api/areas/door", None),
        ("GET", "/api/nothing", None),
        ("GET", "/api/live/../../api/state", None),
    ],
)
def test_without_a_session_nothing_is_told_or_done(method: str, path: str, body: object, stranger: Site) -> None:
    for cookie in ("", "guessed", "%22%3B", '"', "ö"):
        stranger.cookie = cookie
        answer = stranger.asked(method, path, body)
        assert (answer.status, answer.body) == (401, b'{"says":"log in first"}'), cookie
    assert stranger.redrawn == []
    assert stranger.desk.state()["switches"]["enabled"] == "ON"


@pytest.mark.parametrize("path", ["/", "/index.html", "/nothing", "//api/state", "/API/state", "/logins", "/static"])
def test_without_a_session_all_else_leads_to_the_login(path: str, stranger: Site) -> None:
    answer = stranger.asked("GET", path)
    assert (answer.status, answer.headers["Location"], answer.body) == (303, "/login", b"")


def test_the_login_and_what_it_is_made_of_are_open_to_all(stranger: Site) -> None:
    assert b"<form" in stranger.asked("GET", "/login").body
    for file in routes.STATIC.iterdir():
        answer = stranger.asked("GET", f"/static/{file.name}")
        assert (answer.status, answer.body) == (200, file.read_bytes())


@pytest.mark.parametrize(
    "path",
    [
        "/static/../routes.py",
        "/static/%2e%2e/routes.py",
        "/static/..%2froutes.py",
        "/static/%2e%2e%2f%2e%2e%2fconfig.py",
        "/static//etc/passwd",
        "/static/../api/state",
        "/static/%00",
        "/static/" + "x" * 300,
        "/static/",
    ],
)
def test_what_is_open_to_all_leads_nowhere_else(path: str, stranger: Site) -> None:
    assert stranger.asked("GET", path).status == 404


def test_every_answer_tells_the_browser_what_the_page_may_do(owner: Site) -> None:
    answers = [
        owner.asked("GET", path)
        for path in ("/", "/login", "/static/page.js", "/static/none", "/api/state", "/api/none", "/none")
    ]
    answers += [
        owner.asked("POST", "/login", {"password": "wrong"}),
        owner.asked("POST", "/login", b"[", Origin="http://elsewhere.example"),
        owner.asked("PATCH", "/api/state"),
        owner.asked("PUT", "/api/areas/door", b"{"),
    ]
    owner.cookie = ""
    answers += [owner.asked("GET", "/"), owner.asked("GET", "/api/state")]
    assert {answer.status for answer in answers} == {200, 303, 400, 401, 403, 404, 405}
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS, answer
    assert "'unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://elsewhere.example@{host}.example"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://{host}"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
def test_what_another_page_asks_is_refused(headers: dict[str, str], owner: Site) -> None:
    host = f"127.0.0.1:{owner.server.port}"
    sent = {name: value.format(host=host) for name, value in headers.items()}
    for method, path, body in (
        ("PUT", "/api/switches/enabled", {"value": "OFF"}),
        ("DELETE", "/api/areas/door", None),
        ("POST", "/logout", None),
        ("POST", "/login", {"password": PASSWORD}),
    ):
        answer = owner.asked(method, path, body, **sent)
        assert (answer.status, answer.says) == (403, "this is asked by another page"), path
    assert owner.desk.state()["switches"]["enabled"] == "ON"
    assert owner.asked("GET", "/api/state").status == 200


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://{host}"}, {"Sec_Fetch_Site": "same-origin", "Origin": "http://{host}"}], ids=str
)
def test_what_the_page_itself_and_a_program_ask_is_done(headers: dict[str, str], owner: Site) -> None:
    host = f"127.0.0.1:{owner.server.port}"
    sent = {name: value.format(host=host) for name, value in headers.items()}
    answer = owner.asked("PUT", "/api/switches/enabled", {"value": "OFF"}, **sent)
    assert answer.status == 200
    assert json.loads(answer.body)["switches"]["enabled"] == "OFF"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 60_000, 400),
        (b"9" * 60_000, 400),
        (b"[]", 400),
        (b"null", 400),
        (b'"value"', 400),
        (b"{}", 400),
        (b'{"value": 1, "password": 1, "zones": 1}', 400),
        (b'{"value": null, "password": ["x"], "zones": null}', 400),
        (b" " * LARGEST_BODY + b"{}", 413),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_a_body_of_the_wrong_kind_is_refused_with_a_sentence(content: bytes, status: int, owner: Site) -> None:
    for method, path in (("POST", "/login"), ("PUT", "/api/switches/enabled"), ("PUT", "/api/areas/door")):
        answer = owner.asked(method, path, content)
        # To draw nothing at all is no mistake.
        expected = 200 if path.startswith("/api/areas") and content == b"{}" else status
        assert answer.status == expected, path
        assert expected == 200 or answer.says, path


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_form_of_another_page_can_send_is_no_json(kind: str, owner: Site) -> None:
    answer = owner.asked("PUT", "/api/switches/enabled", {"value": "OFF"}, Content_Type=kind)
    assert (answer.status, answer.says) == (415, "send JSON")
    assert owner.asked("POST", "/login", b'{"password": ""}', Content_Type=kind).status == 415


@pytest.mark.parametrize("value", ["", "maybe", "\ud800", "\0", "x" * 5_000])
def test_a_switch_that_cannot_be_so_is_refused_with_a_sentence(value: str, owner: Site) -> None:
    for name in ("enabled", "threshold", "nothing", "%2e%2e", "%00", "%ff"):
        answer = owner.asked("PUT", f"/api/switches/{name}", {"value": value})
        assert answer.status == 409, name
        assert answer.says, name
    assert owner.desk.state()["switches"]["enabled"] == "ON"


def test_actions_are_no_switches(owner: Site) -> None:
    for name in ("restart", "take_snapshot"):
        answer = owner.asked("PUT", f"/api/switches/{name}", {"value": "PRESS"})
        known = "enabled, threshold, min_face_height, snapshots"
        assert (answer.status, answer.says) == (409, f"there is no such switch; known are {known}")


def test_what_holds_but_is_not_kept_is_said(owner: Site) -> None:
    owner.faults.append(OutputError("overrides.json: No space left on device; it holds until the daemon ends"))
    answer = owner.asked("PUT", "/api/switches/enabled", {"value": "OFF"})
    assert (answer.status, answer.says.partition(":")[0]) == (507, "overrides.json")


def test_who_goes_away_in_the_middle_leaves_nothing_behind(stranger: Site, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    for _ in range(3):
        with closing(socket.create_connection(("127.0.0.1", stranger.server.port))) as line:
            line.sendall(head)
    assert not wait_until(lambda: bool(caplog.records), 0.5)
    stranger.log_in()


def test_the_cookie_is_for_this_page_alone(owner: Site) -> None:
    name, *attributes = owner.log_in().headers["Set-Cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert {attribute.lower() for attribute in attributes} == {
        "httponly",
        "samesite=strict",
        "path=/",
        f"max-age={LONGEST_SESSION:.0f}",
    }


def test_a_session_is_named_by_the_server_and_never_by_who_logs_in(stranger: Site) -> None:
    stranger.cookie = "fixed"
    stranger.log_in()
    assert stranger.cookie != "fixed"
    stranger.cookie = "fixed"
    assert stranger.asked("GET", "/api/state").status == 401


def test_who_is_locked_out_is_told_for_how_long(stranger: Site) -> None:
    for _ in range(MOST_FAILURES):
        answer = stranger.asked("POST", "/login", {"password": "wrong"})
        assert (answer.status, answer.says) == (401, "This is not the password.")
        assert "Set-Cookie" not in answer.headers
    answer = stranger.asked("POST", "/login", {"password": PASSWORD}, X_Forwarded_For="192.0.2.77")
    assert (answer.status, answer.says) == (429, "Too many wrong passwords. Try again in 5 min.")
    assert 295 <= int(answer.headers["Retry-After"]) <= 300


def test_who_logs_out_has_no_session_any_more(owner: Site) -> None:
    assert owner.asked("GET", "/api/state").status == 200
    answer = owner.asked("POST", "/logout")
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert f'{COOKIE}=""' in answer.headers["Set-Cookie"]
    assert owner.asked("GET", "/api/state").status == 401


def test_the_page_is_told_how_everything_is(owner: Site) -> None:
    assert b"<html" in owner.asked("GET", "/").body
    state = json.loads(owner.asked("GET", "/api/state").body)
    assert state["cameras"] == {"door": {"state": "ok"}, "yard": {"state": "ok"}}
    assert state["switches"].keys() == state["controls"].keys() == set(SWITCHES)


def test_a_picture_is_shown_live_and_only_of_a_camera_that_there_is(
    owner: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LONGEST_WAIT", 0.1)
    assert owner.asked("GET", "/api/live/door").status == 204
    owner.desk.judged("door", FRAME, [], [])
    monkeypatch.setattr(routes, "LONGEST_WAIT", 5.0)
    answer = owner.asked("GET", "/api/live/door?known=0")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/jpeg")
    assert answer.body.startswith(b"\xff\xd8")
    number = answer.headers["X-Number"]
    monkeypatch.setattr(routes, "LONGEST_WAIT", 0.1)
    assert owner.asked("GET", f"/api/live/door?known={number}").status == 204
    for path in ("nowhere", "..", "%2e%2e", "yard%2fdoor", "door?known=x", "door?known=" + "9" * 5_000):
        assert owner.asked("GET", f"/api/live/{path}").status == 404, path


def test_violations_are_listed_with_whether_their_picture_is_kept(owner: Site) -> None:
    for name in (A, B):
        track = Track("track", Box(40, 20, 20, 25), 0.9)
        owner.desk.judged("door", FRAME, [], [Violation("violation_start", name, track, 0.97, 5, FRAME.timestamp)])
    SnapshotFolder(owner.config).keep("door", B, b"jpeg")
    listed: list[dict[str, Any]] = json.loads(owner.asked("GET", "/api/violations").body)
    assert [(one["id"], one["camera"], one["has_picture"]) for one in listed] == [(A, "door", False), (B, "door", True)]
    left, top, side = listed[0]["place"]
    assert 0 <= left < left + side <= 1
    assert 0 <= top < 1
    assert np.shape(listed[0]["heat"]) == (7, 7)


def test_of_whom_is_out_of_view_when_the_violation_starts_no_place_is_shown(owner: Site) -> None:
    track = Track("track", Box(40, 20, 20, 25), 0.9)
    owner.desk.judged("door", FRAME, [], [Violation("violation_start", A, track, 0.97, 5, FRAME.timestamp - 0.5)])
    (listed,) = json.loads(owner.asked("GET", "/api/violations").body)
    assert (listed["id"], listed["place"], listed["heat"]) == (A, None, None)


def test_violations_that_are_known_are_not_told_again(owner: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    new = owner.asked("GET", "/api/violations")
    # Of the newest, a picture may still come.
    assert (new.status, new.headers["X-Version"]) == (200, "")
    assert owner.asked("GET", "/api/violations?known=").status == 200
    monkeypatch.setattr(journal, "SETTLED", 0.0)
    version = owner.asked("GET", "/api/violations").headers["X-Version"]
    assert owner.asked("GET", f"/api/violations?known={version}").status == 204
    track = Track("track", Box(40, 20, 20, 25), 0.9)
    owner.desk.judged("door", FRAME, [], [Violation("violation_start", A, track, 0.97, 5, FRAME.timestamp)])
    other = owner.asked("GET", f"/api/violations?known={version}")
    assert (other.status, len(json.loads(other.body))) == (200, 1)
    assert other.headers["X-Version"] != version


def test_only_pictures_of_violations_leave_the_folder(owner: Site) -> None:
    folder = SnapshotFolder(owner.config)
    folder.keep("door", A, b"jpeg")
    folder.keep("gone", A, b"of a camera that was removed")
    (folder.path / "door" / "notes.jpg").write_bytes(b"of somebody")
    (folder.path / f"{A}.jpg").write_bytes(b"of somebody")
    (folder.path / "door" / f"{B}.jpg").mkdir()
    answer = owner.asked("GET", f"/api/pictures/door/{A}")
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (200, b"jpeg", "image/jpeg")
    for path in (
        f"gone/{A}",
        f"yard/{A}",
        f"door/{B}",
        "door/notes",
        f"../{A}",
        f"%2e%2e/{A}",
        f"./{A}",
        f"door%2F..%2Fgone/{A}",
        f"yard/..%2Fdoor%2F{A}",
        f"door/{A}%00",
        f"door/{A}%0a",
        f"door/{A}.jpg",
        f"door/{A.upper()}",
        f"door/{'x' * 5_000}",
        f"door%00/{A}",
    ):
        assert owner.asked("GET", f"/api/pictures/{path}").status == 404, path


def test_a_picture_that_is_deleted_meanwhile_is_none(
    owner: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner.desk, "picture", lambda *_: tmp_path / "deleted.jpg")
    answer = owner.asked("GET", f"/api/pictures/door/{A}")
    assert (answer.status, answer.says) == (404, "there is no such picture")


def test_a_journal_that_somebody_else_wrote_leads_to_no_file_and_no_fault(
    tmp_path: Path, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.sqlite3.snapshots").mkdir()
    (tmp_path / "outbox.sqlite3.snapshots" / "x.jpg").write_bytes(b"of somebody")
    entry = {"camera": "door", "time": utc_now(), "probability": 0.9}
    lines = [{**entry, "id": name} for name in ("../x", "/etc/passwd", "x" * 5_000, "\0", A)]
    lines += [{**entry, "id": B, "aspect": float("inf")}, {"ended": A, "duration_s": float("nan"), "reason": "left"}]
    (tmp_path / f"outbox.sqlite3.{JOURNAL}").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with site(tmp_path, models) as made:
        made.log_in()
        answer = made.asked("GET", "/api/violations")
    assert answer.status == 200
    assert not [one for one in json.loads(answer.body) if one["has_picture"]]
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_areas_are_drawn_and_reset(owner: Site) -> None:
    drawn = json.loads(owner.asked("PUT", "/api/areas/door", {"zones": [CORNER]}).body)
    assert (drawn["zones"], drawn["is_drawn"]) == ([CORNER], True)
    assert json.loads(owner.asked("GET", "/api/areas/door").body) == drawn
    reset = json.loads(owner.asked("DELETE", "/api/areas/door").body)
    assert (reset["zones"], reset["is_drawn"]) == ([], False)
    assert owner.redrawn == ["door", "door"]


@pytest.mark.parametrize(
    ("areas", "says"),
    [
        ({"zones": [CORNER] * (MOST_AREAS + 1)}, "zones: List should have at most 20 items"),
        (
            {"privacy_masks": [[*CORNER, [0.5, 1.01]]]},
            r"privacy_masks\.0\.3\.1: Input should be less than or equal to 1",
        ),
        ({"privacy_masks": [[*CORNER, [float("nan"), 0]]]}, r"privacy_masks\.0\.3\.0: Input should be"),
        ({"ignore_zones": [CORNER[:2]]}, r"ignore_zones\.0: List should have at least 3 items"),
        ({"ignore_zones": [CORNER * 20]}, r"ignore_zones\.0: List should have at most 50 items"),
        ({"fixed_masks": []}, "fixed_masks: Extra inputs are not permitted"),
        ({"\ud800": []}, "send an object"),
        ([], "send an object"),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_areas_that_are_none_are_refused_with_a_sentence(areas: object, says: str, owner: Site) -> None:
    answer = owner.asked("PUT", "/api/areas/door", areas)
    assert answer.status == 400
    assert re.match(says, answer.says), answer.says
    assert owner.redrawn == []
    assert not json.loads(owner.asked("GET", "/api/areas/door").body)["is_drawn"]


def test_a_camera_that_is_not_there_has_no_areas(owner: Site) -> None:
    for method, body in (("GET", None), ("PUT", {"zones": [CORNER]}), ("DELETE", None)):
        for name in ("nowhere", "..", "%2e%2e", "yard%2fdoor"):
            answer = owner.asked(method, f"/api/areas/{name}", body)
            assert answer.status == 404, (method, name)
    assert owner.redrawn == []


def test_with_a_certificate_all_is_encrypted_and_the_cookie_stays_so(tmp_path: Path, models: Models) -> None:
    certificate, key = issue(authority(tmp_path / "ca.pem"), "localhost", tmp_path)
    with site(tmp_path, models, cert=str(certificate), key=str(key)) as made:
        made.trusts = tmp_path / "ca.pem"
        assert "secure" in made.log_in().headers["Set-Cookie"].lower().split("; ")
        assert made.asked("GET", "/api/state").status == 200
        origin = f"https://localhost:{made.server.port}"
        assert made.asked("PUT", "/api/switches/enabled", {"value": "OFF"}, Origin=origin).status == 200
        made.trusts = None
        with pytest.raises((OSError, http.client.HTTPException)):
            made.asked("GET", "/login")


@pytest.mark.parametrize("content", [b"", b"no certificate", None], ids=["empty", "garbage", "missing"])
def test_a_damaged_certificate_is_explained_before_anything_listens(
    content: bytes | None, tmp_path: Path, models: Models
) -> None:
    certificate, key = issue(authority(tmp_path / "ca.pem"), "localhost", tmp_path)
    certificate.unlink()
    if content is not None:
        certificate.write_bytes(content)
    with (
        pytest.raises(ConfigError, match=rf"http\.cert {certificate} with http\.key {key}: .+"),
        site(tmp_path, models, cert=str(certificate), key=str(key)),
    ):
        pass


def test_without_a_password_it_is_said_how_to_have_a_page(tmp_path: Path, models: Models) -> None:
    with site(tmp_path, models, password=None) as made:
        answer = made.asked("GET", "/")
        assert (answer.status, b"set http.password_file" in answer.body) == (404, True)
        for path in ("/login", "/static/page.js", "/api/state", f"/api/pictures/door/{A}"):
            assert made.asked("GET", path).status == 404, path
