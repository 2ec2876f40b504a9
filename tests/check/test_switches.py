from pathlib import Path

from facemask_edge.check.switches import check_switches
from facemask_edge.config import Config
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
