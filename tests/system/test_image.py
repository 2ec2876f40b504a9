"""A card that devices are copied from, and the first boot of a copy at its door."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests import debian
from tests.conftest import IS_FULL, Mosquitto, free_port
from tests.fleet.example_broker import example_broker
from tests.make_dashboard import FLEET
from tests.motion_jpeg import motion_jpeg_server
from tests.rollouts import operator as rollouts
from tests.subscriber import wait_until
from tests.system.container import Container, booted, make_root, unreachable, why_not
from tests.system.release import bundle
from tests.system.site import ARCHIVE, CONFIG, SUITES, UNIT, walking_by

FIRST_BOOT = "facemask-edge-first-boot.service"
ROLLOUT = "facemask-edge-rollout.service"
TIMER = "facemask-edge-rollout.timer"
BOOT = "facemask-edge-rollout-boot.service"
LEFT = "/boot/firmware/facemask-edge"
IN_A_CHROOT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}; on Debian as root: make test-system"),
    pytest.mark.timeout(900),
]


@dataclass(frozen=True)
class Operator:
    """Who has the fleet's authority, and hears what a broker as the example has it lets the keeper hear."""

    folder: Path
    port: int

    def issue(self, *arguments: str) -> Path:
        """The folder for a device's boot partition, where it is one."""
        subprocess.run([FLEET / "issue-certificate.sh", *arguments], cwd=self.folder, check=True, capture_output=True)
        return self.folder / arguments[0] / "facemask-edge"

    @contextmanager
    def hears(self) -> Iterator[list[str]]:
        """The topics of what arrives."""
        topics: list[str] = []
        own = self.issue("keeper")
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.tls_set(str(self.folder / "fleet-ca.pem"), str(own / "mqtt_cert.pem"), str(own / "mqtt_key.pem"))
        client.on_message = lambda _client, _data, message: topics.append(message.topic)
        client.on_connect = lambda client, *_: client.subscribe([("+/+/+/violation", 1), ("+/+/status", 1)])
        client.connect("localhost", self.port)
        client.loop_start()
        yield topics
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("operator")
    made = Operator(folder, free_port())
    made.issue("--broker", "localhost")
    broker = Mosquitto(folder, *example_broker(folder, made.port)).start()
    yield made
    broker.stop()


def in_chroot(root: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """As an image is built: nothing of the system in it runs."""
    inside = debian.command_in(root, {}, IN_A_CHROOT, "sh", "-c", command)
    return subprocess.run(inside, capture_output=True, text=True, timeout=400, check=False)


@pytest.fixture(scope="module", params=SUITES if IS_FULL else ["trixie"])
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root file system of a suite with a release archive in it."""
    folder = tmp_path_factory.mktemp(request.param)
    try:
        root = make_root(request.param, folder)
        archive = bundle(folder, "x86_64", SUITES[request.param])
    except (AssertionError, subprocess.SubprocessError):
        if reason := unreachable():
            pytest.skip(reason)
        raise
    shutil.copytree(archive, root / ARCHIVE.removeprefix("/"))
    # A Raspberry Pi OS has it, the least of a Debian does not.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with motion_jpeg_server() as (address, handler):
        handler.stream = staticmethod(walking_by)
        yield address


def test_an_image_is_made_where_nothing_runs_and_has_nothing_of_one_device(image: Path) -> None:
    install = f"{ARCHIVE}/systemd/install.sh --image"
    refused = in_chroot(image, f"{install} --name gate-7")
    assert (refused.returncode, "come at the first boot" in refused.stderr) == (64, True)
    own = image / "etc/facemask-edge/mqtt_key.pem"
    own.parent.mkdir()
    own.touch()
    refused = in_chroot(image, install)
    assert (refused.returncode, "mqtt_key.pem is of one device" in refused.stderr) == (64, True)
    own.unlink()
    for _ in ("made", "made anew"):
        done = in_chroot(image, install)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "The image is ready" in done.stdout
    assert "Camera" not in done.stdout
    assert list((image / "etc/facemask-edge").iterdir()) == []
    assert not (image / "var/lib/facemask-edge").exists()
    wanted = image / "etc/systemd/system/multi-user.target.wants"
    assert {UNIT, FIRST_BOOT} <= {each.name for each in wanted.iterdir()}
    assert len(list((image / "opt/facemask-edge/versions").iterdir())) == 1


@pytest.fixture(scope="module")
def device(image: Path, operator: Operator, camera: str) -> Iterator[Container]:
    """The first boot of a copy, with what was left for it as a technician with Windows does."""
    left = image / LEFT.removeprefix("/")
    shutil.copytree(operator.issue("gate-7"), left)
    text = f"\ufeff# Gate 7\ncameras: [{{name: door, source: '{camera}'}}]\n"
    (left / "device.yaml").write_bytes(text.replace("\n", "\r\n").encode())
    (left / "config.d").mkdir()
    servers = f"servers: ['mqtts://localhost:{operator.port}']"
    (left / "config.d" / "20-site.yaml").write_text(f"mqtt: {{prefix: hall, {servers}}}")
    with booted(image) as machine:
        yield machine


def test_a_copy_is_the_device_that_its_certificate_is_for(device: Container, operator: Operator) -> None:
    with operator.hears() as topics:
        assert wait_until(lambda: "hall/gate-7/door/violation" in topics, 60), device.log(UNIT) + device.log(FIRST_BOOT)
        assert {topic.split("/")[1] for topic in topics} == {"gate-7"}
    device.run(f"test ! -e {LEFT}")
    assert f"which is deleted: {CONFIG.rpartition('/')[2]}" in device.log(FIRST_BOOT)
    origins = device.run("facemask-edge config show --origin").stdout
    assert 'device.name: "gate-7"  # /etc/facemask-edge/config.d/90-certificate.yaml:' in origins
    assert 'mqtt.prefix: "hall"  # /etc/facemask-edge/config.d/20-site.yaml:1' in origins
    assert device.run(f"cat {CONFIG}").stdout.startswith("# Gate 7\ncameras: ")


def test_only_the_daemon_reads_what_a_device_was_given(device: Container) -> None:
    shown = device.run("cd /etc/facemask-edge && stat --format '%a %U %G %n' config.d config.d/* *.yaml *.pem").stdout
    found = [line.rpartition(" ")[0] for line in shown.splitlines()]
    assert found[0] == "2750 root facemask-edge"
    assert set(found[1:]) == {"640 root facemask-edge"}
    assert len(found) == 7


def test_the_first_boot_is_locked_in_as_the_daemon_is(device: Container) -> None:
    security = device.run(f"systemd-analyze security --no-pager {FIRST_BOOT}").stdout
    assert float(security.splitlines()[-1].partition(": ")[2].split()[0]) <= 3.0, security
    verified = device.run(f"systemd-analyze verify /etc/systemd/system/{FIRST_BOOT}")
    assert verified.stdout + verified.stderr == ""


@pytest.fixture(scope="module")
def fleet(device: Container, tmp_path_factory: pytest.TempPathFactory) -> Iterator[rollouts.Operator]:
    """Who delivers to the device, which knows it from its image."""
    with rollouts.operator(tmp_path_factory.mktemp("rollouts")) as made:
        settings = device.root / "etc/facemask-edge"
        shutil.copy(made.trust, settings / "trust.json")
        shutil.copy(made.ca, settings / "rollout-ca.pem")
        # Longer than it takes here to reach a broker.
        section = f"{{url: '{made.url}', ca: /etc/facemask-edge/rollout-ca.pem, probation: 25}}"
        (settings / "config.d" / "10-fleet.yaml").write_text(f"rollout: {section}\n")
        device.run("chgrp -R facemask-edge /etc/facemask-edge; chmod -R g=rX,o= /etc/facemask-edge")
        yield made


def asked_for_a_rollout(device: Container) -> str:
    """What the service said that looks for one, as its timer has it started."""
    before = len(device.log(ROLLOUT))
    device.run(f"systemctl start {ROLLOUT}", timeout=300, check=False)
    return device.log(ROLLOUT)[before:]


def test_a_rollout_proves_itself_and_is_in_force(device: Container, fleet: rollouts.Operator) -> None:
    assert device.shown(TIMER, "ActiveState") == "active"
    fleet.write("fleet/10.yaml", "compliance: {cooldown: 4}\n")
    fleet.publish()
    said = asked_for_a_rollout(device)
    assert "rollout 1 has proved itself" in said, said
    origins = device.run("facemask-edge config show --origin").stdout
    assert "compliance.cooldown: 4.0  # /etc/facemask-edge/config.d/50-rollout/1-fleet/10.yaml:1" in origins
    process = device.shown(UNIT, "MainPID")
    assert "rollout 1 has nothing new" in asked_for_a_rollout(device)
    assert device.shown(UNIT, "MainPID") == process


def test_a_rollout_that_parts_it_from_its_broker_is_taken_back(
    device: Container, fleet: rollouts.Operator, operator: Operator
) -> None:
    fleet.write("fleet/10.yaml", "compliance: {cooldown: 5}\nmqtt: {servers: ['mqtts://localhost:1']}\n")
    fleet.publish()
    said = asked_for_a_rollout(device)
    assert "rollout 2 is refused, and the one before used: no broker takes its events" in said, said
    assert device.shown(ROLLOUT, "ExecMainStatus") == "78"
    assert "compliance.cooldown: 4.0" in device.run("facemask-edge config show --origin").stdout
    with operator.hears() as topics:
        assert wait_until(lambda: "hall/gate-7/door/violation" in topics, 60), device.log(UNIT)

    def warned() -> list[str]:
        said = json.loads(device.run("cat /run/facemask-edge/health.json").stdout)
        return [warning["code"] for warning in said["warnings"]]

    assert wait_until(lambda: warned() == ["rollout_refused"], 20)


def test_a_rollout_with_which_the_daemon_does_not_start_is_taken_back(
    device: Container, fleet: rollouts.Operator
) -> None:
    fleet.write("fleet/10.yaml", "detector: {model: mask_classifier_int8.tflite}\n")
    fleet.publish()
    said = asked_for_a_rollout(device)
    assert "rollout 3 is refused, and the one before used: the daemon does not start" in said, said
    assert device.shown(UNIT, "ActiveState") == "active"


def test_a_trial_that_a_power_cut_ended_does_not_begin_a_boot(device: Container, fleet: rollouts.Operator) -> None:
    assert fleet.asked
    shelf = device.root / "var/lib/facemask-edge-rollouts"
    link = shelf / "current"
    good = link.readlink().name
    # As it is in the middle of the trial of another one.
    shutil.copytree(shelf / good, shelf / "other")
    state = json.loads((shelf / "state.json").read_text())
    state["digests"]["other"] = state["digests"][good]
    (shelf / "state.json").write_text(json.dumps(state))
    (shelf / "trial.json").write_text('{"rollout": "other", "before": {}}')
    device.run("cd /var/lib/facemask-edge-rollouts && ln -sfn other current")
    assert device.shown(BOOT, "UnitFileState") == "enabled"
    assert UNIT in device.shown(BOOT, "Before")
    device.run(f"systemctl start {BOOT}")
    assert link.readlink().name == good
    assert "the trial of rollout" in asked_for_a_rollout(device)
    assert not (shelf / "trial.json").exists()


def test_a_daemon_that_is_just_being_stopped_is_not_started_by_a_rollout(
    device: Container, fleet: rollouts.Operator
) -> None:
    fleet.write("fleet/10.yaml", "compliance: {cooldown: 6}\n")
    fleet.publish()
    process = device.shown(UNIT, "MainPID")
    # It takes its time.
    device.run(
        f"kill -STOP {process}; systemctl stop --no-block {UNIT}; (sleep 3; kill -CONT {process}) >/dev/null 2>&1 &"
    )
    assert device.shown(UNIT, "ActiveState") == "deactivating"
    assert "somebody has stopped the daemon, so nothing is tried" in asked_for_a_rollout(device)
    assert device.shown(UNIT, "ActiveState") == "inactive"
    device.run(f"systemctl start {UNIT}")


def test_an_upgrade_in_the_middle_of_a_trial_begins_with_what_has_proved_itself(
    device: Container, fleet: rollouts.Operator
) -> None:
    assert fleet.asked
    trial = device.root / "var/lib/facemask-edge-rollouts/trial.json"
    device.run(f"systemctl start --no-block {ROLLOUT}")
    assert wait_until(trial.exists, 60)
    # It would be over before the new version has its place.
    device.run(f"systemctl kill --signal STOP {ROLLOUT}")
    device.run(f"{ARCHIVE}/systemd/install.sh", timeout=400)
    assert "compliance.cooldown: 4.0" in device.run("facemask-edge config show --origin").stdout
    assert device.shown(UNIT, "ActiveState") == device.shown(TIMER, "ActiveState") == "active"
    said = asked_for_a_rollout(device)
    assert "the trial of rollout 4 was cut off" in said, said
    assert "rollout 4 has proved itself" in said, said
    assert "compliance.cooldown: 6.0" in device.run("facemask-edge config show --origin").stdout


def test_what_is_delivered_is_read_by_the_daemon_only_and_who_fetches_it_is_locked_in(
    device: Container, fleet: rollouts.Operator
) -> None:
    assert fleet.asked
    shelf = "/var/lib/facemask-edge-rollouts"
    shown = device.run(f"stat --format '%a %U %G' {shelf} {shelf}/state.json {shelf}/current/").stdout.splitlines()
    assert shown == ["2750 root facemask-edge", "640 root facemask-edge", "2750 root facemask-edge"]
    for unit in (ROLLOUT, BOOT):
        security = device.run(f"systemd-analyze security --no-pager {unit}").stdout
        assert float(security.splitlines()[-1].partition(": ")[2].split()[0]) <= 4.0, security
        verified = device.run(f"systemd-analyze verify /etc/systemd/system/{unit}")
        assert verified.stdout + verified.stderr == ""


def test_where_nothing_was_left_nothing_is_done(device: Container) -> None:
    device.run(f"systemctl start {FIRST_BOOT}")
    assert device.shown(FIRST_BOOT, "ConditionResult") == "no"


def test_what_is_wrong_is_left_as_a_word_and_the_daemon_runs_with_what_it_has(device: Container) -> None:
    device.run(f"mkdir {LEFT}; echo 'mqtt2: {{}}' >{LEFT}/device.yaml; sha256sum {CONFIG} >/root/before")
    both = f"systemctl stop {UNIT}; systemctl start {FIRST_BOOT} {UNIT}"
    device.run(both, check=False)
    assert device.shown(FIRST_BOOT, "ExecMainStatus") == "78"
    assert wait_until(lambda: device.shown(UNIT, "ActiveState") == "active", 20)
    said = device.run(f"cat {LEFT}/ERROR.txt").stdout
    assert "device.yaml:1: unknown key mqtt2; did you mean mqtt?" in said
    assert "unknown key mqtt2" in device.log(FIRST_BOOT)
    device.run("sha256sum --check /root/before")


def test_by_hand_it_is_the_same_command(device: Container) -> None:
    device.run(f"cd {LEFT}; rm device.yaml; echo gate-7 >mqtt_username; facemask-edge provision")
    assert device.run("stat --format '%a %U %G' /etc/facemask-edge/mqtt_username").stdout == "640 root facemask-edge\n"
    device.run(f"test ! -e {LEFT}")


def test_an_image_can_be_made_of_a_computer_that_runs(device: Container) -> None:
    refused = device.run(f"{ARCHIVE}/systemd/install.sh --image", check=False)
    assert (refused.returncode, f"{CONFIG} is of one device" in refused.stderr) == (64, True)
    device.run("/opt/facemask-edge/current/uninstall.sh --purge")
    device.run(f"test ! -e /etc/systemd/system/{FIRST_BOOT} && test ! -e /etc/systemd/system/{ROLLOUT}")
    device.run("test ! -e /var/lib/facemask-edge-rollouts")
    device.run(f"{ARCHIVE}/systemd/install.sh --image", timeout=400)
    assert device.shown(UNIT, "ActiveState") == "inactive"
    assert device.shown(UNIT, "UnitFileState") == "enabled"
    device.run("test ! -e /var/lib/facemask-edge")
