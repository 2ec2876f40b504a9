from pathlib import Path

from facemask_edge.areas import AREAS, Areas, DrawnAreas
from facemask_edge.check.switches import check_switches
from facemask_edge.config import Config
from facemask_edge.kept_file import read_kept, write_kept
from facemask_edge.switches import OVERRIDES, Switches


def test_what_was_switched_from_afar_is_said(tmp_path: Path) -> None:
    config = Config.model_validate({"outbox": {"path": tmp_path / "outbox.sqlite3"}})
    assert list(check_switches(config, "pi")) == []
    Switches(config, config.outbox.beside(OVERRIDES)).set("enabled", "OFF")
    (found,) = check_switches(config, "pi")
    assert (found.state, found.subject, found.says) == ("warning", "enabled", "OFF, as it was set from afar")
    assert found.advice == "to have it as configured, send default to facemask/pi/enabled/set"
    deaf = config.model_copy(update={"mqtt": config.mqtt.model_copy(update={"orders": False})})
    assert list(check_switches(deaf, "pi")) == []
    password = tmp_path / "password"
    password.write_text("open sesame\n")
    http = config.http.model_copy(update={"enabled": True, "password_file": password})
    (found,) = check_switches(deaf.model_copy(update={"http": http}), "pi")
    assert found.advice == "to have it as configured, press As configured on its page"


def test_what_was_drawn_is_said_also_where_it_holds_no_longer(tmp_path: Path) -> None:
    cameras = [{"name": "door", "source": "0"}, {"name": "yard", "source": "1"}]
    config = Config.model_validate({"outbox": {"path": tmp_path / "outbox.sqlite3"}, "cameras": cameras})
    file = config.outbox.beside(AREAS)
    Areas(config.cameras, file).draw("door", DrawnAreas())
    kept = read_kept(file)
    write_kept(file, {**kept, "yard": "nonsense", "gate": kept["door"]})
    assert [(found.state, found.subject, found.says) for found in check_switches(config, "pi")] == [
        ("problem", "camera yard", f"what was drawn is damaged in {file}: its privacy masks are gone"),
        ("warning", "zones", "zones and privacy masks were drawn for gate, and no camera is called so"),
        ("warning", "camera door", "has the zones that were drawn on the page"),
    ]
    for each in file.parent.glob(f"{file.name}*"):
        each.write_text('{"door": ')
    (found,) = check_switches(config, "pi")
    assert (found.state, found.says) == ("problem", f"{file} is damaged: the privacy masks that were drawn are gone")
