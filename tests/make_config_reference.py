"""Writes docs/config.md from the configuration's own descriptions: ``python -m tests.make_config_reference``."""

from collections.abc import Iterator
from typing import Any

import yaml

from facemask_edge.config import CameraConfig, Config, Section
from tests.conftest import ROOT

REFERENCE = ROOT / "docs" / "config.md"
INTRODUCTION = """# Configuration

A YAML file, given with `--config`; [config.yaml](../config.yaml) is the commented default. Each key can be overridden
with `--set section.key=value`, the value parsed as YAML. A wrong key or value ends the program with exit code 78 and
one sentence that names the file, the line, the key and what would be right.

What many devices have in common may lie beside it, in a folder `config.d`: its `*.yaml` files come first, in the order
of their names (`10-fleet.yaml`, `20-site.yaml`), each later one wins over those before, key by key, and the given file
over all. A list, such as `cameras`, is replaced whole. So what they are to say must not be in `config.yaml`, too.
`facemask-edge config show --origin` says of each value where it comes from.

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
