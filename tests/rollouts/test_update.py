"""A rollout on trial at a real daemon, with a real broker, camera and web server."""

import errno
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from facemask_edge.edge_tpu_deaths import deaths_file
from facemask_edge.errors import ConfigError, ServiceError
from facemask_edge.rollouts import publish as publishing
from facemask_edge.rollouts import shelf as shelves
from facemask_edge.rollouts import trial
from facemask_edge.rollouts import try_out as trying
from facemask_edge.rollouts import update as updating
from facemask_edge.rollouts.publish import publish
from facemask_edge.rollouts.shelf import Postponement, Shelf, Standing
from facemask_edge.rollouts.trial import ServiceLike, standing
from facemask_edge.rollouts.try_out import RefusedRolloutError
from facemask_edge.rollouts.update import settle
from tests.conftest import Mosquitto
from tests.rollouts.device import WELL, NewDevice, cut, in_use
from tests.rollouts.operator import Operator
from tests.rollouts.test_publish import with_models
from tests.subscriber import wait_until


def test_a_rollout_that_proves_itself_is_kept(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.write("sites/t1/20.yaml", "compliance: {cooldown: 4}\n")
    models = with_models(fleet.source / "devices" / "gate")
    link = device.config.parent / "config.d" / "50-rollout"
    model = link / "3-device" / models.name / "mask_classifier_int8.tflite"
    fleet.write("devices/gate/30.yaml", f"classifier: {{model: {model}}}\n")
    fleet.publish()
    device.update()
    assert device.said("rollout")["state"] == "trial", "so it was when it said so"
    assert standing(device) == WELL
    assert device.rollout() == in_use(1)
    shown = device.shown_with_origins()
    assert f'mqtt.prefix: "airport"  # {link}/1-fleet/10.yaml:1' in shown
    assert f"compliance.cooldown: 4.0  # {link}/2-site/20.yaml:1" in shown
    assert f'classifier.model: "{model}"  # {link}/3-device/30.yaml:1' in shown


def test_nothing_new_disturbs_nobody(new_device: NewDevice, fleet: Operator, caplog: pytest.LogCaptureFixture) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    started = device.starts()
    fleet.write("devices/other/10.yaml", "mqtt: {prefix: other}\n")
    fleet.publish()
    with caplog.at_level(logging.INFO):
        device.update()
    assert "rollout 2 has nothing new for this device" in caplog.text
    assert device.starts() == started
    assert device.rollout() == in_use(2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mqtt: {servers: ['mqtt://127.0.0.1:1']}", "no broker takes its events"),
        ("cameras: [{name: door, source: 'http://127.0.0.1:1/'}]", "camera door gives no picture"),
        pytest.param(
            "cameras: [{name: gate, source: 'http://127.0.0.1:1/'}]",
            "camera gate gives no picture",
            marks=pytest.mark.full,
        ),
        ("detector: {model: mask_classifier_int8.tflite}", "the daemon does not start"),
        ("classifier: {accelerator: edgetpu}", "the daemon is started again and again"),
    ],
)
def test_a_rollout_that_takes_away_what_worked_is_taken_back(
    new_device: NewDevice, fleet: Operator, text: str, reason: str
) -> None:
    device = new_device(probation=20)
    fleet.deliver(text)
    with pytest.raises(RefusedRolloutError, match=f"rollout 1 is refused, and the one before used: .*{reason}"):
        device.update()
    # The daemon was started with what was there before.
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert wait_until(lambda: bool(device.said("warnings")), 15), "it looks now and then"
    told = device.said("rollout")
    assert (told["version"], told["state"], told["refused"]) == (None, "none", 1)
    assert reason in told["reason"]
    (warned,) = device.said("warnings")
    assert warned["code"] == "rollout_refused"
    assert warned["says"].startswith("rollout 1 was refused, what was there before is used: ")


def test_a_refused_rollout_is_not_tried_again_and_a_newer_one_is(
    new_device: NewDevice, fleet: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    fleet.deliver("classifier: {accelerator: edgetpu}\n")
    with pytest.raises(RefusedRolloutError):
        device.update()
    started = device.starts()
    device.update()
    assert "rollout 2 was refused before" in caplog.text
    assert device.starts() == started
    told = device.rollout()
    assert (told["version"], told["state"], told["refused"]) == (1, "good", 2)
    fleet.deliver("mqtt: {prefix: better}\n")
    device.update()
    assert device.rollout() == in_use(3)
    kept = {entry.name for entry in device.shelf.iterdir() if entry.is_dir() and not entry.is_symlink()}
    assert kept == {"metadata", Shelf(device.shelf).current}


def test_what_cannot_be_right_is_refused_without_a_restart(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    started = device.starts()
    models = device.config.parent / "config.d" / "50-rollout" / "1-fleet" / "models"
    fleet.deliver(f"classifier: {{model: {models}/mask_classifier_int8.tflite}}\n")
    with pytest.raises(RefusedRolloutError, match=r"model .*mask_classifier_int8\.tflite does not exist"):
        device.update()
    # Right on the operator's computer: it depends on what this device has.
    fleet.write("fleet/10.yaml", "http: {cert: /door.pem, key: /door.key}\n")
    device.config.write_text(device.config.read_text() + "http: {cert: null}\n")
    fleet.publish()
    with pytest.raises(RefusedRolloutError, match="cert and key belong together"):
        device.update()
    assert device.starts() == started
    assert standing(device) == WELL


def test_a_rollout_after_which_no_other_could_be_had_is_taken_back(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device(probation=20)
    fleet.deliver("rollout: {url: 'https://127.0.0.1:1'}\n")
    with pytest.raises(RefusedRolloutError, match="the next rollout could not be had"):
        device.update()


def test_what_did_not_work_before_is_not_asked_for(
    new_device: NewDevice, fleet: Operator, mosquitto: Mosquitto
) -> None:
    device = new_device()
    mosquitto.stop()
    assert wait_until(lambda: standing(device) == Standing(broker=False, cameras={"door": True}), 30)
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    assert Shelf(device.shelf).state.refused is None
    assert Shelf(device.shelf).state.good == Shelf(device.shelf).current


def test_a_rollout_may_mend_a_device_that_does_not_run(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    image = device.config.parent / "config.d" / "10-image.yaml"
    image.write_text(f"{image.read_text()}classifier: {{accelerator: edgetpu}}\n")
    assert not device.restart()
    fleet.deliver("classifier: {accelerator: cpu}\n")
    device.update()
    assert wait_until(lambda: standing(device) == WELL, 30)


@pytest.mark.parametrize("moment", ["noted", "used"])
def test_a_trial_that_a_power_cut_ends_goes_on(
    new_device: NewDevice, fleet: Operator, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    with monkeypatch.context() as until:
        until.setattr(*{"noted": (Shelf, "use", cut), "used": (trying, "proves_itself", cut)}[moment])
        with pytest.raises(KeyboardInterrupt):
            device.update()
    (name,) = Shelf(device.shelf).state.versions
    shelf = Shelf(device.shelf)
    assert (shelf.trial is not None, shelf.state.good) == (True, None)
    # The next boot: the daemon begins without it.
    settle(device.config)
    assert shelf.current is None
    assert device.restart()
    device.update()
    assert Shelf(device.shelf).trial is None
    assert shelf.state.good == shelf.current == name


def test_a_rollout_whose_trials_are_cut_off_again_and_again_is_taken_back(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    with monkeypatch.context() as until:
        until.setattr(trying, "proves_itself", cut)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                device.update()
            settle(device.config)
    with pytest.raises(RefusedRolloutError, match="its trial was cut off 2 times"):
        device.update()
    assert Shelf(device.shelf).current is None
    assert wait_until(lambda: standing(device) == WELL, 30)


def test_a_daemon_that_somebody_has_stopped_stays_so(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.stop()
    device.update()
    assert device.is_stopped()
    assert Shelf(device.shelf).current is None


def test_what_is_wrong_without_any_rollout_is_no_rollouts_fault(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    image = device.config.parent / "config.d" / "10-image.yaml"
    right = image.read_text()
    image.write_text(f"{right}classifier: {{model: /gone.tflite}}\n")
    device.update()
    assert (device.shelf / "current" / "1-fleet" / "10.yaml").exists(), "it is not taken for damaged"
    fleet.deliver("mqtt: {prefix: better}\n")
    with pytest.raises(ConfigError, match=r"no rollout can be tried: model /gone\.tflite"):
        device.update()
    image.write_text(right)
    device.update()
    assert device.rollout() == in_use(2)


def test_what_works_no_more_without_the_rollout_either_is_not_its_fault(
    new_device: NewDevice, fleet: Operator, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")

    def works_until_somebody_pulls_the_plug(service: ServiceLike) -> Standing:
        works = trial.settled(service)
        mosquitto.stop()
        return works

    with monkeypatch.context() as until:
        until.setattr(updating, "settled", works_until_somebody_pulls_the_plug)
        with pytest.raises(ServiceError, match="tried again later: no broker takes its events; without it: no broker"):
            device.update()
    told = device.rollout()
    assert (told["version"], told["refused"], told["postponed"]) == (None, None, 1)
    assert told["reason"].startswith("no broker takes its events; without it: no broker")
    assert wait_until(lambda: [each["code"] for each in device.said("warnings")] == ["rollout_postponed"], 15)
    # Not with each look at the server.
    started = device.starts()
    device.update()
    assert device.starts() == started
    with monkeypatch.context() as until:
        # It is another day, and the broker did not come back.
        until.setattr(shelves, "PAUSE", 0.0)
        until.setattr(shelves, "LONGEST_OUTAGE", 1)
        device.update()
    assert device.rollout() == in_use(1)


def test_the_pauses_of_one_that_is_postponed_again_and_again_grow() -> None:
    def waits(times: int, seconds: float) -> bool:
        return Postponement(rollout="a", version=1, reason="b", times=times, at=1000).waits(1000 + seconds)

    assert (waits(1, 899), waits(1, 901)) == (True, False)
    assert (waits(3, 3599), waits(3, 3601)) == (True, False)
    assert (waits(5000, 86399), waits(5000, 86401)) == (True, False)
    assert not waits(5000, -1), "the clock was set back"


def test_a_rollout_is_not_refused_for_what_came_back_by_chance(
    new_device: NewDevice, fleet: Operator, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    found: list[str | None] = []

    def without_a_broker_at_first(*args: Any, **settings: Any) -> str | None:
        (mosquitto.start if found else mosquitto.stop)()
        with monkeypatch.context() as until:
            until.setattr(mosquitto, "start", lambda: None)
            found.append(trial.proves_itself(*args, **settings))
        return found[-1]

    monkeypatch.setattr(trying, "proves_itself", without_a_broker_at_first)
    monkeypatch.setattr(trying, "TRIALS", 2)
    device.update()
    assert found == ["no broker takes its events", None, None]
    assert device.rollout() == in_use(1)


def test_a_rollout_is_refused_after_a_second_trial(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.deliver("detector: {model: mask_classifier_int8.tflite}\n")
    found: list[str | None] = []

    def noted(*args: Any, **settings: Any) -> str | None:
        found.append(trial.proves_itself(*args, **settings))
        return found[-1]

    monkeypatch.setattr(trying, "proves_itself", noted)
    monkeypatch.setattr(trying, "TRIALS", 2)
    with pytest.raises(RefusedRolloutError):
        device.update()
    against = "the daemon does not start: journalctl -u facemask-edge"
    assert found == [against, None, against, None]


@pytest.mark.parametrize("is_known", [True, False])
def test_deaths_by_the_library_of_an_edge_tpu_are_no_rollouts_fault(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    deaths = deaths_file(device.config.parent / "outbox.sqlite3")
    asked: list[None] = []

    def look(*_: object) -> None:
        asked.append(None)
        if len(asked) == 1:
            if is_known:
                deaths.write_text("1")
            device.kill()

    monkeypatch.setattr(trying, "look", look)
    monkeypatch.setattr(trying, "TRIALS", 2)
    device.update()
    # Otherwise the daemon ended by itself: it is started without the rollout, and once more with it.
    assert len(asked) == (1 if is_known else 3)
    assert Shelf(device.shelf).state.good is not None


def test_a_way_back_that_a_power_cut_ends_is_gone_again(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {servers: ['mqtt://127.0.0.1:1']}\n")
    found: list[str | None] = []

    def cut_on_the_way_back(*args: Any, **settings: Any) -> str | None:
        if found:
            cut()
        found.append(trial.proves_itself(*args, **settings))
        return found[-1]

    with monkeypatch.context() as until:
        until.setattr(trying, "proves_itself", cut_on_the_way_back)
        with pytest.raises(KeyboardInterrupt):
            device.update()
    settle(device.config)
    assert device.restart()
    with pytest.raises(RefusedRolloutError, match="no broker takes its events"):
        device.update()
    assert Shelf(device.shelf).current is None
    assert wait_until(lambda: standing(device) == WELL, 30)


def test_what_goes_wrong_in_a_trial_is_no_reason_to_go_on_with_the_rollout(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as until:
        until.setattr(trying, "look", full)
        with pytest.raises(ServiceError, match=r"rollout 1 is tried again later: .*No space left on device"):
            device.update()
    assert (Shelf(device.shelf).current, Shelf(device.shelf).trial) == (None, None)
    # It was started with the rollout, and is so without it.
    assert wait_until(lambda: standing(device) == WELL, 30)
    assert wait_until(lambda: (device.said("rollout") or {}).get("postponed") == 1, 15), "it looks now and then"
    assert device.starts() == 3


def test_a_rollout_after_which_none_would_be_taken_is_refused(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.write("fleet/10.yaml", "rollout: {url: null}\n")
    with pytest.raises(ConfigError, match=r"10\.yaml: rollout\.url is null: no device that takes this"):
        fleet.publish()
    monkeypatch.setattr(publishing, "_checked", lambda *_: [])
    fleet.publish()
    with pytest.raises(RefusedRolloutError, match=r"rollout\.url would be null, and the next rollout not be taken"):
        device.update()


def test_a_daemon_that_hangs_after_its_first_message_does_not_prove_itself(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    monkeypatch.setattr(trying, "look", lambda *_: device.hang())
    # Without the rollout it hangs, too.
    hangs = "its loop gives no sign of life"
    with pytest.raises(ServiceError, match=f"tried again later: {hangs}; without it: {hangs}"):
        device.update()


def test_a_trial_in_which_somebody_stops_the_daemon_says_nothing_about_the_rollout(
    new_device: NewDevice, fleet: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = new_device()
    fleet.deliver("mqtt: {prefix: airport}\n")
    with monkeypatch.context() as until:
        until.setattr(trying, "look", lambda *_: device.stop())
        device.update()
    assert device.is_stopped()
    shelf = Shelf(device.shelf)
    assert (shelf.current, shelf.trial, shelf.state.refused) == (None, None, None)
    assert device.restart()
    device.update()
    assert shelf.state.good == shelf.current is not None


def test_to_publish_the_former_files_takes_a_refusal_back(new_device: NewDevice, fleet: Operator) -> None:
    device = new_device(probation=20)
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    wrong = "rollout: {path: /elsewhere}\n"
    fleet.deliver(wrong)
    with pytest.raises(RefusedRolloutError, match=r"rollout\.path would be another one"):
        device.update()
    fleet.deliver("mqtt: {prefix: airport}\n")
    device.update()
    assert device.rollout() == in_use(3)
    # With another number it is tried again: what was in its way may be gone.
    fleet.write("fleet/10.yaml", wrong)
    for _ in range(2):
        fleet.publish()
        with pytest.raises(RefusedRolloutError):
            device.update()
    assert device.rollout()["refused"] == 5


def test_a_server_whose_numbers_begin_anew_is_not_believed_in_a_trial(
    new_device: NewDevice, fleet: Operator, tmp_path: Path
) -> None:
    device = new_device(probation=20)
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    for _ in range(2):
        fleet.publish()
    device.update()
    # A copy of the keys without the number, and a new folder of the web server.
    other = tmp_path / "other-keys"
    shutil.copytree(fleet.keys, other)
    (other / "number").unlink()
    publish(fleet.source, other, fleet.web / "anew", days=30)
    fleet.deliver(f"rollout: {{url: '{fleet.url}/anew'}}\n")
    with pytest.raises(RefusedRolloutError, match=r"the next rollout could not be had: .*not to be trusted"):
        device.update()


def test_two_do_not_look_at_once(new_device: NewDevice) -> None:
    device = new_device()
    with Shelf(device.shelf).alone(), pytest.raises(ServiceError, match="already"):
        device.update()


def test_the_link_is_replaced_at_once(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for name in ("a", "b"):
        with shelf.adding(name) as folder:
            (folder / "x.yaml").write_text(name)
        shelf.use(name)
        assert (tmp_path / "current" / "x.yaml").read_text() == name
    shelf.use(None)
    assert shelf.current is None
    shelf.use(None)
    shutil.rmtree(tmp_path)
    assert shelf.current is None
