"""Writes docs/config.md from the configuration's own descriptions: ``python -m tests.make_config_reference``."""

from collections.abc import Iterator
from typing import Any

import yaml

from facemask_edge.config import CameraConfig, Config, Section
from tests.conftest import ROOT

REFERENCE = ROOT / "docs" / "config.md"
INTRODUCTION = """# Configuration

A YAML file, given with `--config`; [config.yaml](../config.yaml) is the commented default. A wrong key or value ends
the program with exit code 78 and one sentence that names the file, the line, the key and what would be right. A key
with nothing behind it says nothing, as one that is not there; `null` takes back what a layer below says.

## Layers

Each wins over those above it in this table, key by key. A list, such as `cameras`, is replaced whole.
`facemask-edge config show --origin` says of each value where it comes from.

| layer | where |
| --- | --- |
| defaults | this page |
| fleet, site | `config.d/*.yaml` beside the file, in the order of their names: `10-fleet.yaml`, `20-site.yaml` |
| device | `config.yaml`, the given file |
| environment | `FACEMASK_EDGE__SECTION__KEY=VALUE`, the value parsed as YAML: `FACEMASK_EDGE__MQTT__PREFIX=hall` |
| options | `--set section.key=value`, likewise: `--set 'cameras=[{name: door, source: door.mp4}]'` |
| run time | what was sent over MQTT or from the [page](page.md): thresholds, switches, zones, privacy masks |

A variable in a drop-in of the unit holds for the daemon, not for commands. Privacy masks that were drawn are added to
the configured ones. Passwords have [files](install.md#settings) and [variables](delivery.md#brokers) of their own.

The installer leaves a `config.yaml` in which all that is the default is commented out, so that the layers below it
count, and a better default comes with an upgrade: remove the `#` before a key to set it.

This page is generated: `make docs`.
"""


def reference() -> str:
    """The page."""
    return INTRODUCTION + "".join(_sections())


def _sections() -> Iterator[str]:
    for name, field in Config.model_fields.items():
        section: type[Section] = CameraConfig if name == "cameras" else field.annotation  # type: ignore[assignment]
        about = (section.__doc__ or "").strip()
        heading = "`cameras` (a list)" if name == "cameras" else f"`{name}`"
        yield f"\n## {heading}\n\n{about}\n\n| key | default | meaning |\n| --- | --- | --- |\n"
        yield from _rows(section)


def _rows(section: type[Section], prefix: str = "", about: str = "") -> Iterator[str]:
    defaults: dict[str, Any] = section().model_dump(mode="json")
    for key, entry in section.model_fields.items():
        if isinstance(entry.annotation, type) and issubclass(entry.annotation, Section):
            yield from _rows(entry.annotation, f"{prefix}{key}.", f"{entry.description} ")
            continue
        default = yaml.safe_dump(defaults[key], default_flow_style=True).removesuffix("...\n").strip()
        yield f"| `{prefix}{key}` | `{default}` | {about}{entry.description} |\n"


if __name__ == "__main__":
    REFERENCE.write_text(reference())
