"""What a device takes, and what it leaves alone."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from facemask_edge.config import RolloutConfig
from facemask_edge.errors import ConfigError, OutputError, ServiceError
from facemask_edge.rollouts import publish as publishing
from facemask_edge.rollouts.fetch import Offer, look, offered
from facemask_edge.rollouts.publish import make_keys, publish, renew
from facemask_edge.rollouts.shelf import Shelf
from tests.faults.small_disk import small_disk
from tests.rollouts.operator import Operator, operator


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    made = Shelf(tmp_path / "shelf")
    with made.alone():
        return made


def taken(fleet: Operator, shelf: Shelf, device: str = "gate", site: str | None = None) -> Offer:
    config = RolloutConfig.model_validate(fleet.configuration(shelf.folder) | {"site": site})
    return taken_as(config, device, shelf)


def taken_as(config: RolloutConfig, device: str, shelf: Shelf) -> Offer:
    offer = offered(config, device, shelf)
    offer.take(shelf)
    return offer


def contents(shelf: Shelf, rollout: Offer) -> dict[str, str]:
    place = shelf.place(rollout.name)
    return {str(file.relative_to(place)): file.read_text() for file in place.rglob("*") if file.is_file()}


def test_each_device_gets_its_part(fleet: Operator, shelf: Shelf) -> None:
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.write("sites/t1/10.yaml", "compliance: {cooldown: 3}\n")
    fleet.write("devices/gate/10.yaml", "compliance: {threshold: 0.6}\n")
    fleet.publish()
    everywhere = {"1-fleet/10.yaml": "mqtt: {prefix: airport}\n"}
    at_the_gate = {"3-device/10.yaml": "compliance: {threshold: 0.6}\n"}
    assert contents(shelf, taken(fleet, shelf, "hall")) == everywhere
    assert contents(shelf, taken(fleet, shelf)) == everywhere | at_the_gate
    at_terminal_1 = contents(shelf, taken(fleet, shelf, site="t1"))
    assert at_terminal_1 == everywhere | at_the_gate | {"2-site/10.yaml": "compliance: {cooldown: 3}\n"}


def test_what_is_the_same_for_this_device_has_the_same_name_and_is_not_read_again(
    fleet: Operator, shelf: Shelf
) -> None:
    fleet.deliver("mqtt: {prefix: airport}\n")
    first = taken(fleet, shelf)
    fleet.write("devices/hall/10.yaml", "compliance: {threshold: 0.6}\n")
    fleet.publish()
    fleet.asked.clear()
    again = taken(fleet, shelf)
    assert (again.name, again.version) == (first.name, first.version + 1)
    assert not [path for path in fleet.asked if path.startswith("/targets/")]


def test_somebody_else_signs_in_vain(fleet: Operator, shelf: Shelf, tmp_path: Path) -> None:
    fleet.write("fleet/10.yaml", "mqtt: {prefix: stolen}\n")
    make_keys(tmp_path / "others")
    publish(fleet.source, tmp_path / "others", fleet.web, days=1)
    with pytest.raises(ServiceError, match="not to be trusted"):
        taken(fleet, shelf)


@pytest.mark.parametrize("file", ["1.targets.json", "1.snapshot.json", "timestamp.json", "archive"])
def test_nothing_that_was_changed_afterwards_is_taken(fleet: Operator, shelf: Shelf, file: str) -> None:
    fleet.deliver("mqtt: {prefix: airport}\n")
    changed = next((fleet.web / "targets").iterdir()) if file == "archive" else fleet.web / "metadata" / file
    # Of the same length, as it is signed, too.
    content = changed.read_bytes()
    assert b"airport" in content or b'"version":1' in content
    changed.write_bytes(content.replace(b"airport", b"stolen1").replace(b'"version":1', b'"version":2'))
    with pytest.raises(ServiceError, match="not to be trusted"):
        taken(fleet, shelf)
    assert {entry.name for entry in shelf.folder.iterdir()} - {"state.json"} == {"metadata", "lock"}


def test_an_older_rollout_is_not_taken_for_the_newest(fleet: Operator, shelf: Shelf, tmp_path: Path) -> None:
    fleet.deliver("mqtt: {prefix: airport}\n")
    shutil.copytree(fleet.web, tmp_path / "kept")
    fleet.deliver("mqtt: {prefix: safer}\n")
    taken(fleet, shelf)
    shutil.copytree(tmp_path / "kept", fleet.web, dirs_exist_ok=True)
    with pytest.raises(ServiceError, match="not to be trusted"):
        taken(fleet, shelf)


def test_a_rollout_that_nobody_vouches_for_any_more_is_said(fleet: Operator, shelf: Shelf) -> None:
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    fleet.publish(days=-1)
    with pytest.raises(ServiceError, match="its operator has to publish again"):
        taken(fleet, shelf)


def test_a_new_key_is_learned_of_and_the_former_is_worth_nothing(fleet: Operator, shelf: Shelf, tmp_path: Path) -> None:
    fleet.deliver("mqtt: {prefix: airport}\n")
    trust = tmp_path / "trust.json"
    shutil.copy(fleet.trust, trust)
    shutil.copytree(fleet.keys, tmp_path / "stolen")
    renew(fleet.keys)
    # What devices were given at first stays with them.
    fleet.trust = trust
    fleet.deliver("mqtt: {prefix: safer}\n")
    assert contents(shelf, taken(fleet, shelf)) == {"1-fleet/10.yaml": "mqtt: {prefix: safer}\n"}
    fleet.write("fleet/10.yaml", "mqtt: {prefix: stolen}\n")
    publish(fleet.source, tmp_path / "stolen", fleet.web, days=30)
    with pytest.raises(ServiceError, match="not to be trusted"):
        taken(fleet, shelf)


def test_a_server_that_is_not_there_or_is_another_is_said(fleet: Operator, shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="the server answers 404; is this where"):
        taken(fleet, shelf)
    other = tmp_path / "other"
    other.mkdir()
    with operator(other) as stranger:
        fleet.url = stranger.url
        with pytest.raises(ServiceError, match="certificate verify failed"):
            taken(fleet, shelf)
    with pytest.raises(ServiceError, match="Connection refused"):
        taken(fleet, shelf)


def test_a_server_may_want_the_devices_certificate(tmp_path: Path, shelf: Shelf) -> None:
    with operator(tmp_path, wants_certificate=True) as fleet:
        fleet.deliver("mqtt: {prefix: airport}\n")
        with pytest.raises(ServiceError, match="cannot be read"):
            taken(fleet, shelf)
        settings = fleet.configuration(shelf.folder)
        settings |= {"cert": str(tmp_path / "gate.pem"), "key": str(tmp_path / "gate.key")}
        assert contents(shelf, taken_as(RolloutConfig.model_validate(settings), "gate", shelf))


def test_without_a_root_of_trust_nothing_is_asked_for(fleet: Operator, shelf: Shelf, tmp_path: Path) -> None:
    fleet.trust = tmp_path / "nowhere.json"
    with pytest.raises(ConfigError, match=r"nowhere\.json: No such file .*; put the trust\.json there"):
        taken(fleet, shelf)
    fleet.trust.write_text("{}")
    with pytest.raises(ConfigError, match="no root of trust; put"):
        taken(fleet, shelf)
    assert fleet.asked == []


def test_a_full_disk_is_said_and_leaves_no_half_rollout(fleet: Operator, tmp_path: Path) -> None:
    # More than fits, after what is signed.
    fleet.write("fleet/models/large.bin", "x" * 3_000_000)
    fleet.publish()
    with small_disk(tmp_path) as disk:
        shelf = Shelf(disk / "shelf")
        with shelf.alone(), pytest.raises(OutputError, match="No space left on device"):
            taken(fleet, shelf)
        fleet.write("fleet/models/large.bin", "x")
        fleet.publish()
        with shelf.alone():
            assert contents(shelf, taken(fleet, shelf)) == {"1-fleet/models/large.bin": "x"}


@pytest.mark.parametrize("what", ["archive", "timestamp.json"])
def test_an_answer_that_breaks_off_is_said(
    fleet: Operator, shelf: Shelf, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.deliver("mqtt: {prefix: airport}\n")
    monkeypatch.setattr(fleet, "breaks_off", ".tar" if what == "archive" else what)
    with pytest.raises(ServiceError, match=r"cannot be read: .*999 more expected"):
        taken(fleet, shelf)


@pytest.mark.parametrize(
    "members",
    [
        [("../10.yaml", tarfile.REGTYPE)],
        [("/10.yaml", tarfile.REGTYPE)],
        [("10.yaml", tarfile.SYMTYPE)],
        [("10.yaml", tarfile.LNKTYPE)],
        [("10.yaml", tarfile.CHRTYPE)],
        [("10.yaml", tarfile.DIRTYPE)],
        [("10.yaml", tarfile.REGTYPE), ("10.yaml", tarfile.REGTYPE)],
    ],
)
def test_an_archive_of_anything_but_files_in_its_folder_is_not_unpacked(
    fleet: Operator, shelf: Shelf, members: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(_: Path) -> bytes:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as content:
            for name, kind in members:
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                content.addfile(member)
        return archive.getvalue()

    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    monkeypatch.setattr(publishing, "_packed", packed)
    fleet.publish()
    with pytest.raises(ServiceError, match="1-fleet: no archive that facemask-edge rollout publish has made"):
        taken(fleet, shelf)
    assert {entry.name for entry in shelf.folder.iterdir()} == {"metadata", "lock"}


def test_a_server_that_is_busy_is_not_waited_for(fleet: Operator, shelf: Shelf) -> None:
    fleet.deliver("mqtt: {prefix: airport}\n")
    fleet.retry_after = 3600
    with pytest.raises(ServiceError, match="the server answers 503"):
        taken(fleet, shelf)


def test_a_look_is_as_strict_as_what_comes_after_it_and_takes_nothing(fleet: Operator, shelf: Shelf) -> None:
    fleet.write("fleet/10.yaml", "mqtt: {prefix: airport}\n")
    for _ in range(2):
        fleet.publish()
    config = RolloutConfig.model_validate(fleet.configuration(shelf.folder))
    assert look(config) == 2
    taken(fleet, shelf)
    kept = {file.name: file.read_bytes() for file in shelf.metadata.iterdir() if file.is_file()}
    fleet.publish()
    assert look(config, shelf.metadata) == 3
    assert {file.name: file.read_bytes() for file in shelf.metadata.iterdir() if file.is_file()} == kept
