"""A real Home Assistant with its MQTT integration on a broker of this computer, asked over its own HTTP API."""

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode

from tests import debian
from tests.conftest import free_port
from tests.subscriber import wait_until

CONFIG = "/config"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": CONFIG, "LANG": "C.UTF-8", "PYTHONPATH": debian.LIBRARY}
CONFIGURATION = """\
http:
  server_host: 127.0.0.1
  server_port: {port}
frontend:
history:
logbook:
lovelace:
  dashboards:
    the-cameras:
      mode: yaml
      title: Cameras
      filename: dashboard.yaml
logger:
  default: warning
"""
# The steps of its welcome that would fetch the weather and radio stations from elsewhere.
WELCOMED = {"version": 4, "key": "onboarding", "data": {"done": ["core_config", "analytics", "integration"]}}
PERSON = {"name": "Tester", "username": "tester", "password": "nobody else", "language": "en"}
FLOWS = "/api/config/config_entries/flow"
COMPLAINT = re.compile(r"(WARNING|ERROR|CRITICAL) \(.*\) \[(?!homeassistant\.bootstrap\]|aiohttp_fast_zlib\])")
START_TIMEOUT = 300
STOP_TIMEOUT = 60


class HomeAssistant:
    """One that is made to run by ``running``; what it knows stays in its folder and outlives a restart.

    Args:
        root: As ``tests.homeassistant.debian.make_root`` leaves it.
        folder: An empty one, for its configuration.
        broker: Port of the broker, on 127.0.0.1.

    Every method that asks it something raises ``urllib.error.HTTPError`` when it refuses.
    """

    def __init__(self, root: Path, folder: Path, broker: int) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        self._root = root
        self._folder = folder
        self._log = folder / "output.log"
        self._broker = broker
        self._token = ""
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port))
        (folder / ".storage").mkdir()
        (folder / ".storage" / "onboarding").write_text(json.dumps(WELCOMED))

    def start(self) -> None:
        """Start it; it answers when this returns, and connects to the broker by itself."""
        python = ["python3", "-m", "homeassistant", "--config", CONFIG, "--skip-pip"]
        command = debian.command_in(self._root, {self._folder: CONFIG}, ENVIRONMENT, *python)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        assert wait_until(self._is_running, START_TIMEOUT), f"Home Assistant does not start:\n{self.log()}"

    def move_in(self) -> None:
        """Answer what it asks when it is new: who lives here, and where the broker is."""
        client = {"client_id": f"{self._url}/"}
        code = self._ask("/api/onboarding/users", {**PERSON, **client})["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, **client}
        self._token = self._ask("/auth/token", grant, is_form=True)["access_token"]
        assert wait_until(self._is_running, START_TIMEOUT)
        flow = self._ask(FLOWS, {"handler": "mqtt"})["flow_id"]
        answer = self._ask(f"{FLOWS}/{flow}", {"broker": "127.0.0.1", "port": self._broker})
        assert answer["type"] == "create_entry", answer

    def stop(self) -> None:
        """Stop it as systemd would."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def state(self, entity: str) -> str | None:
        """An entity's state; None when there is no entity of this id."""
        try:
            return str(self._ask(f"/api/states/{entity}")["state"])
        except HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def attributes(self, entity: str) -> dict[str, Any]:
        """An entity's attributes."""
        return dict(self._ask(f"/api/states/{entity}")["attributes"])

    def wait_for(self, entity: str, state: str | None, seconds: float = 20) -> None:
        """Wait until an entity has a state, or until it is gone (None)."""
        if not wait_until(lambda: self.state(entity) == state, seconds):
            complaints = "\n".join(self.complaints())
            raise AssertionError(f"{entity} is {self.state(entity)}, not {state}\n{complaints}")

    def call(self, action: str, entity: str, **data: object) -> None:
        """Do something with an entity, such as ``switch.turn_off``; it is done when this returns."""
        self._ask(f"/api/services/{action.replace('.', '/')}", {"entity_id": entity, **data})

    def picture(self, entity: str) -> bytes | None:
        """What a camera shows; None before its first picture."""
        try:
            return self._answer(f"/api/camera_proxy/{entity}")
        except HTTPError:
            return None

    def dashboard(self, card: Mapping[str, object]) -> str:
        """Make a dashboard with one card, as it is written in YAML; its address."""
        views = [{"title": "Cameras", "cards": [card]}]
        (self._folder / "dashboard.yaml").write_text(json.dumps({"views": views}))
        return f"{self._url}/the-cameras/0"

    def entities(self) -> set[str]:
        """The ids of all that its registry knows from MQTT."""
        return set(self._evaluate("integration_entities('mqtt')"))

    def device(self, name: str, *attributes: str) -> dict[str, Any] | None:
        """What its registry says of the device of a name: attributes that are text, as ``sw_version``.

        None when it has no device of this name.
        """
        values = [f"'{attribute}': device_attr(device_id('{name}'), '{attribute}')" for attribute in attributes]
        found: dict[str, Any] | None = self._evaluate(f"{{{', '.join(values)}}} if device_id('{name}') else none")
        return found

    def complaints(self) -> list[str]:
        """Its warnings and errors since it was started, without those about the way it was installed."""
        return [line for line in self.log().splitlines() if COMPLAINT.search(line)]

    def log(self) -> str:
        """All that it has said since it was started: warnings and errors, with what belongs to each."""
        return self._log.read_text()

    def _is_running(self) -> bool:
        """Whether all of it is up; while nobody lives there it does not tell, and up is what asks who does."""
        assert self._process is not None
        assert self._process.poll() is None, f"Home Assistant has ended:\n{self.log()}"
        with suppress(OSError):
            if self._token:
                return bool(self._ask("/api/config")["state"] == "RUNNING")
            return bool(self._ask("/api/onboarding"))
        return False

    def _evaluate(self, expression: str) -> Any:
        """The value of an expression of its templates."""
        return self._ask("/api/template", {"template": f"{{{{ ({expression}) | to_json }}}}"})

    def _ask(self, path: str, data: Mapping[str, object] | None = None, *, is_form: bool = False) -> Any:
        """What its answer in JSON says; see ``_answer``."""
        return json.loads(self._answer(path, data, is_form=is_form))

    def _answer(self, path: str, data: Mapping[str, object] | None = None, *, is_form: bool = False) -> bytes:
        """Its answer, to what is sent as JSON or as a form where there is something to send."""
        body = None if data is None else (urlencode(data) if is_form else json.dumps(data)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded" if is_form else "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._url + path, body, headers)  # noqa: S310 - its own
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - its own
                return bytes(answer.read())
        except HTTPError as error:
            error.add_note(error.read().decode())
            raise


@contextmanager
def running(root: Path, folder: Path, broker: int) -> Iterator[HomeAssistant]:
    """One that runs, with somebody who lives there and its MQTT integration; see ``HomeAssistant``."""
    home = HomeAssistant(root, folder, broker)
    try:
        home.start()
        home.move_in()
        yield home
    finally:
        home.stop()
