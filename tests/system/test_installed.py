"""What a technician does, from a clean Debian to an uninstalled one, in one container a suite.

The tests of a suite are steps: each goes on where the one before ended.
"""

import http.client
import json
import re
import shlex
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from facemask_edge.edge_tpu import LIBRARY
from tests.conftest import IS_FULL, free_port
from tests.faults.process_faults import DETECTOR, stub_delegate, with_compiled_models
from tests.subscriber import Subscriber, wait_until
from tests.system.container import unreachable, why_not
from tests.system.release import make_other_version
from tests.system.site import ARCHIVE, CONFIG, SUITES, UNIT, Site, built

STATE = "/var/lib/facemask-edge"
PASSWORD = "door-7-Öffner"  # noqa: S105 - made up
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}; on Debian as root: make test-system"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module", params=SUITES if IS_FULL else ["trixie"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One of a suite."""
    with ExitStack() as house:
        try:
            built_site = house.enter_context(built(request.param, tmp_path_factory.mktemp(request.param)))
        except (AssertionError, subprocess.SubprocessError):
            # Only then is it asked for: some have a mirror of their own.
            if reason := unreachable():
                pytest.skip(reason)
            raise
        yield built_site


def test_the_archive_has_what_its_readme_links_to_and_only_models_for_a_device(site: Site) -> None:
    links = re.findall(r"\]\(([^)#:]+)[)#]", (site.archive / "README.md").read_text())
    assert "docs/install.md" in links
    assert [link for link in links if not (site.archive / link).exists()] == []
    (wheel,) = (site.archive / "wheels").glob("facemask_edge-*.whl")
    with zipfile.ZipFile(wheel) as content:
        models = {name.removeprefix("facemask_edge/models/") for name in content.namelist() if "/models/" in name}
    detectors = {"face_detector_320_int8.tflite", "face_detector_512_int8.tflite"}
    assert models == {"MODEL_CARD.md", "manifest.json", "mask_classifier_int8.tflite", *detectors}


def test_it_asks_before_it_works_and_says_what_failed(site: Site) -> None:
    # Without a network there is no broker; Ctrl-D takes the default.
    asks = f"cd {ARCHIVE}; (sleep 3; printf '\\004') | unshare --net script -qec ./systemd/install.sh /dev/null"
    done = site.machine.run(
        f"touch /opt/facemask-edge; {asks}; code=$?; rm /opt/facemask-edge; exit $code", check=False
    )
    assert done.returncode == 70
    assert "such as mqtt://192.168.1.10 [mqtt://localhost:1883]: " in done.stdout
    assert "Installing" not in done.stdout
    assert 'This failed: mkdir -p "$program/versions"' in done.stdout


def test_a_wrong_option_leaves_no_configuration_behind(site: Site) -> None:
    site.machine.run("hostname raspberrypi")
    done = site.install("--server carrier-pigeon://loft", check=False)
    assert done.returncode == 64
    assert "this is no broker address" in done.stderr
    assert "or name another with --camera" in done.stdout
    assert "Name it with --name" in done.stdout
    site.machine.run(f"test ! -e {CONFIG} && test ! -e {CONFIG}.new && test ! -e /opt/facemask-edge/current")


@pytest.mark.full
def test_the_pis_own_camera_is_found(site: Site) -> None:
    run = site.machine.run
    receiver, package = "/root/class/video4linux/video0", "/usr/lib/python3/dist-packages/picamera2"
    run(f"mkdir -p {receiver} {package} && echo unicam-image >{receiver}/name && touch {package}/__init__.py")
    run("mount --bind /root/class /sys/class")
    try:
        done = site.install("--server", f"mqtt://127.0.0.1:{site.broker.port}", "--name", "door-pi")
    finally:
        run("umount /sys/class")
    assert "Camera: the Raspberry Pi's own" in done.stdout
    assert 'source: "picamera"\n' in run(f"cat {CONFIG}").stdout
    assert site.is_active()
    # What this one does not have is said, and tried again.
    assert wait_until(lambda: "picamera2 is not there: sudo apt install" in site.machine.log(UNIT), 20)
    run(f"{ARCHIVE}/systemd/uninstall.sh --purge && rm -r {package} /root/class")
    assert is_purged(site)


def test_one_command_installs_it(site: Site) -> None:
    # With an address as somebody types it, by a root who keeps all to himself.
    server = site.broker.url.removeprefix("mqtt://")
    said = site.install(f"--camera {site.camera}", f"--server {server}", "--name entrance", umask="077").stdout
    assert f"Python {site.python}." in said
    assert f"config.yaml is made: camera {site.camera}, broker {site.broker.url}." in said
    assert "The service runs" in said
    assert "Active: active (running)" in said
    assert "0 problems" in said
    assert site.is_active()
    assert site.is_seen()
    assert {event["device"] for event in site.witness.events()} == {"entrance"}


def test_who_may_not_read_the_settings_is_told_to_use_sudo(site: Site) -> None:
    site.machine.run("useradd technician")
    done = site.machine.run("runuser -u technician -- facemask-edge check", check=False)
    assert (done.returncode, done.stderr.strip().rpartition("run: ")[2]) == (64, "sudo facemask-edge check")
    assert site.machine.run("runuser -u technician -- facemask-edge --version").stdout.strip() == site.version()
    for options in ("--help", "--config /nope", "--config=/nope"):
        done = site.machine.run(f"runuser -u technician -- facemask-edge check {options}", check=False)
        assert "sudo" not in done.stderr


def test_another_python_says_what_to_do(site: Site) -> None:
    # As after a new Debian release.
    libraries = "/opt/facemask-edge/current/lib"
    run = site.machine.run
    run(f"mv {libraries}/python{site.python} {libraries}/python3.0")
    done = run("facemask-edge check", check=False)
    run(f"mv {libraries}/python3.0 {libraries}/python{site.python}")
    assert (done.returncode, done.stdout) == (69, "")
    assert "run install.sh again" in done.stderr


def found(site: Site, subject: str) -> list[tuple[str, str, str]]:
    """What the doctor says about something: how bad it is, what it is and what to do."""
    report = json.loads(site.machine.run("facemask-edge check --json", check=False).stdout)
    findings = [finding for finding in report["findings"] if finding["subject"] == subject]
    return [(finding["state"], finding["says"], finding["advice"]) for finding in findings]


def test_a_service_that_does_not_run_is_a_problem(site: Site) -> None:
    site.machine.run(f"systemctl stop {UNIT}")
    advice = "systemctl status facemask-edge; journalctl -u facemask-edge"
    assert found(site, "daemon") == [("problem", "does not run", advice)]
    site.machine.run(f"systemctl start {UNIT}")
    assert found(site, "daemon") == [("ok", "runs", "")]


def test_an_outbox_elsewhere_works_as_the_doctor_says(site: Site) -> None:
    run = site.machine.run
    run(f"install -d -o facemask-edge /srv/events; sed -i.before 's|#path: {STATE}/|path: /srv/events/|' {CONFIG}")
    run(f"systemctl restart {UNIT}")
    assert wait_until(lambda: "keeps events in memory" in found(site, "outbox")[-1][1], 20)
    # There is no lock to know it by.
    assert found(site, "daemon") == [("ok", "runs", "")]
    (advice,) = [advice for _, says, advice in found(site, "outbox") if "the service may not write" in says]
    run(advice.replace("sudo ", ""))
    assert site.is_seen()
    assert [state for state, _, _ in found(site, "outbox")] == ["ok"]
    run("test -s /srv/events/outbox.sqlite3")
    run(f"rm -r /etc/systemd/system/{UNIT}.d /srv/events; systemctl daemon-reload")
    run(f"mv {CONFIG}.before {CONFIG}; systemctl restart {UNIT}")
    assert site.is_seen()


def test_nothing_of_it_is_open_to_others(site: Site) -> None:
    run = site.machine.run
    assert run(f"ps -o user= -p {site.process}").stdout.strip().startswith("facemask")
    places = ("/etc/facemask-edge", "/etc/facemask-edge/config.yaml", STATE, f"{STATE}/outbox.sqlite3")
    modes = run(f"stat --format '%a %U %G' {' '.join(places)}").stdout.splitlines()
    own = "facemask-edge facemask-edge"
    assert modes == ["2750 root facemask-edge", "640 root facemask-edge", f"700 {own}", f"600 {own}"]
    assert run(f"runuser -u nobody -- ls {STATE}", check=False).returncode != 0


def test_it_listens_nowhere(site: Site) -> None:
    sockets = site.machine.run(f"ls -l /proc/{site.process}/fd; cat /proc/net/tcp /proc/net/tcp6 /proc/net/udp").stdout
    own = set(re.findall(r"socket:\[(\d+)\]", sockets))
    rows = [line.split() for line in sockets.splitlines() if re.match(r" *\d+: [0-9A-F]+:[0-9A-F]+ ", line)]
    assert own
    # The tenth column is the socket; 0A is a TCP one that listens, 07 a UDP one that anybody may send to.
    assert not [row for row in rows if row[9] in own and row[3] in {"0A", "07"}]


def test_systemd_finds_it_clean(site: Site) -> None:
    security = site.machine.run(f"systemd-analyze security --no-pager {UNIT}").stdout
    exposure = float(security.splitlines()[-1].partition(": ")[2].split()[0])
    assert exposure <= 2.0
    verified = site.machine.run(f"systemd-analyze verify /etc/systemd/system/{UNIT}")
    assert verified.stdout + verified.stderr == ""


def test_the_clock_can_be_asked_inside_of_the_hardening(site: Site) -> None:
    asks = "import ctypes; print('state', ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)))"
    changes = [f's|^ExecStart=.*|ExecStart=/usr/bin/python3 -c "{asks}"|', "s/^Type=.*/Type=oneshot/", "/^Restart/d"]
    edits = " ".join(f"-e {shlex.quote(change)}" for change in [*changes, "/^Watchdog/d"])
    site.machine.run(
        f"sed {edits} /etc/systemd/system/{UNIT} >/run/systemd/system/clock.service; systemctl daemon-reload"
    )
    site.machine.run("systemctl start clock.service")
    state = re.search(r"state (-?\d+)", site.machine.log("clock.service"))
    assert state is not None
    assert int(state[1]) >= 0


def test_killed_it_is_back_within_ten_seconds(site: Site) -> None:
    killed = site.process
    site.machine.run(f"kill -KILL {killed}")
    assert wait_until(lambda: site.is_active() and site.process not in {0, killed}, 10)
    assert site.is_seen()


def test_stopped_the_watchdog_starts_it_again(site: Site) -> None:
    # The unit's minute is long for a test.
    with site.drop_in("WatchdogSec=5"):
        site.machine.run(f"systemctl restart {UNIT}")
        assert site.is_seen()
        stopped = site.process
        site.machine.run(f"kill -STOP {stopped}")
        assert wait_until(lambda: site.is_active() and site.process not in {0, stopped}, 30)
    assert "Watchdog timeout" in site.machine.run(f"journalctl --unit {UNIT} --no-pager").stdout
    site.machine.run(f"systemctl restart {UNIT}")
    assert site.is_seen()


def test_a_broken_configuration_ends_with_78_and_is_not_tried_again(site: Site) -> None:
    site.machine.run(
        "cp /etc/facemask-edge/config.yaml /root/config.yaml; echo 'mqtt2: {}' >>/etc/facemask-edge/config.yaml"
    )
    site.machine.run(f"systemctl restart {UNIT}", check=False)
    assert wait_until(lambda: site.machine.shown(UNIT, "ActiveState") == "failed", 20)
    restarts = site.machine.shown(UNIT, "NRestarts")
    assert site.machine.shown(UNIT, "ExecMainStatus") == "78"
    errors = site.machine.run(f"journalctl --unit {UNIT} --priority err --output cat --no-pager").stdout
    assert "unknown key mqtt2; did you mean mqtt?" in errors
    time.sleep(8)
    assert site.machine.shown(UNIT, "NRestarts") == restarts
    site.machine.run(f"cp /root/config.yaml {CONFIG}; systemctl start {UNIT}")
    assert site.is_active()


def test_the_password_comes_as_a_credential(site: Site) -> None:
    users = site.machine.root.parent / "users"
    users.write_text(f"entrance:{PASSWORD}\n")
    subprocess.run(["mosquitto_passwd", "-U", str(users)], check=True)
    users.chmod(0o644)
    site.broker.configure("allow_anonymous true", f"password_file {users}")
    site.broker.stop()
    site.broker.start()
    site.machine.run("umask 037; cd /etc/facemask-edge; echo entrance >mqtt_username; echo wrong >mqtt_password")
    site.machine.run(f"systemctl restart {UNIT}")
    assert wait_until(lambda: "check mqtt.username and mqtt.password_file" in site.machine.log(UNIT), 20)
    (site.machine.root / "etc/facemask-edge/mqtt_password").write_text(f"{PASSWORD}\n")
    site.machine.run(f"systemctl restart {UNIT}")
    assert site.is_seen()
    # The doctor, as the same user, knows it, too.
    assert '"a message came back' in site.machine.run("facemask-edge check --json").stdout
    spoken = site.machine.log(UNIT) + site.machine.run("ps axeww").stdout
    assert PASSWORD not in spoken


def test_the_page_works_inside_of_the_hardening(site: Site) -> None:
    run, port = site.machine.run, free_port()
    run(f"cp {CONFIG} /root/config.yaml")
    # As docs/page.md has it.
    run("install -m 640 -o root -g facemask-edge /dev/null /etc/facemask-edge/http_password")
    (site.machine.root / "etc/facemask-edge/http_password").write_text(f"{PASSWORD}\n")
    run(f"sed -i -e '/^http:/,$ s/#enabled: false/enabled: true/' -e 's/#port: 8020/port: {port}/' {CONFIG}")
    run(f"systemctl restart {UNIT}")
    assert site.is_seen()
    assert [state for state, _, _ in found(site, "page")] == ["ok"]
    page = Page(port)
    (camera,) = json.loads(page.asked("GET", "/api/state"))["cameras"]
    assert page.asked("GET", f"/api/live/{camera}").startswith(b"\xff\xd8")
    assert json.loads(page.asked("GET", "/api/violations"))[-1]["heat"]
    everywhere = [[0, 0], [1, 0], [1, 1], [0, 1]]
    page.asked("PUT", f"/api/areas/{camera}", {"ignore_zones": [everywhere]})
    page.asked("PUT", "/api/switches/threshold", {"value": "0.6"})
    run(f"systemctl restart {UNIT}")
    assert wait_until(site.is_active, 20)
    # Half a minute: everybody walks by in that time.
    assert not site.is_seen()
    assert ("warning", "0.6, as it was set from afar") in [each[:2] for each in found(site, "threshold")]
    assert "has the zones that were drawn on the page" in [says for _, says, _ in found(site, f"camera {camera}")]
    files = run(f"stat --format '%a %U' {STATE}/outbox.sqlite3.*.json*").stdout.splitlines()
    assert set(files) == {"600 facemask-edge"}
    page = Page(port)
    page.asked("DELETE", f"/api/areas/{camera}")
    page.asked("PUT", "/api/switches/threshold", {"value": "default"})
    run(f"cp /root/config.yaml {CONFIG}; rm /etc/facemask-edge/http_password; systemctl restart {UNIT}")
    assert site.is_seen()


class Page:
    """Somebody at the page, who knows the password."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookie = ""
        assert wait_until(self._is_let_in, 20)

    def _is_let_in(self) -> bool:
        try:
            self.asked("POST", "/login", {"password": PASSWORD})
        except OSError:
            return False
        return True

    def asked(self, method: str, path: str, body: object = None) -> bytes:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as line:
            kind = {} if body is None else {"Content-Type": "application/json"}
            content = None if body is None else json.dumps(body)
            line.request(method, path, content, {"Cookie": self._cookie, **kind})
            answer = line.getresponse()
            self._cookie = answer.headers.get("Set-Cookie", self._cookie).partition(";")[0]
            assert answer.status in {200, 204}, answer.read()
            return answer.read()


def test_the_journal_knows_the_levels(site: Site) -> None:
    journal = site.machine.run(f"journalctl --unit {UNIT} --output json --no-pager").stdout.splitlines()
    own = [entry for entry in map(json.loads, journal) if entry.get("_COMM", "").startswith("facemask")]
    levels = {entry["PRIORITY"] for entry in own if "check mqtt.username" in entry["MESSAGE"]}
    assert levels == {"4"}
    assert {entry["PRIORITY"] for entry in own if "violation_start" in entry["MESSAGE"]} == {"6"}
    assert not any(str(entry["MESSAGE"]).startswith("<") for entry in own)


@pytest.mark.full
def test_an_edge_tpu_that_fails_is_given_up_after_three_deaths(site: Site, tmp_path: Path) -> None:
    run, libraries = site.machine.run, "/usr/lib/x86_64-linux-gnu"
    # The library is a stub; all else is as it would be with a Coral.
    shutil.copy(stub_delegate(tmp_path), site.machine.root / libraries.removeprefix("/") / LIBRARY)
    shutil.copytree(with_compiled_models(tmp_path), site.machine.root / "root/coral-models")
    # As docs/coral.md has it.
    models = "/etc/facemask-edge/models"
    run(f"cd /root; ldconfig; install -D -m 644 -t {models} coral-models/*.tflite coral-models/manifest.json")
    changes = f"s|#model: mask_|model: {models}/mask_|", f"s|#model: null|model: {models}/{DETECTOR}|"
    run(f"sed -i.before -e '{changes[0]}' -e '{changes[1]}' {CONFIG}; systemctl restart {UNIT}")
    assert wait_until(lambda: "classifier edgetpu, detector edgetpu" in found(site, "accelerator")[0][1], 20)
    with site.drop_in("WatchdogSec=5", "Environment=STUB_DELEGATE=hangs:50"):
        run(f"systemctl restart {UNIT}")
        hung = int(site.machine.shown(UNIT, "NRestarts"))
        assert wait_until(lambda: int(site.machine.shown(UNIT, "NRestarts")) > hung, 60)
    with site.drop_in("Environment=STUB_DELEGATE=aborts:50"):
        given_up = "runs on the CPU: the Edge TPU ended this program 3 times"
        assert wait_until(lambda: given_up in site.machine.log(UNIT), 120)
        assert site.is_seen()
        assert site.is_active()
    run(f"mv {CONFIG}.before {CONFIG}; rm -r {models} {libraries}/{LIBRARY}; ldconfig; systemctl restart {UNIT}")
    assert site.is_seen()


def test_installed_again_it_is_upgraded_and_keeps_what_it_has(site: Site) -> None:
    kept = ["/etc/facemask-edge/config.yaml", "/etc/facemask-edge/mqtt_password"]
    before = site.machine.run(f"sha256sum {' '.join(kept)}").stdout
    stream = site.witness.events()[-1]["stream"]
    make_other_version(site.archive, "0.1.1")
    assert "config.yaml stays as it is" in site.install().stdout
    assert site.version() == "0.1.1"
    assert site.is_seen()
    assert site.machine.run(f"sha256sum {' '.join(kept)}").stdout == before
    assert site.witness.events()[-1]["stream"] == stream
    # The version before is gone: a card has little room.
    assert len(site.machine.run("ls /opt/facemask-edge/versions").stdout.split()) == 1


AT_THE_START = "daemon.py", "        gc.freeze()\n", '        raise RuntimeError("broken")\n'
AT_THE_FIRST_FRAME = "daemon.py", "def _judge(self, watch: Watch, frame: Frame) -> None:", "def _judge(self) -> None:"


@pytest.mark.parametrize("broken", [AT_THE_FIRST_FRAME, pytest.param(AT_THE_START, marks=pytest.mark.full)])
def test_an_upgrade_that_does_not_run_is_rolled_back(broken: tuple[str, str, str], site: Site) -> None:
    make_other_version(site.archive, "0.1.2", broken)
    secrets = "cat /etc/facemask-edge/mqtt_username /etc/facemask-edge/mqtt_password"
    before = site.machine.run(secrets).stdout
    site.machine.run("echo other >/root/password")
    done = site.install("--username other --password-file /root/password", check=False)
    assert done.returncode == 70
    assert "The one before runs again." in done.stderr
    assert site.version() == "0.1.1"
    assert site.machine.run(secrets).stdout == before
    assert site.is_active()
    assert site.is_seen()
    make_other_version(site.archive, "0.1.1")


@pytest.mark.full
def test_an_upgrade_that_is_interrupted_falls_back_to_what_ran_before(site: Site) -> None:
    make_other_version(site.archive, "0.1.2", AT_THE_FIRST_FRAME)
    # Killed as by a power cut, when the new version is in its place and not proven yet.
    waits = "while [ $(readlink current) = $(readlink good) ]; do sleep 0.1; done"
    starts = f"cd {ARCHIVE}; ./systemd/install.sh >/dev/null 2>&1 & script=$!"
    site.machine.run(f"{starts}; cd /opt/facemask-edge; {waits}; kill -KILL $script")
    assert site.version() == "0.1.2"
    done = site.install(check=False)
    assert done.returncode == 70
    assert "The one before runs again." in done.stderr
    assert site.version() == "0.1.1"
    assert site.is_seen()
    make_other_version(site.archive, "0.1.1")


@pytest.mark.full
def test_an_upgrade_that_is_called_off_says_so(site: Site) -> None:
    waits = "while [ $(readlink current) = $(readlink good) ]; do sleep 0.1; done"
    starts = f"cd {ARCHIVE}; ./systemd/install.sh >/dev/null 2>/root/said & script=$!"
    ends = "kill -TERM $script; code=0; wait $script || code=$?; cat /root/said >&2; exit $code"
    done = site.machine.run(f"{starts}; cd /opt/facemask-edge; {waits}; {ends}", check=False)
    assert done.returncode == 130
    assert "Interrupted. The one before runs again." in done.stderr
    assert site.is_seen()


def test_what_a_version_does_not_start_with_is_told_by_78(site: Site) -> None:
    site.machine.run(f"sed -i.before 's|#model: mask_|model: /nope/mask_|' {CONFIG}")
    done = site.install(check=False)
    site.machine.run(f"mv {CONFIG}.before {CONFIG}; systemctl restart {UNIT}")
    assert done.returncode == 78
    assert "model /nope/mask_classifier_int8.tflite does not exist" in done.stdout
    assert "The one before does not run either." in done.stderr
    assert site.is_seen()


def test_a_damaged_archive_changes_nothing(site: Site) -> None:
    wheel = next((site.archive / "wheels").glob("numpy-*"))
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-1])
    done = site.install(check=False)
    wheel.write_bytes(whole)
    assert done.returncode == 69
    assert "The archive is damaged" in done.stderr
    beside = wheel.with_name("numpy-99-py3-none-any.whl")
    beside.write_bytes(whole)
    done = site.install(check=False)
    beside.unlink()
    assert done.returncode == 69
    assert f"wheels/{beside.name} is not in SHA256SUMS" in done.stderr
    assert site.is_seen()


@pytest.mark.full
def test_a_new_version_that_the_configuration_does_not_fit_is_not_switched_to(site: Site) -> None:
    key = ': Name = Field("facemask"'
    make_other_version(site.archive, "0.2.0", ("config.py", f"    prefix{key}", f"    first_level{key}"))
    # What is the default stands in no installed file.
    own = "/etc/facemask-edge/config.d/20-site.yaml"
    site.machine.run(f"mkdir -p {own.rpartition('/')[0]} && echo 'mqtt: {{prefix: facemask}}' >{own}")
    done = site.install(check=False)
    site.machine.run(f"rm {own}")
    assert done.returncode == 78
    assert "unknown key mqtt.prefix" in done.stderr
    assert site.version() == "0.1.1"
    assert site.is_seen()


def test_uninstalled_its_data_stay_until_they_are_purged(site: Site) -> None:
    run = site.machine.run
    said = run("/opt/facemask-edge/current/uninstall.sh").stdout
    assert "settings stay" in said
    assert f"{site.broker.url} has forgotten" in said
    with closing(Subscriber(site.broker.port, qos=0)) as late:
        assert not wait_until(lambda: bool(late.messages), 1), "nobody goes on showing it"
    gone = "/opt/facemask-edge /usr/local/bin/facemask-edge /etc/systemd/system/facemask-edge.service"
    for place in gone.split():
        assert run(f"test -e {place}", check=False).returncode == 1
    assert site.machine.shown(UNIT, "ActiveState") == "inactive"
    run("test -s /var/lib/facemask-edge/outbox.sqlite3 && test -s /etc/facemask-edge/config.yaml")
    # With the commands that it names, then by itself.
    run(said.partition(":\n")[2].replace("sudo ", ""))
    assert is_purged(site)
    run(f"useradd --system facemask-edge; mkdir {STATE} /etc/facemask-edge")
    assert not is_purged(site)
    run(f"{ARCHIVE}/systemd/uninstall.sh --purge")
    assert is_purged(site)


def is_purged(site: Site) -> bool:
    places = f"test -e {STATE} || test -e {STATE}-rollouts || test -e /etc/facemask-edge"
    people = "getent passwd facemask-edge || getent group facemask-edge"
    return site.machine.run(f"{places} || {people}", check=False).returncode != 0


def test_wrong_usage_is_said(site: Site) -> None:
    for options in ("--colour red", "--camera", "--password-file /etc/passwd"):
        done = site.install(options, check=False)
        assert done.returncode == 64, done.stderr
    for file in ("/nope", "/etc", "/dev/null"):
        done = site.install(f"--username pi --password-file {file}", check=False)
        assert done.returncode == 64, done.stderr
        assert file in done.stderr
    assert site.install("--help").stdout.startswith("Installs facemask-edge as a service")
