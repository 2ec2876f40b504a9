"""What the operator does."""

import io
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from facemask_edge.errors import ConfigError, InputError, ModelError, OutputError
from facemask_edge.manifest import packaged_models
from facemask_edge.rollouts.publish import make_keys, publish, renew
from tests.rollouts.operator import Operator

MODEL = "mask_classifier_int8.tflite"


def with_models(folder: Path) -> Path:
    """The packaged models, as a rollout has them."""
    models = folder / "models"
    shutil.copytree(packaged_models(), models, ignore=shutil.ignore_patterns("*.keras", "*.json"))
    shutil.copy(packaged_models() / "manifest.json", models)
    entries = json.loads((models / "manifest.json").read_text())
    entries["models"] = [entry for entry in entries["models"] if (models / entry["file"]).exists()]
    (models / "manifest.json").write_text(json.dumps(entries))
    return models


def test_a_rollout_is_what_lies_in_the_folder(fleet: Operator) -> None:
    fleet.write("fleet/10-broker.yaml", "mqtt: {prefix: airport}\n")
    fleet.write("sites/terminal-1/site.yaml", "compliance: {cooldown: 3}\n")
    fleet.write("devices/gate/door.yaml", "compliance: {threshold: 0.6}\n")
    published = fleet.publish()
    assert published.archives == ("fleet.tar", "sites/terminal-1.tar", "devices/gate.tar")
    (archive,) = (fleet.web / "targets").glob("*.fleet.tar")
    with tarfile.open(archive) as content:
        assert content.getnames() == ["10-broker.yaml"]
        assert content.extractfile("10-broker.yaml").read() == b"mqtt: {prefix: airport}\n"  # type: ignore[union-attr]
    assert fleet.publish().version == published.version + 1, "signed again, with nothing new in it"
    assert len(list((fleet.web / "targets").glob("*.fleet.tar"))) == 1, "the same content has the same name"


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("fleet/10.yaml", "mqtt: {servr: a}", r"fleet/10\.yaml:1: unknown key mqtt\.servr"),
        ("sites/t1/10.yaml", "compliance: {threshold: 7}", r"sites/t1/10\.yaml:1: compliance\.threshold"),
        ("devices/gate/10.yaml", "a: [", r"devices/gate/10\.yaml:\d: not valid YAML"),
        ("devices/gate/10.yml", "", "would be passed over"),
        ("devices/gate/10.yaml", "device: {name: portal}", "device.name says which parts a device gets"),
        ("fleet/10.yaml", "rollout: {site: t1}", "rollout.site says which parts a device gets"),
        ("sites/t1/10.yaml", "rollout: {site: t2}", "rollout.site says which parts a device gets"),
    ],
)
def test_a_wrong_configuration_is_not_signed(fleet: Operator, file: str, text: str, says: str) -> None:
    fleet.write(file, text)
    with pytest.raises(ConfigError, match=says):
        fleet.publish()
    assert not (fleet.web / "metadata").exists()


def test_a_site_is_checked_with_what_the_fleet_has(fleet: Operator) -> None:
    # Each by itself is right.
    fleet.write("fleet/10.yaml", "mqtt: {cert: /a.pem, key: /a.key}\n")
    fleet.write("sites/t1/10.yaml", "mqtt: {key: null}\n")
    with pytest.raises(ConfigError, match="belong together"):
        fleet.publish()


@pytest.mark.parametrize("name", ["flet/10.yaml", "readme.txt", "sites/10.yaml", "sites/a b/10.yaml"])
def test_what_no_device_would_get_is_said(fleet: Operator, name: str) -> None:
    fleet.write(name, "device: {}\n")
    with pytest.raises((InputError, ConfigError)):
        fleet.publish()


def test_a_model_that_is_not_its_manifests_is_not_signed(fleet: Operator) -> None:
    fleet.write("fleet/10.yaml", "device: {}\n")
    models = with_models(fleet.source / "fleet")
    assert fleet.publish().archives == ("fleet.tar",)
    with (models / MODEL).open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelError, match="damaged or was changed"):
        fleet.publish()


def test_a_link_is_not_followed(fleet: Operator) -> None:
    fleet.write("fleet/10.yaml", "device: {}\n")
    (fleet.source / "fleet" / "key").symlink_to("/etc/shadow")
    with pytest.raises(InputError, match="files and folders only"):
        fleet.publish()


def test_keys_are_for_their_owner_only_and_never_overwritten(fleet: Operator) -> None:
    for name in ("root.pem", "rollout.pem"):
        assert (fleet.keys / name).stat().st_mode & 0o777 == 0o600
    with pytest.raises(OutputError, match="has keys already"):
        make_keys(fleet.keys)


def test_a_key_that_devices_do_not_trust_signs_nothing(fleet: Operator, tmp_path: Path) -> None:
    fleet.write("fleet/10.yaml", "device: {}\n")
    make_keys(tmp_path / "others")
    shutil.copy(tmp_path / "others" / "rollout.pem", fleet.keys)
    with pytest.raises(InputError, match="is not the key that"):
        fleet.publish()
    shutil.copy(tmp_path / "others" / "root.pem", fleet.keys)
    with pytest.raises(InputError, match="is not the key of"):
        renew(fleet.keys)
    (fleet.keys / "rollout.pem").write_text("no key")
    with pytest.raises(InputError, match="no key that"):
        fleet.publish()


def test_a_folder_without_keys_is_said(fleet: Operator, tmp_path: Path) -> None:
    fleet.write("fleet/10.yaml", "device: {}\n")
    with pytest.raises(InputError, match="No such file"):
        publish(fleet.source, tmp_path / "nowhere", fleet.web, days=1)
    (tmp_path / "trust.json").write_text("{}")
    with pytest.raises(InputError, match="no root of trust"):
        publish(fleet.source, tmp_path, fleet.web, days=1)


def test_in_another_folder_the_numbers_go_on(fleet: Operator, tmp_path: Path) -> None:
    fleet.write("devices/gate/10.yaml", "rollout: {site: t1}\n")
    fleet.publish()
    assert publish(fleet.source, fleet.keys, tmp_path / "another", days=1).version == 2
    (fleet.keys / "number").write_text("many\n")
    with pytest.raises(InputError, match="write the number of the newest rollout there"):
        fleet.publish()


def test_a_damaged_web_folder_does_not_begin_anew(fleet: Operator) -> None:
    fleet.write("fleet/10.yaml", "device: {}\n")
    fleet.publish()
    (fleet.web / "metadata" / "timestamp.json").write_text("")
    with pytest.raises(InputError, match="devices take no older version"):
        fleet.publish()


def test_the_same_folder_gives_the_same_archive(fleet: Operator) -> None:
    fleet.write("fleet/10.yaml", "device: {}\n").touch()
    fleet.publish()
    (first,) = (fleet.web / "targets").iterdir()
    content = io.BytesIO(first.read_bytes())
    fleet.write("fleet/10.yaml", "device: {}\n").chmod(0o600)
    fleet.publish()
    (again,) = (fleet.web / "targets").iterdir()
    assert (again, again.read_bytes()) == (first, content.getvalue())
